"""Starts a peer in the peers' Python."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

MODULES = {
    "langchain_pgvector": "langchain-postgres",
    "langchain_pgvectorstore": "langchain-postgres",
    "llama_index_pgvector": "llama-index-vector-stores-postgres",
    "haystack_pgvector": "pgvector-haystack",
}
"""Modules of this folder, and the packages they are written for."""

_ROOT = Path(__file__).parents[2]
_VERSIONS = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"


def versions(python: str) -> dict[str, str]:
    """Releases of the peers in that Python. Raises PeersAbsent where one is missing."""
    shown = subprocess.run(
        [python, "-c", _VERSIONS, *dict.fromkeys(MODULES.values())], capture_output=True, text=True, check=False
    )
    if shown.returncode:
        raise PeersAbsent(shown.stderr.strip().splitlines()[-1])
    return dict(json.loads(shown.stdout))


def load_with(python: str, module: str, dsn: str, folder: Path, expected: int) -> float:
    """Seconds in which a peer loads the rows of ``folder`` into an empty database; raises if it lost any."""
    shown = subprocess.run(
        [python, "-m", "benchmarks.peers", module, dsn, str(folder)],
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_ROOT), "HAYSTACK_TELEMETRY_ENABLED": "False"},
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode:
        raise RuntimeError(f"{module} failed:\n{shown.stderr[-2000:]}")
    found = json.loads(shown.stdout.splitlines()[-1])
    if found["rows"] != expected:
        raise RuntimeError(f"{module} holds {found['rows']:,} of {expected:,} rows")
    return float(found["seconds"])


class PeersAbsent(Exception):
    """The Python that was named does not have the peers' packages."""
