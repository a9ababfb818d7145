from ragdiet.report.anomalies import Anomaly, anomalies
from ragdiet.report.costs import CostKey, CostRow, Costs, each_cost, read_costs
from ragdiet.report.export import csv_lines, json_lines
from ragdiet.report.forecast import Forecast, forecast
from ragdiet.report.spend import SpendReport, read_anomalies, read_spend

__all__ = [
    "Anomaly",
    "CostKey",
    "CostRow",
    "Costs",
    "Forecast",
    "SpendReport",
    "anomalies",
    "csv_lines",
    "each_cost",
    "forecast",
    "json_lines",
    "read_anomalies",
    "read_costs",
    "read_spend",
]
