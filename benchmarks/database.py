"""Databases to measure in: each made for one measurement and dropped after it.

Every benchmark's ``--database`` says where: ``local`` is an embedded server in a temporary folder,
``testcontainers`` a server in a container (see benchmarks/containers), anything else the DSN of a server.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from benchmarks.containers import ContainersUnavailable, container
from ragdiet.store import migrate
from ragdiet.store.embedded import EmbeddedServer
from ragdiet.types import Space

_THROW_AWAY = ("local", "testcontainers")


class Databases:
    """Throw-away databases of one server, whose role must be allowed to create them."""

    def __init__(self, dsn: str, *, owned: bool) -> None:
        """``owned``: the server is this program's own, so that it may ask for a checkpoint."""
        self._dsn = dsn
        self._owned = owned
        self._numbers = count(1)
        self._templates: dict[str, str] = {}

    @contextmanager
    def fresh(self, space: Space | None = None) -> Iterator[str]:
        """The DSN of a new database: empty, or with ragdiet's schema and the tables of ``space``.

        What earlier measurements left to be written is written before, so that nobody pays for another.
        """
        name = self._create(self._template(space) if space else None)
        try:
            if self._owned:
                self._execute(SQL("CHECKPOINT"))
            yield make_conninfo(self._dsn, dbname=name)
        finally:
            self._drop(name)

    def drop_templates(self) -> None:
        while self._templates:
            self._drop(self._templates.popitem()[1])

    def _template(self, space: Space) -> str:
        if space.name not in self._templates:
            self._templates[space.name] = self._create(None)
            migrate(make_conninfo(self._dsn, dbname=self._templates[space.name]), space)
        return self._templates[space.name]

    def _create(self, template: str | None) -> str:
        name = f"ragdiet_bench_{next(self._numbers)}"
        statement = SQL("CREATE DATABASE {}").format(Identifier(name))
        self._execute(statement + SQL(" TEMPLATE {}").format(Identifier(template)) if template else statement)
        return name

    def _drop(self, name: str) -> None:
        self._execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    def _execute(self, statement: SQL | psycopg.sql.Composed) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(statement)


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        default="local",
        metavar="local|testcontainers|DSN",
        help="a throw-away embedded server, a throw-away container, or a server that is there",
    )


def told(given: str) -> str:
    """What results say of ``--database``: no address, and no password."""
    return given if given in _THROW_AWAY else "DSN"


@contextmanager
def databases(given: str) -> Iterator[Databases]:
    """Those of a throw-away server, or of the server that a DSN names."""
    with _server(given) as dsn:
        made = Databases(dsn, owned=given in _THROW_AWAY)
        try:
            yield made
        finally:
            made.drop_templates()


@contextmanager
def database(given: str) -> Iterator[str]:
    """The DSN of one database to write to: a throw-away server's, or the very one that a DSN names."""
    with _server(given) as dsn:
        yield dsn


@contextmanager
def _server(given: str) -> Iterator[str]:
    """The server's DSN. Ends the program, loudly, where no container can run."""
    if given not in _THROW_AWAY:
        yield given
    elif given == "local":
        with tempfile.TemporaryDirectory() as folder, EmbeddedServer.start(Path(folder)) as running:
            yield running.dsn
    else:
        try:
            with container() as dsn:
                yield dsn
        except ContainersUnavailable as error:
            sys.exit(f"CONTAINERS UNAVAILABLE: nothing was measured. {error}")
