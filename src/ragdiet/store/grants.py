"""What the runtime role may do: read and write rows, and nothing else.

A role is a runtime role from the day it is given to ``migrate`` until its right to insert into ``corpus`` is
taken from it: every later migration gives it what the new tables need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier

from ragdiet.errors import RuntimeRoleError

if TYPE_CHECKING:
    import psycopg

_ROWS = "SELECT, INSERT, UPDATE, DELETE"
_FEWER = {
    "alembic_version": "SELECT",
    "space": "SELECT",
    "call": "SELECT, INSERT, UPDATE",  # what was spent is never unsaid
    "ask": "SELECT, INSERT, UPDATE",
    "budget": "SELECT",  # no role raises its own limit, or writes what it spent: a trigger does
    "budget_period": "SELECT",
}


def grant_runtime(connection: psycopg.Connection, runtime_role: str | None) -> None:
    """Give ``runtime_role``, and each role that was given here before, its rights on all that there is now.

    Raises RuntimeRoleError where the role does not exist, or the policies could not hold it.
    """
    roles = _known_roles(connection)
    if runtime_role is not None:
        _check(connection, runtime_role)
        roles.add(runtime_role)
    if not roles:
        return
    connection.execute("REVOKE ALL ON SCHEMA ragdiet FROM PUBLIC")
    connection.execute("REVOKE ALL ON ALL TABLES IN SCHEMA ragdiet FROM PUBLIC")
    relations = connection.execute(
        "SELECT relname, relkind FROM pg_class "
        "WHERE relnamespace = 'ragdiet'::regnamespace AND relkind IN ('r', 'v', 'S') ORDER BY relname"
    ).fetchall()
    for role in sorted(roles):
        connection.execute(SQL("REVOKE ALL ON ALL TABLES IN SCHEMA ragdiet FROM {}").format(Identifier(role)))
        connection.execute(SQL("GRANT USAGE ON SCHEMA ragdiet TO {}").format(Identifier(role)))
        for name, kind in relations:
            connection.execute(
                SQL("GRANT {} ON {} TO {}").format(
                    SQL(_rights(name, kind)), Identifier("ragdiet", name), Identifier(role)
                )
            )


def _known_roles(connection: psycopg.Connection) -> set[str]:
    """The roles that were given before; none for one that is not the owner, and could give them nothing."""
    rows = connection.execute(
        "SELECT pg_get_userbyid(grantee) FROM pg_class, aclexplode(relacl) WHERE oid = 'ragdiet.corpus'::regclass "
        "AND privilege_type = 'INSERT' AND grantee NOT IN (relowner, 0) AND pg_has_role(relowner, 'USAGE')"
    )
    return {name for (name,) in rows}


def _rights(name: str, kind: str) -> str:
    if kind == "S":
        return "USAGE"
    if kind == "v":
        return "INSERT" if name.startswith("incoming_") else "SELECT"
    return _FEWER.get(name, _ROWS)


def _check(connection: psycopg.Connection, role: str) -> None:
    found = connection.execute("SELECT oid FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    if found is None:
        raise RuntimeRoleError(
            f"there is no role {role!r} here: make it first, as one who may: "
            f"CREATE ROLE {Identifier(role).as_string(connection)} LOGIN PASSWORD '...'"
        )
    if connection.execute("SELECT ragdiet.sees_all()").fetchone() != (True,):
        raise RuntimeRoleError("only the owner of the tables can give rights to them: migrate as that role")
    above = connection.execute(
        "SELECT r.rolname, r.rolsuper, r.rolbypassrls FROM pg_roles r "
        "WHERE pg_has_role(%s::oid, r.oid, 'MEMBER') AND (r.rolsuper OR r.rolbypassrls OR r.oid = "
        "(SELECT relowner FROM pg_class WHERE oid = 'ragdiet.corpus'::regclass)) "
        "ORDER BY r.oid <> %s, r.rolname LIMIT 1",
        (found[0], found[0]),
    ).fetchone()
    if above is not None:
        name, is_superuser, bypasses = above
        reason = "a superuser" if is_superuser else "above policies (BYPASSRLS)" if bypasses else "the tables' owner"
        whose = f"role {role!r} is" if name == role else f"role {role!r} may act as {name!r}, which is"
        raise RuntimeRoleError(
            f"{whose} {reason}: tenants would not be kept apart. Give a role of its own: "
            "CREATE ROLE ragdiet_app LOGIN PASSWORD '...'"
        )
