"""The indexes of declared filter keys, made by the migration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier
from psycopg.sql import Literal as Quoted

from ragdiet.errors import InvalidArgument
from ragdiet.filters import INDEXED_BYTES, F, index_name

_TABLES: tuple[Literal["document", "chunk"], ...] = ("document", "chunk")

_INDEX: LiteralString = """
    CREATE INDEX {name} ON {table} (corpus_id, (meta -> {key})) WHERE octet_length(meta ->> {key}) <= {bytes}
"""
_STATISTICS: LiteralString = "CREATE STATISTICS {full_name} ON (meta -> {key}) FROM {table}"
_COMMENT: LiteralString = "COMMENT ON INDEX {full_name} IS {comment}"


def checked_keys(keys: Iterable[str]) -> list[str]:
    """The keys, each once, in order. Raises InvalidArgument."""
    if isinstance(keys, str):
        raise InvalidArgument(f"filter_keys is the text {keys!r:.60}: give a list of keys")
    return sorted({F(key).path[0] for key in keys})


def index_keys(connection: psycopg.Connection, keys: Iterable[str]) -> None:
    """Index the values of these keys where they are not yet, one index over documents and one over chunks.

    jsonb's order compares numbers as numbers and text as text, so one kind of index serves every type. Rows without
    the key are not in it, so that a key of documents costs chunks nothing; the planner takes no statistics from such
    an index, so they are kept beside it. Writers wait while it is built.
    """
    for key in keys:
        for table in _TABLES:
            name = index_name(table, key)
            if connection.execute("SELECT to_regclass(%s)", (f"ragdiet.{name}",)).fetchone() != (None,):
                continue
            for statement in (_INDEX, _STATISTICS, _COMMENT):
                connection.execute(
                    SQL(statement).format(
                        name=Identifier(name),
                        full_name=Identifier("ragdiet", name),
                        table=Identifier("ragdiet", table),
                        key=Quoted(key),
                        comment=Quoted(f"filter key {key}"),
                        bytes=Quoted(INDEXED_BYTES),
                    )
                )
            connection.execute(SQL("ANALYZE {}").format(Identifier("ragdiet", table)))
