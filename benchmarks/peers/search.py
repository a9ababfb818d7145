"""Loads the rows of a folder into an empty database with one peer, then answers questions one by one.

    python -m benchmarks.peers.search MODULE DSN FOLDER      (by `runner`, in the peers' Python)

Prints the seconds of the load as a line of JSON. Then reads the number of a question a line, and prints a line of
JSON with the seconds its hybrid search took and the documents of its first ten rows. Questions and their vectors lie
in the folder, see `rows`.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path

import psycopg

from benchmarks.peers.rows import load_questions, load_rows


def main() -> None:
    module, dsn, folder = sys.argv[1:]
    replies, sys.stdout = sys.stdout, sys.stderr  # whatever a peer prints
    peer = import_module(f"benchmarks.peers.{module}")
    rows, vectors = load_rows(Path(folder))
    questions, question_vectors = load_questions(Path(folder))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        store = peer.Store(dsn, vectors.shape[1])
        load = store.loader(rows, vectors.tolist())
        began = time.perf_counter()
        load()
        seconds = time.perf_counter() - began
        connection.execute("VACUUM ANALYZE")
    print(json.dumps({"seconds": seconds}), file=replies, flush=True)
    as_lists = question_vectors.tolist()
    for line in sys.stdin:
        place = int(line)
        began = time.perf_counter()
        documents = store.hybrid(questions[place], as_lists[place], 10)
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "documents": documents}), file=replies, flush=True)


if __name__ == "__main__":
    main()
