"""Right, or honestly not: confidence, certificates, the chain, and what is logged of them.

    python -m benchmarks.confidence [--data FOLDER] [--only SECTION ...] [--database local|testcontainers|DSN]
                                    [--model N] [--out results.json]

signals    the models of confidence on held-out questions; certified thresholds; what gate 1 saves
chain      USD and accuracy of chains of two models of known accuracy, beside always the big one and always the small
checks     what paid checks of replies and of hits save, and cost, by how well they judge
faults     every fault at every step: outcome, reason, price, seconds beyond the deadline
masking    personal data and secrets found by the way of a log, beside the labels of public and made texts
full_run   asks full of such values with every logger at DEBUG: what stands in the file
overhead   what logs, traces and metrics add to an ask

Each is a module of its own: `benchmarks.confidence_signals`, which also writes the model that comes with ragdiet,
`benchmarks.chain` and `benchmarks.observe`. The exit code is 1 where a figure that must be 0 is not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks import chain, confidence_signals, observe
from benchmarks.database import add_argument, told
from benchmarks.datasets import data_folder
from benchmarks.report import Row
from benchmarks.sections import run

MUST_BE_ZERO = (
    "exceptions",
    "wrong_answers",
    "prices_that_are_not_their_rows",
    "over_250_ms_past_it",
    "values_in_the_log",
    "lines_lost",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    names = ("signals", "chain", "checks", "faults", "masking", "full_run", "overhead")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    add_argument(parser)
    parser.add_argument("--model", type=int, default=100, help="signals: questions put to the small model; 0: none")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder, where = data_folder(arguments.data), arguments.database
    sections: dict[str, Callable[[], Row]] = {
        "signals": lambda: confidence_signals.measure(folder, where, arguments.model)["summary"],
        "chain": lambda: chain.chain(folder, where),
        "checks": lambda: chain.checks(folder, where),
        "faults": lambda: chain.faults(where),
        "masking": lambda: observe.masking(folder),
        "full_run": lambda: observe.full_run(folder),
        "overhead": lambda: observe.overhead(folder),
    }
    asked = {"only": arguments.only, "model": arguments.model, "database": told(where)}
    run(sections, arguments.only, arguments=asked, out=arguments.out, must_be_zero=MUST_BE_ZERO)


if __name__ == "__main__":
    main()
