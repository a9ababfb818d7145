"""Chunks that have no vector in a space yet: read in batches, and given their vectors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ragdiet.store.copy import copy_vectors

if TYPE_CHECKING:
    from ragdiet.store.changes import NewChunk
    from ragdiet.store.database import Database
    from ragdiet.types import Space, Span

# A batch is read along the index it is ordered by, and its vectors looked for one by one: the planner, which knows
# nothing yet of a table that is being filled, would join and sort all there is for each batch.
_IN_ORDER = (
    "SELECT set_config(name, 'off', true) FROM unnest(ARRAY["
    "'enable_seqscan', 'enable_bitmapscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_sort']) AS name"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChunk:
    """A chunk as it is stored. ``context`` is None in a row of an older ragdiet, which did not keep it; ``title`` is
    its document's, ``heading`` that of its section."""

    id: int
    corpus_id: int
    tenant: str
    uri: str
    text: str
    hash: bytes
    tokens: int
    sentences: tuple[Span, ...]
    context: str | None
    title: str | None
    heading: str | None


class Unembedded:
    """The chunks without a vector in ``space``: of the whole database, or of one corpus."""

    def __init__(self, database: Database, space: Space, corpus_id: int | None) -> None:
        self._database = database
        self._space = space
        self._corpus_id = corpus_id
        self._vectors = Identifier("ragdiet", f"vector_{space.name}")

    def batches(self, size: int) -> Iterator[list[StoredChunk]]:
        """All of them in the order of their numbers, at most ``size`` at a time, each once."""
        after = -1
        while batch := self._read(self._batch(), {"after": after, "size": size}):
            yield batch
            after = batch[-1].id

    def distinct(self, size: int, *, is_made: bool) -> Iterator[list[StoredChunk]]:
        """One chunk for each text of a tenant, in the order of their hashes. Without ``is_made`` the space has no
        tables yet, and lacks every chunk."""
        after, tenant = b"", ""
        while batch := self._read(self._distinct(is_made=is_made), {"after": after, "tenant": tenant, "size": size}):
            yield batch
            after, tenant = batch[-1].hash, batch[-1].tenant

    def count(self, *, is_made: bool) -> int:
        """How many there are."""
        row = self._database.run(
            lambda connection: connection.execute(
                SQL("SELECT count(*) FROM ragdiet.chunk c WHERE {}").format(self._condition(is_made=is_made)),
                {"corpus": self._corpus_id},
            ).fetchone(),
            tenant=None,
            repeatable=True,
        )
        assert row is not None
        return int(row[0])

    def write(self, embedded: Sequence[tuple[StoredChunk, NewChunk]]) -> int:
        """Store vectors, but of chunks that went, changed or got one meanwhile; returns how many were stored."""
        by_corpus: defaultdict[int, dict[int, tuple[StoredChunk, NewChunk]]] = defaultdict(dict)
        for stored, new in embedded:
            by_corpus[stored.corpus_id][stored.id] = (stored, new)

        def write(connection: psycopg.Connection) -> int:
            # As every writer locks its corpus, in the order of their numbers when there are several, nobody deletes a
            # chunk or gives it a vector in between.
            connection.execute(
                "SELECT FROM ragdiet.corpus WHERE id = ANY(%s) ORDER BY id FOR SHARE", (list(by_corpus),)
            )
            written = 0
            for corpus_id, chunks in sorted(by_corpus.items()):
                lacking: dict[int, bytes] = dict(connection.execute(self._lacking(), (list(chunks),)).fetchall())
                wanted = [
                    (chunk_id, new)
                    for chunk_id, (stored, new) in chunks.items()
                    if lacking.get(chunk_id) == stored.hash
                ]
                copy_vectors(connection, self._space, corpus_id, wanted)
                written += len(wanted)
            return written

        return self._database.run(write, tenant=None, repeatable=True)

    def _read(self, query: Composed, parameters: dict[str, object]) -> list[StoredChunk]:
        def read(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
            connection.execute(_IN_ORDER)
            return connection.execute(query, {**parameters, "corpus": self._corpus_id}).fetchall()

        return [
            StoredChunk(
                id=row[0],
                corpus_id=row[1],
                tenant=row[2],
                uri=row[3],
                text=row[4],
                hash=row[5],
                tokens=row[6],
                sentences=tuple(zip(row[7][::2], row[7][1::2], strict=True)),
                context=row[8],
                title=row[9],
                heading=row[10],
            )
            for row in self._database.run(read, tenant=None, repeatable=True)
        ]

    def _condition(self, *, is_made: bool) -> Composed:
        lacks = SQL("NOT EXISTS (SELECT FROM {} v WHERE v.chunk_id = c.id)").format(self._vectors)
        return SQL("{} AND (%(corpus)s::int IS NULL OR c.corpus_id = %(corpus)s)").format(
            lacks if is_made else SQL("true")
        )

    def _batch(self) -> Composed:
        return SQL("SELECT {chunks} WHERE c.id > %(after)s AND {condition} ORDER BY c.id LIMIT %(size)s").format(
            chunks=_CHUNKS, condition=self._condition(is_made=True)
        )

    def _distinct(self, *, is_made: bool) -> Composed:
        return SQL(
            "SELECT DISTINCT ON (c.hash, k.tenant) {chunks} WHERE c.hash >= %(after)s "
            "AND (c.hash, k.tenant) > (%(after)s, %(tenant)s) AND {condition} ORDER BY c.hash, k.tenant LIMIT %(size)s"
        ).format(chunks=_CHUNKS, condition=self._condition(is_made=is_made))

    def _lacking(self) -> Composed:
        return SQL(
            "SELECT c.id, c.hash FROM ragdiet.chunk c WHERE c.id = ANY(%s) "
            "AND NOT EXISTS (SELECT FROM {} v WHERE v.chunk_id = c.id)"
        ).format(self._vectors)


_CHUNKS = SQL(
    "c.id, c.corpus_id, k.tenant, coalesce(d.uri, d.external_id), c.text, c.hash, c.tokens, c.sentences, c.context, "
    "d.title, c.meta ->> 'heading' FROM ragdiet.chunk c JOIN ragdiet.document d ON d.id = c.document_id "
    "JOIN ragdiet.corpus k ON k.id = c.corpus_id"
)
