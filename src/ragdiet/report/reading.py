"""Transactions that read the ledger for a report: all tenants as the owner, one as another role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import psycopg

from ragdiet.errors import StoreError
from ragdiet.store.tenancy import act_for

if TYPE_CHECKING:
    from ragdiet.protocols import Database

T = TypeVar("T")

# Ten million calls are summed up in a minute or two.
_LIMIT = "600s"


def read(database: Database, tenant: str, work: Callable[[psycopg.Connection], T]) -> T:
    """What ``work`` reads, at the writer: money is counted to the last row. It is repeated after a failover.

    Raises StoreError when a statement runs for ten minutes.
    """

    def bounded(connection: psycopg.Connection) -> T:
        with _bounded(connection, tenant, is_lent=database.is_lent):
            return work(connection)

    return database.run(bounded, tenant=None, repeatable=True)


@contextmanager
def streaming(database: Database, tenant: str) -> Iterator[psycopg.Connection]:
    """As ``read``, for rows that are taken one by one; not repeated."""
    with (
        database.transaction(tenant=None) as connection,
        _bounded(connection, tenant, is_lent=database.is_lent),
    ):
        yield connection


@contextmanager
def _bounded(connection: psycopg.Connection, tenant: str, *, is_lent: bool) -> Iterator[None]:
    act_for(connection, tenant)
    if not is_lent:  # what a user's own transaction may take is the user's to say
        connection.execute(
            "SELECT set_config('statement_timeout', %s, true), set_config('work_mem', '64MB', true)", (_LIMIT,)
        )
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        raise StoreError("the report was cut off, as it took too long: ask for less, with since= and until=") from error
