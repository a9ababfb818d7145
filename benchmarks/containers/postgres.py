"""A PostgreSQL in a container, for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.containers.engine import engine
from benchmarks.containers.image import image


@contextmanager
def container(*, shm_size: str = "64m", settings: str = "") -> Iterator[str]:
    """The DSN of a superuser. ``shm_size`` is that of /dev/shm, Docker's own by default; ``settings`` are
    options of the server, such as ``-c jit=off``; everything else is as PostgreSQL ships.

    Raises ContainersUnavailable, whose message says what to install.
    """
    with engine() as running:
        from testcontainers.community.postgres import PostgresContainer

        name = image(running)
        with PostgresContainer(
            name, driver=None, command=f"postgres {settings}".strip(), shm_size=shm_size
        ) as postgres:
            yield postgres.get_connection_url()
