"""Reports of spend over ten million calls, and how often a forecast holds and an alarm is false.

    python -m benchmarks.money_report [--rows 10000000] [--out money_report.json]

- scale: seconds and memory of the report, of its rows and of a streamed CSV, over a year of made calls in an embedded
  database in a scratch folder;
- alarms: false ones in a thousand days without anything unusual, and how many days of 2, 3, 5 and 10 times their spend
  are found, on made histories with weekdays;
- forecasts: how often the month ended within the interval of 80%.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psycopg

from benchmarks.machine import machine
from benchmarks.money_rows import fill
from benchmarks.report import Row, table
from ragdiet.account import PriceBook
from ragdiet.report import anomalies, csv_lines, each_cost, forecast, read_anomalies, read_costs, read_spend
from ragdiet.store import Database, migrate
from ragdiet.store.embedded import EmbeddedServer
from ragdiet.types import Space

_WEEK = np.array([1, 1.05, 1.1, 1.05, 0.95, 0.35, 0.3])
_MONDAY = date(2026, 1, 5)
_KINDS = ("poisson", "lognormal .2", "lognormal .4", "lognormal .8", "growing 7% a week", "drifting 16% a week")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    summary = {"scale": report(arguments.rows), "alarms": alarms(150), "forecasts": forecasts(150)}
    for name, rows in summary.items():
        print(f"\n{name}", *table(rows if isinstance(rows, list) else [rows]), sep="\n")
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


def report(rows: int = 10_000_000) -> Row:
    """Fill a database of its own, and read it in every way."""
    with TemporaryDirectory() as folder, EmbeddedServer.start(Path(folder) / "server") as server:
        migrate(server.dsn, Space(name="made_8", model="made", dimensions=8))
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            fill(connection, rows)
        return {"rows": rows} | reading(server.dsn)


def reading(dsn: str) -> Row:
    """Seconds of each report of a filled database, and the most memory that Python took for any of them."""
    database = Database(dsn)
    now = datetime.now(UTC)
    reports: dict[str, Callable[[], object]] = {
        "page_90_days": lambda: read_spend(database, PriceBook.default()).html(),
        "anomalies_7_days": lambda: read_anomalies(database),
        "by_stage_7_days": lambda: read_costs(database, "stage", since=now - timedelta(days=7)),
        "by_stage_30_days": lambda: read_costs(database, "stage", since=now - timedelta(days=30)),
        "by_model_all": lambda: read_costs(database, "model"),
        "csv_by_day_model_tenant_90_days": lambda: _count(
            csv_lines(
                ("day", "model", "tenant"),
                each_cost(database, ("day", "model", "tenant"), since=now - timedelta(days=90), tenant=""),
            )
        ),
    }
    tracemalloc.start()
    seconds: Row = {}
    for name, made in reports.items():
        began = time.perf_counter()
        made()
        seconds[name] = round(time.perf_counter() - began, 1)
        print(name, seconds[name], flush=True)
    seconds["peak_megabytes"] = round(tracemalloc.get_traced_memory()[1] / 1e6, 1)
    tracemalloc.stop()
    database.close()
    return seconds


def alarms(histories: int) -> list[Row]:
    """By kind of history, of 8 weeks: false alarms in 1,000 days, and the share found of days times 2 to 10."""
    rng = np.random.default_rng(1)
    rows = []
    for kind in _KINDS:
        false, found = 0, dict.fromkeys((2, 3, 5, 10), 0)
        for number in range(histories):
            spend = _days(_made(kind, 63, rng))
            tested = [_MONDAY + timedelta(days=day) for day in range(56, 63)]
            false += len(anomalies("all", "", spend, tested))
            day = tested[number % 7]
            for times in found:
                found[times] += bool(anomalies("all", "", spend | {day: spend[day] * times}, [day]))
        rows.append(
            {"history": kind, "false_in_1000_days": round(1000 * false / (7 * histories), 1)}
            | {f"found_x{times}": round(number / histories, 2) for times, number in found.items()}
        )
    return rows


def forecasts(histories: int) -> list[Row]:
    """By kind of history: the share of months that ended within the interval, made on the 3rd, 10th and 20th."""
    rng = np.random.default_rng(3)
    rows = []
    for kind in _KINDS:
        row: Row = {"history": kind}
        for weeks in (4, 8):
            for day in (3, 10, 20):
                today = date(2026, 7, day)
                held = 0
                for _ in range(histories):
                    made = _made(kind, 7 * weeks + 31 - day + 1, rng)
                    known = {
                        today - timedelta(days=7 * weeks - place): Decimal(f"{one:.6f}")
                        for place, one in enumerate(made[: 7 * weeks])
                    }
                    told = forecast(known, today)
                    assert told is not None
                    held += float(told.low) <= float(told.spent) + made[7 * weeks :].sum() <= float(told.high)
                row[f"{weeks}_weeks_day_{day}"] = round(held / histories, 2)
        rows.append(row)
    return rows


def _made(kind: str, days: int, rng: np.random.Generator) -> np.ndarray:
    """Spend of each day, USD, about 20 on a Monday."""
    base = 20 * _WEEK[np.arange(days) % 7]
    if kind == "poisson":
        return np.asarray(rng.poisson(base * 20) / 20)
    if kind.startswith("lognormal"):
        spread = float(kind.split()[1])
        return np.asarray(base * np.exp(rng.normal(0, spread, days) - spread**2 / 2))
    level = 0.01 * np.arange(days) if kind.startswith("growing") else np.cumsum(rng.normal(0, 0.06, days))
    return np.asarray(base * np.exp(level + rng.normal(0, 0.2, days)))


def _days(spend: np.ndarray) -> dict[date, Decimal]:
    return {_MONDAY + timedelta(days=day): Decimal(f"{one:.6f}") for day, one in enumerate(spend)}


def _count(lines: Iterable[str]) -> int:
    return sum(1 for _ in lines)


if __name__ == "__main__":
    main()
