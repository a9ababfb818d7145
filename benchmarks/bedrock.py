"""How ragdiet calls Bedrock: how fast, what comes of every fault, and whether the books are right.

    python -m benchmarks.bedrock [--data FOLDER] [--only SECTION ...] [--database local|testcontainers|DSN]
                                 [--calls N] [--storm N] [--rounds N] [--peers PYTHON|none] [--out results.json]

speed    calls a second over bare boto3 with threads, beside aiobotocore and litellm; the first token of a stream
ask      what an ask takes beside its requests to Bedrock
faults   every fault with every operation, once and always: the error or the recovery, tries, seconds, rows, bill
asks     whole asks while the first model of the chain fails: asked, awaited, streamed
storm    thousands of calls from 32 threads while a fifth of all requests fails: no row lost, none twice
tokens   budgets in billed tokens, by a model whose tokenizer is not ours
guard    what the guards find and what they take for more than it is

Everything runs against the stand-in `ragdiet.testing.bedrock`, over HTTP, by the real boto3. The peers run in a
Python of their own, see benchmarks/peers/requirements-bedrock.txt. The exit code is 1 where a figure that must be 0
is not: lost or double rows, wrong answers, errors that are not ours, books that differ, hung threads.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks import bedrock_asks, bedrock_calibration, bedrock_faults, bedrock_speed, bedrock_storm, guard
from benchmarks.database import add_argument, databases, told
from benchmarks.datasets import data_folder
from benchmarks.report import Row
from benchmarks.sections import run

MUST_BE_ZERO = (
    "wrong_answers",
    "other_errors",
    "badly_accounted",
    "exceptions",
    "books_differ",
    "hung_threads",
    "lost_rows",
    "double_rows",
    "calls_whose_books_differ",
    "prompts_over",
    "contexts_over",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    names = ("speed", "ask", "faults", "asks", "storm", "tokens", "guard")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    add_argument(parser)
    parser.add_argument("--calls", type=int, default=2_000, help="speed: of each contestant a round")
    parser.add_argument("--storm", type=int, default=10_000, help="storm: its calls")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=20_26)
    parser.add_argument("--peers", default="none", help="a Python that has aiobotocore and litellm, or 'none'")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    peers = None if arguments.peers == "none" else arguments.peers
    with databases(arguments.database) as given:
        sections: dict[str, Callable[[], Row]] = {
            "speed": lambda: bedrock_speed.measure(arguments.calls, arguments.rounds, peers),
            "ask": lambda: bedrock_asks.overhead(given),
            "faults": bedrock_faults.measure,
            "asks": lambda: bedrock_asks.faults(given),
            "storm": lambda: bedrock_storm.measure(arguments.storm, arguments.seed),
            "tokens": lambda: bedrock_calibration.measure(data_folder(arguments.data)),
            "guard": lambda: guard.measure(data_folder(arguments.data)),
        }
        asked = {key: vars(arguments)[key] for key in ("only", "calls", "storm", "rounds", "seed")}
        asked["database"] = told(arguments.database)
        run(sections, arguments.only, arguments=asked, out=arguments.out, must_be_zero=MUST_BE_ZERO)


if __name__ == "__main__":
    main()
