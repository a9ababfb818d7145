"""Which tenant a transaction acts for: a setting that ends with it, and that the policies read.

``ragdiet.tenant`` is only ever set for one transaction (SET LOCAL), so a pooled connection carries nothing
over. PostgreSQL reads such a setting as '' ever after, and '' is also the name of the default tenant: so the
name is stored behind ``t:``, and a setting without it names no tenant, for whom there are no rows.

What this protects from is a mistake, ours or the application's: a wrong number of a corpus, a condition that
was forgotten, text that was let into a statement's values. It does not protect from a stranger who can send
any SQL as the runtime role: he can set the tenant as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg
from psycopg.pq import TransactionStatus


@contextmanager
def transaction_for(connection: psycopg.Connection, tenant: str | None, *, pipelined: bool = False) -> Iterator[None]:
    """A transaction that sees one tenant's rows; with None every row as the owner, and none as another role.

    ``pipelined``: all of it in pipeline mode, else only its beginning, which so takes one round trip.
    """
    # Of the class itself: connection.transaction() would keep a pipeline of its own open, which COPY cannot use.
    if pipelined:
        try:
            with connection.pipeline() as pipeline:
                try:
                    with psycopg.Transaction(connection):
                        if tenant is not None:
                            become(connection, tenant)
                        yield
                except psycopg.Error:
                    with suppress(psycopg.Error):  # of what was sent after it; psycopg would log that it ignores it
                        pipeline.sync()
                    raise
        finally:  # a statement's error may come after the COMMIT was sent, which then did nothing
            if connection.info.transaction_status == TransactionStatus.INERROR:
                connection.rollback()
        return
    with ExitStack() as block:
        if tenant is None:
            block.enter_context(connection.transaction())
        else:
            with connection.pipeline():
                block.enter_context(psycopg.Transaction(connection))
                become(connection, tenant)
        yield


def become(connection: psycopg.Connection, tenant: str) -> None:
    """See the rows of ``tenant`` until the transaction ends."""
    connection.execute("SELECT set_config('ragdiet.tenant', %s, true)", (f"t:{tenant}",))


def act_for(connection: psycopg.Connection, tenant: str) -> None:
    """Go on for ``tenant`` in a transaction begun for nobody, unless this role sees all tenants at once."""
    connection.execute("SELECT set_config('ragdiet.tenant', %s, true) WHERE NOT ragdiet.sees_all()", (f"t:{tenant}",))
