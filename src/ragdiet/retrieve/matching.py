"""Which chunks of a corpus pass a filter: all of them when they are few, else a check of each candidate."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from psycopg.sql import Composed, Identifier

from ragdiet.errors import FilterTypeMismatch, UnknownFilterKey
from ragdiet.filters import Compare, Exists, Filter, FilterLike, Holds, IsIn, as_filter, children, index_name
from ragdiet.retrieve.condition import Condition, KeyUse, compiled
from ragdiet.retrieve.statements import statement

if TYPE_CHECKING:
    import psycopg

_TABLES = {"documents": Identifier("ragdiet", "searchable_document"), "chunks": Identifier("ragdiet", "chunk")}
"""The relations that every statement of a filter reads. Under a policy only the view lets jsonb use an index."""

_NAMED = 1_000  # keys among which near ones are looked for
_PLURALS = {
    "string": "text",
    "number": "numbers",
    "boolean": "true or false",
    "null": "null",
    "array": "lists",
    "object": "objects",
}


def condition_of(
    connection: psycopg.Connection, corpus_id: int, filter: FilterLike | None, *, some_expired: bool
) -> Condition | None:
    """The filter, and that the document has not expired, as SQL; None where every chunk of the corpus passes.

    Raises UnknownFilterKey for a key that the corpus never had, and FilterTypeMismatch for a value of a type that
    the key never had: both would find nothing, or with ``!=`` everything.
    """
    wanted = as_filter(filter)
    if wanted is None:
        return compiled(None, {}, some_expired=some_expired)
    conditions = list(_conditions(wanted))
    uses = _uses(connection, corpus_id, sorted({each.path[0] for each in conditions}))
    for each in conditions:
        use = uses.get(each.path[0])
        if use is None:
            raise _unknown(connection, corpus_id, each.path[0])
        _check_types(each, use.documents | use.chunks)
    return compiled(wanted, uses, some_expired=some_expired)


def matching(connection: psycopg.Connection, corpus_id: int, condition: Condition, limit: int) -> list[int] | None:
    """The numbers of the chunks that pass, in no order; None when they are more than ``limit``."""
    name = "matching_chunks.sql" if condition.needs_chunk else "matching.sql"
    query = statement(name).format(**_TABLES, condition=condition.sql)
    parameters = {**condition.parameters, "filter_corpus": corpus_id, "filter_limit": limit + 1}
    # Planned for these very values: a prepared plan knows neither how many rows pass nor which key's index serves.
    rows = connection.execute(query, parameters, prepare=False, binary=True).fetchmany(limit + 1)
    return None if len(rows) > limit else [row[0] for row in rows]


def predicate(condition: Condition, leg: Identifier) -> Composed:
    """A check of one row of the relation with the alias ``leg``, which has a ``chunk_id``, for a WHERE clause."""
    return statement("candidate.sql").format(**_TABLES, condition=condition.sql, leg=leg)


_Leaf = Compare | IsIn | Holds | Exists


def _conditions(filter: Filter) -> Iterator[_Leaf]:
    if isinstance(filter, _Leaf):
        yield filter
    for part in children(filter):
        yield from _conditions(part)


def _uses(connection: psycopg.Connection, corpus_id: int, keys: list[str]) -> dict[str, KeyUse]:
    rows = connection.execute(
        statement("filter_keys.sql"),
        {
            "corpus": corpus_id,
            "keys": keys,
            "document_indexes": [f"ragdiet.{index_name('document', key)}" for key in keys],
            "chunk_indexes": [f"ragdiet.{index_name('chunk', key)}" for key in keys],
        },
    ).fetchall()
    uses: dict[str, KeyUse] = {}
    for key, of_chunks, types, indexed in rows:
        other = uses.get(key)
        uses[key] = KeyUse(
            documents=frozenset(types) if not of_chunks else other.documents if other else frozenset(),
            chunks=frozenset(types) if of_chunks else other.chunks if other else frozenset(),
            indexed=indexed and other is None,
        )
    return uses


def _check_types(condition: _Leaf, types: frozenset[str]) -> None:
    given: set[str]
    if len(condition.path) > 1:  # what lies inside objects is not recorded
        given = {"object"}
    elif isinstance(condition, Holds):
        given = {"array"}
    elif isinstance(condition, Exists):
        given = set()
    else:
        values = condition.values if isinstance(condition, IsIn) else (condition.value,)
        given = {value.json_type for value in values}
    key, never, held = condition.path[0], sorted(given - types), tuple(sorted(types))
    if never:
        raise FilterTypeMismatch(
            f"filter key {key!r} holds {', '.join(_PLURALS[each] for each in held)} in this collection, and never "
            f"{_PLURALS[never[0]]}: compare it with a value of its own type",
            key=key,
            types=held,
        )


def _unknown(connection: psycopg.Connection, corpus_id: int, key: str) -> UnknownFilterKey:
    rows = connection.execute(
        "SELECT DISTINCT key FROM ragdiet.metadata_key WHERE corpus_id = %s ORDER BY key LIMIT %s", (corpus_id, _NAMED)
    ).fetchall()
    names = [name for (name,) in rows]
    near = tuple(difflib.get_close_matches(key, names))
    if near:
        advice = f"did you mean {' or '.join(map(repr, near))}?"
    elif names:
        advice = f"it has {', '.join(map(repr, names[:10]))}{' and more' if len(names) > 10 else ''}"
    else:
        advice = "its documents have no metadata at all: ingest them with Document(meta=...)"
    return UnknownFilterKey(
        f"no metadata of this collection has the filter key {key!r:.60}; {advice}", key=key, near=near
    )
