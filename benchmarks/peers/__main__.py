"""Loads the rows of a folder into an empty database with one peer; prints its seconds as JSON.

    python -m benchmarks.peers MODULE DSN FOLDER      (by `runner`, in the peers' Python)

Timed from objects of the peer's own classes, made beforehand, to all rows committed and all indexes built.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path

import psycopg

from benchmarks.peers.rows import load_rows


def main() -> None:
    module, dsn, folder = sys.argv[1:]
    peer = import_module(f"benchmarks.peers.{module}")
    rows, vectors = load_rows(Path(folder))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        load = peer.Store(dsn, vectors.shape[1]).loader(rows, vectors.tolist())
        began = time.perf_counter()
        load()
        seconds = time.perf_counter() - began
        stored = connection.execute(f"SELECT count(*) FROM {peer.TABLE}").fetchone()  # type: ignore[arg-type]
    print(json.dumps({"seconds": seconds, "rows": stored and stored[0]}))


if __name__ == "__main__":
    main()
