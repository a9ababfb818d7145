"""Whether tenants are kept apart by the database too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragdiet.doctor.commands import ragdiet, sql
from ragdiet.doctor.facts import Schema, Server, TableState
from ragdiet.doctor.finding import Finding

_RUNTIME = "ragdiet_runtime"


def is_bound(server: Server, schema: Schema) -> bool:
    """Whether policies hold for this role."""
    return not (server.bypasses_policies or schema.is_owner)


def tenants(server: Server, schema: Schema, tables: Sequence[TableState], count: int) -> Iterator[Finding]:
    """Where there are several tenants, this role is held to one of them by policies."""
    if count < 2:
        return
    if not any(table.has_policy for table in tables):
        yield Finding(
            check="tenants",
            status="warn",
            what=f"{count:,} tenants are kept apart by ragdiet's statements alone: no table has row-level security",
        )
    elif not is_bound(server, schema):
        why = "passes by every policy" if server.bypasses_policies else "owns the tables"
        yield Finding(
            check="tenants",
            status="warn",
            what=f"{count:,} tenants, and {server.role} {why}: row-level security does not hold for it. Connect as a "
            "role that owns nothing",
            mend=(
                sql("CREATE ROLE {} LOGIN", _RUNTIME),
                ragdiet("migrate", "--runtime-role", _RUNTIME),
            ),
        )
