"""Databases to measure in: each made for one measurement and dropped after it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from ragdiet.store import migrate
from ragdiet.store.embedded import EmbeddedServer
from ragdiet.types import Space


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


@contextmanager
def databases(given: str) -> Iterator[Databases]:
    """Those of an embedded server in a temporary folder (``local``), or of the server that a DSN names."""
    if given != "local":
        server = Databases(given, owned=False)
        try:
            yield server
        finally:
            server.drop_templates()
        return
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer.start(Path(folder)) as running:
        yield Databases(running.dsn, owned=True)
