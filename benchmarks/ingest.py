"""What an ingest costs, and what it survives.

    python -m benchmarks.ingest --data FOLDER [--only SECTION ...] [--database local|testcontainers|DSN]
                                [--rounds N] [--chunks N] [--gigabytes X] [--peers PYTHON|none] [--out results.json]

rows       rows into the store, over raw binary COPY and beside other libraries
embedding  MiniLM's batches sorted by length, over plain batches in the order of the texts
again      a second run over an unchanged folder, and what one edited paragraph costs
memory     peak memory over a large folder, 100,000 tiny files, one file of 1 GB
crash      kill -9 at random moments, then a run to the end: the same rows as an undisturbed one
bad_input  hostile files and embedders: the rest is ingested, every rejection has its reason

The peers run in a Python of their own, see benchmarks/peers/requirements.txt. Everything that is random
has a seed. With a DSN the role must be allowed to create databases and the extension vector.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import ingest_again, ingest_bad_input, ingest_crash, ingest_embedding, ingest_memory, ingest_rows
from benchmarks.database import add_argument, databases, told
from benchmarks.datasets import data_folder
from benchmarks.ingest_settings import Row, Settings
from benchmarks.machine import machine
from benchmarks.peers import runner
from benchmarks.report import shown

SECTIONS: dict[str, Callable[[Settings], Row]] = {
    "rows": ingest_rows.measure,
    "embedding": ingest_embedding.measure,
    "again": ingest_again.measure,
    "memory": ingest_memory.measure,
    "crash": ingest_crash.measure,
    "bad_input": ingest_bad_input.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    add_argument(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunks", type=int, default=20_000, help="rows: chunks of about 200 tokens")
    parser.add_argument("--gigabytes", type=float, default=2.0, help="memory: size of the large folder")
    parser.add_argument("--tiny-files", type=int, default=100_000, help="memory: number of tiny files")
    parser.add_argument("--kills", type=int, default=20, help="crash: kills of the ingesting process")
    parser.add_argument("--peers", default=sys.executable, help="a Python that has the peers, or 'none'")
    parser.add_argument("--seed", type=int, default=20_26)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    data = data_folder(arguments.data)
    peers = None if arguments.peers == "none" else arguments.peers
    if peers and "rows" in arguments.only:
        runner.require(peers)
    summary: dict[str, Row] = {}
    with databases(arguments.database) as given:
        settings = Settings(
            data=data,
            databases=given,
            database=arguments.database,
            rounds=arguments.rounds,
            chunks=arguments.chunks,
            gigabytes=arguments.gigabytes,
            tiny_files=arguments.tiny_files,
            kills=arguments.kills,
            peers=peers,
            seed=arguments.seed,
        )
        for name in arguments.only:
            print(f"\n{name}", flush=True)
            summary[name] = SECTIONS[name](settings)
            print(shown(summary[name]), flush=True)
            if arguments.out:  # after each section: a later one that fails takes nothing away
                result = {"machine": machine(), "arguments": asked(arguments), "summary": summary}
                arguments.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")


def asked(arguments: argparse.Namespace) -> dict[str, object]:
    """The arguments that tell what was measured, without paths and addresses."""
    kept = ("only", "rounds", "chunks", "gigabytes", "tiny_files", "kills", "seed")
    return {name: getattr(arguments, name) for name in kept} | {"database": told(arguments.database)}


if __name__ == "__main__":
    main()
