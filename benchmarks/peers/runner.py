"""Starts a peer in the peers' Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

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


def require(python: str) -> None:
    """Ends the program, loudly, where the peers are not all in that Python."""
    try:
        versions(python)
    except PeersAbsent as error:
        sys.exit(
            f"PEERS ABSENT from {python} ({error}): nothing was measured. Install "
            "benchmarks/peers/requirements.txt into a Python and give it as --peers, or give --peers none."
        )


HYBRIDS = {
    "llama_index_pgvector": "k by vector (HNSW, ef_search 40), then k by ts_rank over an or'ed tsquery (GIN), one list "
    "after the other; nothing is fused. Two statements.",
    "langchain_pgvectorstore": "40 by vector (HNSW, ef_search 40) and 40 by ts_rank_cd over plainto_tsquery, which "
    "wants every word (GIN); scores scaled to [0, 1] and added. Two statements.",
    "haystack_pgvector": "40 by vector (HNSW, ef_search 40) and 40 by ts_rank_cd over plainto_tsquery, which wants "
    "every word (GIN), the tsvector of each match made anew; reciprocal rank fusion in Python. Two statements.",
}
"""Peers that search by words and vectors together, and what each computes."""


def load_with(python: str, module: str, dsn: str, folder: Path, expected: int) -> float:
    """Seconds in which a peer loads the rows of ``folder`` into an empty database; raises if it lost any."""
    shown = subprocess.run(
        [python, "-m", "benchmarks.peers", module, dsn, str(folder)],
        cwd=_ROOT,
        env=_environment(),
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


class Searching:
    """A running peer that holds the rows of a folder and answers the folder's questions."""

    def __init__(self, module: str, process: subprocess.Popen[str], log: Path) -> None:
        self._module = module
        self._process = process
        self._log = log
        self.load_seconds = float(self._reply()["seconds"])

    def ask(self, place: int) -> tuple[float, list[str]]:
        """Seconds of the hybrid search of one question, and the documents of its first ten rows."""
        assert self._process.stdin
        self._process.stdin.write(f"{place}\n")
        self._process.stdin.flush()
        reply = self._reply()
        return float(reply["seconds"]), list(reply["documents"])

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise RuntimeError(f"{self._module} failed:\n{self._log.read_text()[-2000:]}")
        return dict(json.loads(line))


@contextmanager
def _started(python: str, command: list[str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """A module run by the peers' Python, with pipes; its errors go to ``log``."""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [python, "-m", *command],
            cwd=_ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        yield process


@contextmanager
def searching(python: str, module: str, dsn: str, folder: Path) -> Iterator[Searching]:
    """A peer that has loaded the rows of ``folder`` into an empty database, for as long as the block lasts."""
    log = folder / f"{module}.log"
    with _started(python, ["benchmarks.peers.search", module, dsn, str(folder)], log) as process:
        yield Searching(module, process, log)


class Answering:
    """A running peer that answers requests, each a line of JSON."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            with suppress(BrokenPipeError):  # of what it did not live to read
                self._process.stdin.close()
            self._process.wait()
            raise RuntimeError(f"the peer failed:\n{self._log.read_text()[-2000:]}")
        return dict(json.loads(line))


@contextmanager
def answering(python: str, system: str) -> Iterator[Answering]:
    """One system of `dieting` in the peers' Python, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with _started(python, ["benchmarks.peers.dieting", system], log) as process:
            yield Answering(process, log)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(_ROOT), "HAYSTACK_TELEMETRY_ENABLED": "False"}


class PeersAbsent(Exception):
    """The Python that was named does not have the peers' packages."""
