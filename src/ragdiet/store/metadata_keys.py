"""Which keys the metadata of a corpus has, and values of which types: what filters are checked against."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import psycopg

from ragdiet.filters import MOST_KEY_BYTES, json_type

if TYPE_CHECKING:
    from ragdiet.store.changes import DocumentChange


def note_keys(connection: psycopg.Connection, corpus_id: int, changes: Sequence[DocumentChange]) -> None:
    """Record the keys that these documents and their chunks bring. Nothing is written where all are known.

    Keys of deleted documents stay: a filter on one finds nothing, as it should.
    """
    documents = _typed_keys(change.meta for change in changes)
    chunks = _typed_keys(
        chunk.meta
        for change in changes
        for chunk in chain((kept for _, kept in change.keep), (new.chunk for new in (*change.renamed, *change.new)))
    )
    found = sorted({(*pair, False) for pair in documents} | {(*pair, True) for pair in chunks})
    if found:
        keys, types, of_chunks = map(list, zip(*found, strict=True))
        connection.execute(
            "INSERT INTO ragdiet.metadata_key (corpus_id, key, type, of_chunks) "
            "SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::boolean[]) ON CONFLICT DO NOTHING",
            (corpus_id, keys, types, of_chunks),
        )


def _typed_keys(metas: Iterable[Mapping[Any, Any]]) -> Iterator[tuple[str, str]]:
    for meta in metas:
        for key, value in meta.items():
            text = _as_json_key(key)
            if len(text.encode()) <= MOST_KEY_BYTES:
                yield text, json_type(value)


def _as_json_key(key: object) -> str:
    """JSON has text keys alone; ``json.dumps`` writes numbers, bools and None under their names."""
    match key:
        case str():
            return key
        case True | False | None:
            return json.dumps(key)
    return str(key)
