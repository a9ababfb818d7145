"""A connection that belongs to the user, used inside the user's own transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from ragdiet.errors import InvalidArgument


class Lent:
    """Blocks of statements on the user's connection: each a savepoint, none a commit.

    One block at a time, whichever thread asks. The connection's row factory and cursor factory are put
    aside meanwhile.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        with self.block():
            register_vectors(connection)

    @contextmanager
    def block(self) -> Iterator[psycopg.Connection]:
        with self._lock:
            connection = self._connection
            if connection.info.transaction_status == TransactionStatus.IDLE:
                if connection.autocommit:
                    raise InvalidArgument(
                        "this connection is in autocommit and in no transaction: open one first, "
                        "`with connection.transaction(), rag.store.using(connection): ...`"
                    )
                connection.execute("SELECT")  # begins the user's transaction, so that the block is a savepoint in it
            rows, cursors = connection.row_factory, connection.cursor_factory
            connection.row_factory, connection.cursor_factory = tuple_row, psycopg.Cursor
            try:
                with connection.transaction():
                    yield connection
            finally:
                connection.row_factory, connection.cursor_factory = rows, cursors


def register_vectors(connection: psycopg.Connection[Any]) -> None:
    """Let the connection read and write pgvector's types, where the database has them."""
    from pgvector.psycopg import register_vector

    if connection.execute("SELECT to_regtype('halfvec')").fetchone() != (None,):
        register_vector(connection)
