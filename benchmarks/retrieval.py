"""How exact, fast and good retrieval is.

    python -m benchmarks.retrieval --data FOLDER [--only SECTION ...] [--database local|testcontainers|DSN]
                                   [--chunks N] [--recall-chunks N] [--peer-chunks N] [--questions N] [--rounds N]
                                   [--vectors wordllama|words] [--cache FOLDER] [--peers PYTHON|none]
                                   [--out results.json]

bm25     the keyword leg: scores beside the bm25s library's, speed beside ts_rank_cd over GIN
speed    hybrid search over its bare SQL and over vectors alone; clients, growth, storage, small inserts, deletions
recall   the dense leg's recall@10 against exact search, without and with filters, and inside a small tenant
peers    hybrid search beside llama-index, langchain-postgres and haystack
quality  nDCG@10 on four judged sets: each leg, both fused, and what each part adds

Ratios are of things measured in turn, question by question. Everything that is random has a seed. Vectors are kept
in the cache folder between runs. The peers run in a Python of their own, see benchmarks/peers/requirements.txt. With
a DSN the role must be allowed to create databases and the extension vector.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import retrieval_bm25, retrieval_peers, retrieval_quality, retrieval_recall, retrieval_speed
from benchmarks.database import add_argument, databases, told
from benchmarks.datasets import data_folder
from benchmarks.machine import machine
from benchmarks.peers import runner
from benchmarks.quality import PEERS
from benchmarks.report import Row, shown
from benchmarks.retrieval_settings import Settings

SECTIONS: dict[str, Callable[[Settings], Row]] = {
    "bm25": retrieval_bm25.measure,
    "speed": retrieval_speed.measure,
    "recall": retrieval_recall.measure,
    "peers": retrieval_peers.measure,
    "quality": retrieval_quality.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    add_argument(parser)
    parser.add_argument("--chunks", type=int, default=100_000, help="bm25 and speed: size of the corpus")
    parser.add_argument("--recall-chunks", type=int, default=20_000, help="recall: its size, embedded by MiniLM")
    parser.add_argument("--peer-chunks", type=int, default=20_000, help="peers: its size, embedded by MiniLM")
    parser.add_argument("--questions", type=int, default=300, help="questions of people, at most")
    parser.add_argument("--identifiers", type=int, default=60, help="questions for rare identifiers beside them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="speed: of each number of clients")
    parser.add_argument("--vectors", choices=("wordllama", "words"), default="wordllama", help="speed: the fast model")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "ragdiet-benchmarks")
    parser.add_argument("--sets", nargs="+", choices=list(PEERS), default=list(PEERS), help="quality: the judged sets")
    parser.add_argument("--peers", default=sys.executable, help="a Python that has the peers, or 'none'")
    parser.add_argument("--seed", type=int, default=20_26)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    data = data_folder(arguments.data)
    peers = None if arguments.peers == "none" else arguments.peers
    if peers and "peers" in arguments.only:
        runner.require(peers)
    summary: dict[str, Row] = {}
    with databases(arguments.database) as given:
        settings = Settings(
            data=data,
            databases=given,
            chunks=arguments.chunks,
            recall_chunks=arguments.recall_chunks,
            peer_chunks=arguments.peer_chunks,
            questions=arguments.questions,
            identifiers=arguments.identifiers,
            rounds=arguments.rounds,
            seconds=arguments.seconds,
            vectors=arguments.vectors,
            cache=arguments.cache,
            sets=tuple(arguments.sets),
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
    hidden = ("data", "database", "cache", "peers", "out")
    kept = {name: value for name, value in vars(arguments).items() if name not in hidden}
    return kept | {"database": told(arguments.database)}


if __name__ == "__main__":
    main()
