"""Whole collections: exchanged by name, deleted, and swept of what has expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragdiet.errors import InvalidArgument
from ragdiet.store.documents import DocumentStore
from ragdiet.store.tenancy import act_for

if TYPE_CHECKING:
    import psycopg

    from ragdiet.store.database import Database
    from ragdiet.types import Space


class Collections:
    """Acts on corpora by the names their users give them."""

    def __init__(self, database: Database, space: Space) -> None:
        self._database = database
        self._space = space

    def swap(self, one: str, other: str, *, tenant: str) -> None:
        """Exchange the names of two collections of a tenant. Raises InvalidArgument where one is missing."""

        def swap(connection: psycopg.Connection) -> None:
            rows = connection.execute(
                "SELECT id, collection FROM ragdiet.corpus WHERE tenant = %s AND collection = ANY(%s) "
                "ORDER BY id FOR UPDATE",
                (tenant, [one, other]),
            ).fetchall()
            ids = {collection: corpus_id for corpus_id, collection in rows}
            for name in (one, other):
                if name not in ids:
                    raise InvalidArgument(f"there is no collection {name!r} to swap: ingest into it first")
            # Names are unique at each moment, so one steps aside first, to a name that no collection can have.
            for name, corpus_id in (("", ids[one]), (one, ids[other]), (other, ids[one])):
                connection.execute(
                    "UPDATE ragdiet.corpus SET collection = %s, version = version + 1 WHERE id = %s", (name, corpus_id)
                )

        self._database.run(swap, tenant=tenant)

    def drop(self, collection: str, *, tenant: str) -> int:
        """Delete a collection; returns how many documents it had, 0 where there is none of that name."""

        def drop(connection: psycopg.Connection) -> int:
            row = connection.execute(
                "SELECT id FROM ragdiet.corpus WHERE tenant = %s AND collection = %s FOR UPDATE", (tenant, collection)
            ).fetchone()
            if row is None:
                return 0
            counted = connection.execute("SELECT count(*) FROM ragdiet.document WHERE corpus_id = %s", row).fetchone()
            connection.execute("DELETE FROM ragdiet.corpus WHERE id = %s", row)
            assert counted is not None
            return int(counted[0])

        return self._database.run(drop, tenant=tenant)

    def sweep(self, *, tenant: str) -> int:
        """Delete what has expired in any collection that this role sees: as the owner of all tenants, else of
        ``tenant``. Returns how many documents that were."""

        def expired(connection: psycopg.Connection) -> list[tuple[int, str]]:
            act_for(connection, tenant)
            return connection.execute(
                "SELECT id, tenant FROM ragdiet.corpus WHERE next_expiry <= now() ORDER BY id"
            ).fetchall()

        return sum(
            DocumentStore(self._database, self._space, tenant=owner).delete_expired(corpus_id)
            for corpus_id, owner in self._database.run(expired, tenant=None, repeatable=True)
        )
