"""Checks of the schema and of the embedding spaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ragdiet.doctor.commands import ragdiet, sql
from ragdiet.doctor.facts import Schema, SpaceTables
from ragdiet.doctor.finding import Finding
from ragdiet.store.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from ragdiet.types import Space


def revision(schema: Schema) -> Finding:
    """The schema is this ragdiet's."""
    found = schema.revision
    migrate = (ragdiet("migrate"),)
    if found is None:
        return Finding(check="schema", status="fail", what="this database has no ragdiet schema", mend=migrate)
    if found > SCHEMA_VERSION:
        return Finding(
            check="schema", status="fail", what=f"schema {found}, this ragdiet knows {SCHEMA_VERSION}: upgrade ragdiet"
        )
    if found < SCHEMA_VERSION:
        return Finding(
            check="schema", status="fail", what=f"schema {found}, this ragdiet needs {SCHEMA_VERSION}", mend=migrate
        )
    owned = "" if schema.is_owner else f"; its tables belong to {schema.owner}, who alone may run the SQL below"
    return Finding(check="schema", status="ok", what=f"schema {found}{owned}")


def spaces(schema: Schema, space: Space) -> Iterator[Finding]:
    """This embedder's space is there, and each space has its tables, as wide as it says."""
    known = {found.name: found for found in schema.spaces}
    if space.name not in known:
        yield _fail(f"there is no space {space.name!r} yet, that of {space.model}", ragdiet("migrate"))
    elif (own := known[space.name]) and (own.model, own.dimensions) != (space.model, space.dimensions):
        yield _fail(
            f"space {space.name!r} holds {own.dimensions} dimensions of {own.model}, not {space.dimensions} of "
            f"{space.model}: give this embedder's space another name"
        )
    elif own.state == "retired":
        yield _fail(
            f"space {space.name!r} was retired, and its vectors are gone: open the database with the embedder of an "
            "active space, or call that one's reembed, which builds it again"
        )
    for found in schema.spaces:
        if found.state == "retired":  # its tables are gone on purpose
            continue
        yield from _tables(found)
        if found.state == "building":
            yield Finding(
                check="spaces",
                status="warn",
                what=f"space {found.name!r} is still being built, and not searched: call reembed with the embedder "
                f"of {found.model} to go on, or retire the space",
            )


def _tables(space: SpaceTables) -> Iterator[Finding]:
    missing = [
        f"{kind}_{space.name}"
        for kind, is_there in (("vector", space.has_vectors), ("sentence", space.has_sentences))
        if not is_there
    ]
    if missing:
        both = (f"vector_{space.name}", f"sentence_{space.name}")
        yield _fail(
            f"space {space.name!r} has no table {' and no '.join(missing)}: its vectors are lost. Make it anew with "
            "its embedder, and embed again",
            *(sql("DROP TABLE IF EXISTS ragdiet.{} CASCADE", table) for table in both),
            *(sql("DROP FUNCTION IF EXISTS ragdiet.{} CASCADE", f"incoming_{table}") for table in both),
            sql("DELETE FROM ragdiet.space WHERE name = {name}", name=space.name),
            ragdiet("migrate"),
        )
    elif space.column != space.dimensions:
        yield _fail(
            f"the vectors of space {space.name!r} have {space.column} dimensions, not {space.dimensions}",
            sql(
                "UPDATE ragdiet.space SET dimensions = {width} WHERE name = {name}", width=space.column, name=space.name
            ),
        )


def _fail(what: str, *mend: str) -> Finding:
    return Finding(check="spaces", status="fail", what=what, mend=mend)
