"""Whether tenants are kept apart by the database too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragdiet.doctor.commands import ragdiet, sql
from ragdiet.doctor.facts import Schema, Server, TableState
from ragdiet.doctor.finding import Finding

_RUNTIME = "ragdiet_app"


def is_bound(server: Server, schema: Schema) -> bool:
    """Whether policies hold for this role."""
    return not (server.bypasses_policies or schema.is_owner)


def tenants(server: Server, schema: Schema, tables: Sequence[TableState], count: int) -> Iterator[Finding]:
    """The policies are on and, where there are several tenants, this role is held to one of them.

    ``count``: the tenants that this role sees.
    """
    for table in tables:
        if table.is_unprotected:
            yield Finding(
                check="tenants",
                status="fail",
                what=f"row-level security is off for {table.name}: every role sees all tenants' rows",
                mend=(sql("ALTER TABLE ragdiet.{} ENABLE ROW LEVEL SECURITY", table.name),),
            )
    if count > 1 and not is_bound(server, schema):
        why = "passes by every policy" if server.bypasses_policies else "owns the tables"
        yield Finding(
            check="tenants",
            status="warn",
            what=f"{count:,} tenants, and {server.role} {why}: ragdiet's statements alone keep them apart. Make a role "
            "that owns nothing, and connect as that one",
            mend=(sql("CREATE ROLE {} LOGIN", _RUNTIME), ragdiet("migrate", "--runtime-role", _RUNTIME)),
        )
