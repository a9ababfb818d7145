"""Which schema this ragdiet speaks, checked without loading Alembic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from ragdiet.errors import SchemaMissing, SchemaOutdated, SchemaTooNew, SpaceMismatch, SpaceMissing

if TYPE_CHECKING:
    from ragdiet.types import Space

SCHEMA_VERSION = "0003"
"""The newest revision in ``migrations/versions``; revisions sort as strings."""

VERSION_QUERY = "SELECT version_num FROM ragdiet.alembic_version"


def check_schema(connection: psycopg.Connection, space: Space) -> None:
    """Raise unless the database has exactly this schema, and a table for ``space``."""
    try:
        row = connection.execute(VERSION_QUERY).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        row = None
    if row is None:
        raise SchemaMissing("this database has no ragdiet schema: call rag.migrate() or run `ragdiet migrate` first")
    if row[0] > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"the database is at schema {row[0]}, this ragdiet knows up to {SCHEMA_VERSION}: upgrade ragdiet"
        )
    if row[0] < SCHEMA_VERSION:
        raise SchemaOutdated(
            f"the database is at schema {row[0]}, this ragdiet needs {SCHEMA_VERSION}: call rag.migrate() or run "
            "`ragdiet migrate`"
        )
    known = connection.execute("SELECT model, dimensions FROM ragdiet.space WHERE name = %s", (space.name,)).fetchone()
    if known is None:
        raise SpaceMissing(
            f"there is no table yet for the vectors of {space.model}: call rag.migrate() with this embedder"
        )
    if known != (space.model, space.dimensions):
        raise SpaceMismatch(
            f"space {space.name!r} holds {known[1]} dimensions of {known[0]}, not {space.dimensions} of {space.model}: "
            "give this embedder's space another name"
        )
