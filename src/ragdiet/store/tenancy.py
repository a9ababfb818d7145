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
from contextlib import ExitStack, contextmanager

import psycopg


@contextmanager
def transaction_for(connection: psycopg.Connection, tenant: str | None) -> Iterator[None]:
    """A transaction that sees one tenant's rows; with None every row as the owner, and none as another role."""
    with ExitStack() as block:
        if tenant is None:
            block.enter_context(connection.transaction())
        else:
            with connection.pipeline():  # BEGIN and the setting take one round trip
                # Of the class itself: connection.transaction() would keep the pipeline open, which COPY cannot use.
                block.enter_context(psycopg.Transaction(connection))
                become(connection, tenant)
        yield


def become(connection: psycopg.Connection, tenant: str) -> None:
    """See the rows of ``tenant`` until the transaction ends."""
    connection.execute("SELECT set_config('ragdiet.tenant', %s, true)", (f"t:{tenant}",))


def act_for(connection: psycopg.Connection, tenant: str) -> None:
    """Go on for ``tenant`` in a transaction begun for nobody, unless this role sees all tenants at once."""
    connection.execute("SELECT set_config('ragdiet.tenant', %s, true) WHERE NOT ragdiet.sees_all()", (f"t:{tenant}",))
