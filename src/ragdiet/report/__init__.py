from ragdiet.report.costs import CostKey, CostRow, Costs, read_costs

__all__ = ["CostKey", "CostRow", "Costs", "read_costs"]
