"""Ingests that are killed at random moments, then one run to the end: are the rows those of an undisturbed one?

The ingesting process is killed with signal 9; in between its connections are cut by the server, and (with
the embedded server) the server itself is killed, whose next start must recover. A run that comes to its end
is compared and the next one begins with an empty database, until the process was killed as often as asked.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import psycopg

from benchmarks import corpus_text, ingest_child
from benchmarks.cheap_embedder import DigestEmbedder
from benchmarks.contents import contents, differences, faults
from benchmarks.ingest_settings import Row, Settings
from ragdiet import RAG
from ragdiet.store.embedded import EmbeddedServer

KILLED, CUT, SERVER = "process killed", "connections cut", "server killed"
_WEIGHTS = {KILLED: 6, CUT: 1, SERVER: 1}
_SYNTHETIC_BYTES = 1_500_000
_LATEST = 1.0  # of an undisturbed run's seconds, after the ingest began: building the indexes at its end included
_MOST_RUNS = 20  # of one database, before it is called stuck


class Target:
    """A database that is ingested into. ``given`` is what the child is told: a DSN, or a folder whose server
    this program may kill."""

    disturbances = (KILLED, CUT)

    def __init__(self, dsn: str) -> None:
        self.given = self.dsn = dsn

    def cut_connections(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def revive(self) -> None:
        """Have the server run again where it was killed."""


class LocalTarget(Target):
    """One with an embedded server of its own."""

    disturbances = (KILLED, CUT, SERVER)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = EmbeddedServer.start(folder)
        super().__init__(self._server.dsn)
        self.given = str(folder)

    def kill_server(self) -> None:
        os.kill(int((self._folder / "pgdata" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def revive(self) -> None:
        before, self._server = self._server, EmbeddedServer.start(self._folder)
        before.close()
        self.dsn = self._server.dsn

    def close(self) -> None:
        self._server.close()


def measure(settings: Settings) -> Row:
    space = DigestEmbedder().space
    random = Random(settings.seed)
    happened: Counter[str] = Counter()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "source"
        write_source(settings, source)
        with _target(settings) as target:
            calm = ingest_child.run(target.given, source)
            target.revive()
            expected = contents(target.dsn, space)
        while happened[KILLED] < settings.kills:
            with _target(settings) as target:
                disturbed, outcomes = _to_the_end(target, source, calm["seconds"], settings.kills, random, happened)
                duplicates, orphans = faults(target.dsn, space)
                rows.append(
                    {
                        "database": len(rows) + 1,
                        "disturbances": dict(disturbed),
                        "outcomes": dict(outcomes),
                        "differences": differences(expected, contents(target.dsn, space)),
                        "duplicates": duplicates,
                        "orphans": orphans,
                    }
                )
            print(f"  {rows[-1]}", flush=True)
    sound = not any(row["differences"] or row["duplicates"] or row["orphans"] for row in rows)
    return {
        "files": calm["added"] + len(calm["rejected"]),
        "chunks": calm["chunks"],
        "undisturbed_seconds": round(calm["seconds"], 1),
        "disturbances": dict(happened),
        "rows_compared": {kind: found.total() for kind, found in expected.items()},
        "goal": f"{settings.kills} kills: rows equal, 0 duplicates, 0 orphans",
        "met": sound,
        "databases": rows,
    }


def write_source(settings: Settings, folder: Path) -> None:
    """Files of all formats, and larger ones of shuffled real text."""
    shutil.copytree(settings.data / "real_docs", folder / "real_docs")
    phrases = corpus_text.phrases(settings.data, settings.seed)
    corpus_text.write_folder(folder, _SYNTHETIC_BYTES, phrases, settings.seed)


def _to_the_end(
    target: Target, source: Path, calm_seconds: float, kills: int, random: Random, happened: Counter[str]
) -> tuple[Counter[str], Counter[str]]:
    """Ingest until a run ends well, disturbing as long as kills are left; what was done, and how runs ended."""
    disturbed: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for _ in range(_MOST_RUNS):
        kinds = target.disturbances
        kind = random.choices(kinds, [_WEIGHTS[one] for one in kinds])[0] if happened[KILLED] < kills else None
        child = ingest_child.start(target.given, source)
        if kind:
            assert child.stdout
            child.stdout.readline()  # "ready"
            time.sleep(random.uniform(0, _LATEST * calm_seconds))
        if kind and child.poll() is None:
            _disturb(kind, target, child)
            disturbed[kind] += 1
            happened[kind] += 1
        _, errors = child.communicate()
        target.revive()
        if child.returncode == 0:
            outcomes["ran to the end"] += 1
            return disturbed, outcomes
        killed = child.returncode == -signal.SIGKILL
        outcomes["killed" if killed else errors.strip().splitlines()[-1].split(":")[0]] += 1
    raise RuntimeError(f"{_MOST_RUNS} runs and none came to an end: {dict(outcomes)}")


def _disturb(kind: str, target: Target, child: subprocess.Popen[str]) -> None:
    if kind == KILLED:
        os.killpg(child.pid, signal.SIGKILL)
    elif kind == CUT:
        target.cut_connections()
    else:
        assert isinstance(target, LocalTarget)
        target.kill_server()


@contextmanager
def _target(settings: Settings) -> Iterator[Target]:
    """An empty database with the schema."""
    embedder = DigestEmbedder()
    if settings.database != "local":
        with settings.databases.fresh(embedder.space) as dsn:
            yield Target(dsn)
        return
    with tempfile.TemporaryDirectory() as folder:
        RAG.local(folder, embedder=embedder).close()
        with closing(LocalTarget(Path(folder))) as target:
            yield target
