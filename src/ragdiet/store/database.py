"""The one connection pool, and what the driver's errors mean.

psycopg's own pool is used for everything: COPY needs psycopg connections, and its connection
arguments may be a callable, so that each new connection gets a fresh IAM token. SQLAlchemy declares
the tables and serves the migrations, on a connection of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from ragdiet.errors import (
    InvalidArgument,
    RagdietError,
    SchemaMissing,
    StoreError,
    StoreUnavailable,
)
from ragdiet.store.tenancy import transaction_for


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn the driver's errors into ragdiet's, each with the next step."""
    try:
        yield
    except RagdietError:
        raise
    except PoolTimeout as error:
        raise StoreUnavailable(
            "no database connection became free in time: the server is down, or the pool is too small for the load"
        ) from error
    except PoolClosed as error:
        raise StoreUnavailable("this RAG was closed: open another") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise SchemaMissing(
            f"the schema is not complete ({_first_line(error)}): call rag.migrate() or run `ragdiet migrate`"
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreError(
            f"this database role may not do that ({_first_line(error)}): grant it, or use the owner"
        ) from error
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise StoreError(f"the database cannot write ({_first_line(error)}): nothing of this batch was kept") from error
    except psycopg.errors.UntranslatableCharacter as error:
        raise InvalidArgument(
            f"text that PostgreSQL cannot hold ({_first_line(error)}): remove NUL characters"
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise StoreUnavailable(
            f"the database cannot be reached or was lost ({_first_line(error)}): check the address and that the "
            "server runs, then call again; nothing was half-written"
        ) from error
    except psycopg.Error as error:
        raise StoreError(f"the database refused: {_first_line(error)}") from error


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error) or type(error).__name__).strip().splitlines()[0]


class Database:
    """Transactions from a pool of connections to ``dsn``."""

    def __init__(self, dsn: str, *, max_size: int = 10, timeout: float = 30.0) -> None:
        """Connects once to prove that ``dsn`` works; ``timeout`` seconds bound every wait for a connection."""
        self.dsn = dsn
        with mapped_errors(), psycopg.connect(dsn, connect_timeout=max(2, int(timeout))):
            pass
        self._pool = ConnectionPool(
            dsn,
            min_size=0,  # a sleeping Aurora cluster must be allowed to sleep
            max_size=max_size,
            timeout=timeout,
            max_idle=60.0,
            configure=_register_vectors,
            check=ConnectionPool.check_connection,
            open=True,
        )

    @contextmanager
    def transaction(self, *, tenant: str | None) -> Iterator[psycopg.Connection]:
        """One transaction: committed at the end of the block, rolled back by an exception.

        It sees the rows of ``tenant`` alone. With None it sees all as the owner, none as the runtime role.
        """
        with mapped_errors(), self._pool.connection() as connection, transaction_for(connection, tenant):
            yield connection

    @contextmanager
    def dedicated(self) -> Iterator[psycopg.Connection]:
        """A connection beside the pool, in autocommit, for what outlasts a transaction: index builds, locks."""
        with mapped_errors():
            connection = psycopg.connect(self.dsn, autocommit=True, connect_timeout=30)
            try:
                yield connection
            finally:
                connection.close()

    def forget_connections(self) -> None:
        """Close idle connections, so that later ones know the types a migration brought."""
        self._pool.drain()

    def close(self) -> None:
        self._pool.close()


def _register_vectors(connection: psycopg.Connection[Any]) -> None:
    from pgvector.psycopg import register_vector

    connection.autocommit = True
    if connection.execute("SELECT to_regtype('halfvec')").fetchone() != (None,):
        register_vector(connection)
