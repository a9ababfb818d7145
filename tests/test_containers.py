"""PostgreSQL in a container: the image that is made here, and what a container has less of than a machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from benchmarks.cheap_embedder import DigestEmbedder
from benchmarks.containers import ContainersUnavailable, container

from ragdiet import RAG, Document, Quality

ROOT = Path(__file__).parents[1]
SHARED_MEGABYTES, BUILD_MEGABYTES = 64, 256


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    """A container whose workers would share more memory than it has."""
    try:
        with container(shm_size=f"{SHARED_MEGABYTES}m", settings=f"-c maintenance_work_mem={BUILD_MEGABYTES}MB") as dsn:
            yield dsn
    except ContainersUnavailable as error:
        pytest.skip(f"CONTAINERS UNAVAILABLE: {error}")


def test_the_image_does_as_it_is_told(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT current_user::text, current_database()::text, current_setting('maintenance_work_mem'), "
            "usesuper FROM pg_user WHERE usename = current_user"
        ).fetchone()
        assert row == ("test", "test", f"{BUILD_MEGABYTES}MB", True)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(dsn, password="another")


def test_indexes_are_built_where_workers_cannot_share_the_graph(dsn: str) -> None:
    """4,000 vectors and more on a page each: PostgreSQL would take workers, and their graph is larger than /dev/shm."""
    embedder = DigestEmbedder(900)
    documents = [Document(f"log/{number}", f"Entry {number}: buoy {number % 97} drifts.") for number in range(5_200)]
    with RAG.connect(dsn, embedder=embedder, quality=Quality.off()) as rag:
        rag.migrate()
        assert rag.ingest(documents).chunks == len(documents)
        assert rag.retrieve("Where does buoy 11 drift?", 3)
    with psycopg.connect(dsn, autocommit=True) as connection:
        valid = "SELECT count(*) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = %s AND indisvalid"
        for index in (f"vector_{embedder.space.name}_hnsw", "lexical_terms"):
            assert connection.execute(valid, [index]).fetchone() == (1,)
        with pytest.raises(psycopg.errors.DiskFull):  # what the ingest met too
            connection.execute(
                f"CREATE INDEX ON ragdiet.vector_{embedder.space.name} USING hnsw (embedding halfvec_cosine_ops)"
            )


def test_what_to_install_is_said(tmp_path: Path) -> None:
    pytest.importorskip("testcontainers")
    environment = os.environ | {"PATH": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    shown = subprocess.run(
        [sys.executable, "-m", "benchmarks.containers"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert shown.returncode == 1
    assert shown.stderr.startswith("CONTAINERS UNAVAILABLE")
    assert "apt-get install" in shown.stderr
