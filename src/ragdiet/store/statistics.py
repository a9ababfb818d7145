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

DRIFT = 0.02
"""An average length this far off moves no weight by more than the same share."""

_REWEIGHTED = 2_000  # rows at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """One tenant's collection. ``average_length`` is the one its stored weights were made with; ``language``
    that of the analyzer its terms were made by."""

    id: int
    tenant: str
    collection: str
    chunks: int
    total_length: int
    average_length: float | None
    version: int
    language: str


_COLUMNS = "id, tenant, collection, chunks, total_length, average_length, version, language"


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


def ensure_corpus(database: Database, *, tenant: str, collection: str, language: str = "english") -> Corpus:
    """The corpus of that name, made with ``language`` when it is not there."""
    database.run(
        lambda connection: connection.execute(
            "INSERT INTO ragdiet.corpus (tenant, collection, language) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (tenant, collection, language),
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
        if abs(average / corpus.average_length - 1) <= DRIFT:
            return False
        _reweigh(connection, corpus_id, average)
        return True

    return database.run(refreeze, tenant=tenant, repeatable=True)


def rebuild_statistics(database: Database, corpus_id: int, *, tenant: str) -> None:
    """Count a corpus anew from what is stored of its chunks, and make their weights anew with the true average.

    In one transaction, with other writers of the corpus locked out; searches go on and see the old figures
    until it ends.
    """

    def rebuild(connection: psycopg.Connection) -> None:
        lock_corpus(connection, corpus_id)
        connection.execute("DELETE FROM ragdiet.term WHERE corpus_id = %s", (corpus_id,))
        connection.execute(
            "INSERT INTO ragdiet.term (corpus_id, term, df) SELECT %(id)s, term, count(*) "
            "FROM ragdiet.lexical, unnest(terms) AS term WHERE corpus_id = %(id)s GROUP BY term ORDER BY term",
            {"id": corpus_id},
        )
        counted = connection.execute(
            "UPDATE ragdiet.corpus SET (chunks, total_length) = (SELECT count(*), coalesce(sum(length), 0) "
            "FROM ragdiet.lexical WHERE corpus_id = %(id)s), version = version + 1 WHERE id = %(id)s "
            "RETURNING chunks, total_length",
            {"id": corpus_id},
        ).fetchone()
        assert counted is not None
        chunks, length = counted
        if chunks:
            _reweigh(connection, corpus_id, max(1.0, length / chunks))

    database.run(rebuild, tenant=tenant, repeatable=True)


def _reweigh(connection: psycopg.Connection, corpus_id: int, average: float) -> None:
    """Give the chunks of a locked corpus the weights of another average length, and note it."""
    binary.register_sparsevecs(connection)
    with connection.cursor(name="weights", binary=True) as rows:
        rows.execute(
            "SELECT chunk_id, length, sparsevec_send(weights) FROM ragdiet.lexical WHERE corpus_id = %s", (corpus_id,)
        )
        while block := rows.fetchmany(_REWEIGHTED):
            connection.execute(
                "UPDATE ragdiet.lexical l SET weights = made.weights "
                "FROM unnest(%s::bigint[], %b) AS made (chunk_id, weights) WHERE l.chunk_id = made.chunk_id",
                (
                    [chunk_id for chunk_id, _, _ in block],
                    binary.Sparsevecs([_reweighted(stored, length, average) for _, length, stored in block]),
                ),
            )
    connection.execute("UPDATE ragdiet.corpus SET average_length = %s WHERE id = %s", (average, corpus_id))


def stored_saturation(stored: bytes, length: int) -> float:
    """The saturation that a chunk's weights were made with, told from them alone; 0 where it has no terms.

    ``stored``: a sparsevec in its binary form. A weight is tf / (tf + saturation) and the counts add up to the
    length, so the saturation is the length over the sum of weight / (1 - weight).
    """
    total = float(_odds(stored).sum())
    return length / total if total else 0.0


def _odds(stored: bytes) -> NDArray[np.float64]:
    """weight / (1 - weight) of each entry of a sparsevec in its binary form."""
    weights = np.frombuffer(stored, ">f4", offset=_values_from(stored)).astype(np.float64)
    return weights / (1 - weights)


def _values_from(stored: bytes) -> int:
    return len(stored) - (len(stored) - binary.SPARSEVEC_HEAD) // 2


def _reweighted(stored: bytes, length: int, average: float) -> bytes:
    """A sparsevec in its binary form, with the weights that its counts have at another average length."""
    counts = np.rint(_odds(stored) * stored_saturation(stored, length))
    weights = counts / (counts + bm25.saturation(length, average))
    return stored[: _values_from(stored)] + weights.astype(">f4").tobytes()


def _corpus(row: tuple[int, str, str, int, int, float | None, int, str]) -> Corpus:
    return Corpus(
        id=row[0],
        tenant=row[1],
        collection=row[2],
        chunks=row[3],
        total_length=row[4],
        average_length=row[5],
        version=row[6],
        language=row[7],
    )
