"""What is paid, what is written down of it, and what is not paid twice.

    python -m benchmarks.money [--data FOLDER] [--only SECTION ...] [--database local|testcontainers|DSN]
                               [--asks N] [--rows N] [--litellm WHEEL] [--peers PYTHON|none] [--out results.json]

storm      asks with faults while the process and the database are killed, reconciled with the stand-in's own bill
budgets    64 threads on one budget of $1, with it and without in turn
overhead   what ledger and budget add to an ask
prices     the price book beside genai-prices and litellm, rate by rate
answers    kept answers on paraphrases and near misses, beside plain cosines and GPTCache
quotes     how often the truth lay inside of what was quoted
report     costs read out of millions of rows; false alarms; forecasts

Each is a module of its own, `benchmarks.money_...`. Everything that is billed runs against the stand-in
`ragdiet.testing.bedrock`, over HTTP, by the real boto3. The exit code is 1 where a figure that must be 0 is not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks import money_answers, money_budgets, money_prices, money_quotes, money_report, money_storm
from benchmarks.database import add_argument, databases, told
from benchmarks.datasets import data_folder
from benchmarks.report import Row
from benchmarks.sections import run

MUST_BE_ZERO = (
    "lost_rows",
    "double_rows",
    "rows_that_differ_from_their_request",
    "answers_without_a_row",
    "answers_whose_cost_is_not_their_rows",
    "left_in_spool",
    "without_a_reason",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    names = ("storm", "budgets", "overhead", "prices", "answers", "quotes", "report")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    add_argument(parser)
    parser.add_argument("--asks", type=int, default=10_000, help="storm: its asks")
    parser.add_argument("--rows", type=int, default=10_000_000, help="report: rows of the ledger")
    parser.add_argument("--litellm", type=Path, help="prices: a wheel of litellm")
    parser.add_argument("--peers", default="none", help="answers: a Python that has GPTCache, or 'none'")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with databases(arguments.database) as given:
        sections: dict[str, Callable[[], Row]] = {
            "storm": lambda: money_storm.storm(arguments.asks),
            "budgets": lambda: money_budgets.budgets(given),
            "overhead": lambda: money_budgets.overhead(given),
            "prices": lambda: _prices(arguments.litellm),
            "answers": lambda: money_answers.answers(data_folder(arguments.data), peers=arguments.peers),
            "quotes": lambda: money_quotes.quotes(data_folder(arguments.data), arguments.database),
            "report": lambda: money_report.report(arguments.rows),
        }
        asked = {key: vars(arguments)[key] for key in ("only", "asks", "rows")} | {"database": told(arguments.database)}
        run(sections, arguments.only, arguments=asked, out=arguments.out, must_be_zero=MUST_BE_ZERO)


def _prices(litellm: Path | None) -> Row:
    peers = money_prices.prices(litellm)["summary"]
    return {
        "without_a_reason": sum(counts["without a reason"] for counts in peers.values()),
        "peers": [{"peer": peer, **counts} for peer, counts in peers.items()],
    }


if __name__ == "__main__":
    main()
