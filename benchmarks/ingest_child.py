"""An ingest in a process of its own, to be measured or killed.

    python -m benchmarks.ingest_child DATABASE SOURCE DIMENSIONS

DATABASE is a DSN, or the folder of an embedded server.
Prints ``ready`` when the database is open and the ingest begins, then its report as a line of JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.cheap_embedder import DigestEmbedder
from ragdiet import RAG

_ROOT = Path(__file__).parents[1]


def main() -> None:
    database, source, dimensions = sys.argv[1:]
    embedder = DigestEmbedder(int(dimensions))
    opened = (
        RAG.local(database, embedder=embedder) if Path(database).is_dir() else RAG.connect(database, embedder=embedder)
    )
    with opened as rag:
        opened_with = peak_megabytes()
        print("ready", flush=True)
        report = rag.ingest(source)
    print(
        json.dumps(
            {
                "seconds": report.seconds,
                "added": report.added,
                "updated": report.updated,
                "unchanged": report.unchanged,
                "chunks": report.chunks,
                "rejected": [[one.uri, one.error, one.reason] for one in report.rejected if one.start is None],
                "texts_embedded": embedder.texts,
                "peak_megabytes": peak_megabytes(),
                "peak_megabytes_before": opened_with,
            }
        )
    )


def start(database: str, source: Path, dimensions: int = 64) -> subprocess.Popen[str]:
    """The program in a session of its own, so that a kill of its group reaches all of it and nothing else."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ingest_child", database, str(source), str(dimensions)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(database: str, source: Path, dimensions: int = 64) -> dict[str, Any]:
    """The report of an ingest that nobody disturbs."""
    child = start(database, source, dimensions)
    shown, errors = child.communicate()
    if child.returncode:
        raise RuntimeError(f"the ingest of {source} failed:\n{errors[-2000:]}")
    return dict(json.loads(shown.splitlines()[-1]))


def peak_megabytes() -> float:
    """The most memory this process has held, in 10^6 bytes.

    Linux counts what the parent held before the exec into getrusage's figure; VmHWM begins with the program.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1)  # bytes on macOS


if __name__ == "__main__":
    main()
