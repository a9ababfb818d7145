"""Corpora and the word statistics that BM25 needs of them, kept in the transaction of the change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import psycopg

from ragdiet import bm25
from ragdiet.errors import StoreError
from ragdiet.store import binary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragdiet.store.database import Database
    from ragdiet.store.postings import Postings

# An average length this far off moves no weight by more than the same share.
_DRIFT = 0.02
_REWEIGHTED = 2_000  # rows at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """One tenant's collection. ``average_length`` is the one its stored weights were made with."""

    id: int
    tenant: str
    collection: str
    chunks: int
    total_length: int
    average_length: float | None
    version: int


_COLUMNS = "id, tenant, collection, chunks, total_length, average_length, version"


def find_corpus(database: Database, *, tenant: str, collection: str) -> Corpus | None:
    """The corpus of that name, if anything was ever ingested into it."""
    row = database.run(
        lambda connection: connection.execute(
            f"SELECT {_COLUMNS} FROM ragdiet.corpus WHERE tenant = %s AND collection = %s",  # noqa: S608 - constants
            (tenant, collection),
        ).fetchone(),
        tenant=tenant,
        repeatable=True,
    )
    return _corpus(row) if row else None


def ensure_corpus(database: Database, *, tenant: str, collection: str) -> Corpus:
    """The corpus of that name, made when it is not there."""
    database.run(
        lambda connection: connection.execute(
            "INSERT INTO ragdiet.corpus (tenant, collection) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (tenant, collection),
        ),
        tenant=tenant,
        repeatable=True,
    )
    found = find_corpus(database, tenant=tenant, collection=collection)
    assert found is not None
    return found


def lock_corpus(connection: psycopg.Connection, corpus_id: int) -> Corpus:
    """Lock the corpus against other writers until the transaction ends: one writer at a time."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM ragdiet.corpus WHERE id = %s FOR UPDATE",  # noqa: S608 - constants
        (corpus_id,),
    ).fetchone()
    if row is None:
        raise StoreError("this collection was dropped meanwhile: call again, which makes it anew")
    return _corpus(row)


@dataclass(frozen=True, slots=True)
class Removed:
    """Chunks that go: how many, their length in terms, and in how many of them each term stands."""

    chunks: int
    length: int
    terms: NDArray[np.int32]
    frequencies: NDArray[np.int64]


def measured(connection: psycopg.Connection, chunk_ids: list[int]) -> Removed:
    """What the statistics lose with these chunks."""
    if not chunk_ids:
        return Removed(0, 0, np.array([], np.int32), np.array([], np.int64))
    rows = connection.execute(
        "SELECT term, count(*) FROM ragdiet.lexical, unnest(terms) AS term WHERE chunk_id = ANY(%s) "
        "GROUP BY term ORDER BY term",
        (chunk_ids,),
    ).fetchall()
    terms, frequencies = np.array(rows, np.int64).reshape(-1, 2).T
    row = connection.execute(
        "SELECT count(*), coalesce(sum(length), 0) FROM ragdiet.lexical WHERE chunk_id = ANY(%s)", (chunk_ids,)
    ).fetchone()
    assert row is not None
    return Removed(row[0], int(row[1]), terms.astype(np.int32), frequencies)


def update_statistics(connection: psycopg.Connection, corpus: Corpus, *, removed: Removed, added: Postings) -> float:
    """Bring a locked corpus's statistics up to date; returns the average length to weigh ``added`` with."""
    chunks = len(added.ends) - removed.chunks
    length = int(added.lengths.sum()) - removed.length
    average = corpus.average_length
    if average is None and chunks > 0:
        average = max(1.0, length / chunks)
    added_terms, added_frequencies = added.frequencies()
    terms, place = np.unique(np.concatenate((removed.terms, added_terms)), return_inverse=True)
    frequencies = np.zeros(len(terms), np.int64)
    np.add.at(frequencies, place, np.concatenate((-removed.frequencies, added_frequencies)))
    changed = frequencies != 0
    if changed.any():
        _add_frequencies(connection, corpus.id, terms[changed], frequencies[changed])
    connection.execute(
        "UPDATE ragdiet.corpus SET chunks = chunks + %s, total_length = total_length + %s, average_length = %s, "
        "version = version + 1 WHERE id = %s",
        (chunks, length, average, corpus.id),
    )
    return average or 1.0


def _add_frequencies(
    connection: psycopg.Connection, corpus_id: int, terms: NDArray[np.int32], frequencies: NDArray[np.int64]
) -> None:
    connection.execute(
        "INSERT INTO ragdiet.term (corpus_id, term, df) SELECT %s, * FROM unnest(%s::int[], %s::int[]) "
        "ON CONFLICT (corpus_id, term) DO UPDATE SET df = term.df + excluded.df",
        (corpus_id, terms.tolist(), frequencies.tolist()),
    )
    if (frequencies < 0).any():
        connection.execute(
            "DELETE FROM ragdiet.term WHERE corpus_id = %s AND term = ANY(%s) AND df <= 0",
            (corpus_id, terms[frequencies < 0].tolist()),
        )


def refreeze_average_length(database: Database, corpus_id: int, *, tenant: str) -> bool:
    """Make all weights of a corpus anew if its average length has drifted; says whether it had to."""

    def refreeze(connection: psycopg.Connection) -> bool:
        corpus = lock_corpus(connection, corpus_id)
        if not corpus.chunks or not corpus.average_length:
            return False
        average = max(1.0, corpus.total_length / corpus.chunks)
        if abs(average / corpus.average_length - 1) <= _DRIFT:
            return False
        binary.register_sparsevecs(connection)
        with connection.cursor(name="weights", binary=True) as rows:
            rows.execute(
                "SELECT chunk_id, length, sparsevec_send(weights) FROM ragdiet.lexical WHERE corpus_id = %s",
                (corpus_id,),
            )
            while block := rows.fetchmany(_REWEIGHTED):
                connection.execute(
                    "UPDATE ragdiet.lexical l SET weights = made.weights "
                    "FROM unnest(%s::bigint[], %b) AS made (chunk_id, weights) WHERE l.chunk_id = made.chunk_id",
                    (
                        [chunk_id for chunk_id, _, _ in block],
                        binary.Sparsevecs(
                            [_reweighted(stored, length, corpus.average_length, average) for _, length, stored in block]
                        ),
                    ),
                )
        connection.execute("UPDATE ragdiet.corpus SET average_length = %s WHERE id = %s", (average, corpus_id))
        return True

    return database.run(refreeze, tenant=tenant, repeatable=True)


def _reweighted(stored: bytes, length: int, old: float, new: float) -> bytes:
    """A sparsevec in its binary form, with the weights that its counts have at another average length."""
    head = len(stored) - (len(stored) - binary.SPARSEVEC_HEAD) // 2
    weights = np.frombuffer(stored, ">f4", offset=head).astype(np.float64)
    # The inverse of bm25.weight gives the counts back.
    counts = np.rint(weights * bm25.saturation(length, old) / (1 - weights))
    return stored[:head] + (counts / (counts + bm25.saturation(length, new))).astype(">f4").tobytes()


def _corpus(row: tuple[int, str, str, int, int, float | None, int]) -> Corpus:
    return Corpus(
        id=row[0],
        tenant=row[1],
        collection=row[2],
        chunks=row[3],
        total_length=row[4],
        average_length=row[5],
        version=row[6],
    )
