"""The facts that take work: plans, recall, and collections counted anew. Bounded samples, and nothing written."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg.sql import SQL, Composed, Identifier

from ragdiet import bm25
from ragdiet.doctor.facts import Plan, Recall, Recount
from ragdiet.retrieve.collection import Collection, Way, find_collection
from ragdiet.retrieve.hybrid_statement import hybrid_statement
from ragdiet.retrieve.restriction import Restriction
from ragdiet.store.statistics import stored_saturation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

    from ragdiet.doctor.facts import Corpus
    from ragdiet.types import Space

DEPTH = 100
EF_SEARCH = 2 * DEPTH
"""What ``HybridRetriever`` uses for the hits that it fetches by default."""

K = 10
_QUESTIONS = 50
_TERMS = 200
_WEIGHTS = 50
_LARGE_TABLE = 2**20
"""Bytes; a smaller table may well be read from end to end."""

_PARAMETER = re.compile(r"%\((\w+)\)[sbt]")
# As psycopg sends them; of the others the server finds the type itself.
_TYPES = {
    "corpus": "integer",
    "terms": "integer[]",
    "occurrences": "integer[]",
    "vector": "halfvec",
    "first_pass": "integer",
    "use_dense": "boolean",
    "dense_weight": "double precision",
    "k": "integer",
}


def plans(connection: psycopg.Connection, space: Space, corpora: Sequence[Corpus]) -> tuple[Plan, ...]:
    """How the hybrid statement is run for these collections. Its plan is generic: one for each way to search."""
    ways: dict[Way, list[Corpus]] = {}
    for corpus in corpora:
        if found := _found(connection, space, corpus):
            ways.setdefault(found.way, []).append(corpus)
    large = {
        row[0]
        for row in connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'ragdiet'::regnamespace AND pg_relation_size(oid) >= %s",
            (_LARGE_TABLE,),
        )
    }
    planned = []
    for way, searched in ways.items():
        nodes = list(
            _nodes(_explained(connection, hybrid_statement(space, way, depth=DEPTH, restriction=Restriction())))
        )
        planned.append(
            Plan(
                by_index=way == "index",
                corpora=tuple(searched),
                indexes=frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
                scanned=tuple(
                    sorted({node["Relation Name"] for node in nodes if _is_whole(node)} & large),
                ),
            )
        )
    return tuple(planned)


def recall(connection: psycopg.Connection, space: Space, corpus: Corpus, deadline: float) -> Recall | None:
    """How many of the 10 nearest the HNSW index finds, with stored vectors as questions.

    None where the collection is searched without it. The vector itself is left out, as it is found trivially;
    what is as near as the tenth counts as found. No further question is begun after ``deadline``, a reading of
    time.monotonic().
    """
    found = _found(connection, space, corpus)
    if found is None or found.way != "index":
        return None
    vectors = Identifier("ragdiet", f"vector_{space.name}")
    questions = connection.execute(
        SQL(
            "SELECT chunk_id, embedding::text FROM {} WHERE corpus_id = %s ORDER BY hashint8(chunk_id) LIMIT %s"
        ).format(vectors),
        (corpus.id, _QUESTIONS),
    ).fetchall()
    shares: list[float] = []
    for chunk_id, vector in questions:
        if shares and time.monotonic() > deadline:
            break
        given = {"vector": vector, "corpus": corpus.id, "chunk": chunk_id}
        # Ordered by the distance as it is, HNSW serves; by the same number reckoned, it cannot.
        by_index = _distances(connection, vectors, "embedding <=> %(vector)s::halfvec", given)[:K]
        exact = _distances(connection, vectors, "(embedding <=> %(vector)s::halfvec) + 0", given)[:K]
        if exact:
            near_enough = exact[-1] + 1e-6
            shares.append(sum(distance <= near_enough for distance in by_index) / len(exact))
    if not shares:
        return None
    return Recall(corpus=corpus, questions=len(shares), recall=float(np.mean(shares)), ef_search=found.ef_search)


def recount(connection: psycopg.Connection, corpus: Corpus, spaces: Sequence[str]) -> Recount:
    """Count a collection anew; its document frequencies and weights on samples."""
    chunks = _row(connection, "SELECT count(*) FROM ragdiet.chunk WHERE corpus_id = %s", corpus)[0]
    indexed, length = _row(
        connection, "SELECT count(*), coalesce(sum(length), 0) FROM ragdiet.lexical WHERE corpus_id = %s", corpus
    )
    embedded = tuple(
        (
            space,
            _row(
                connection,
                SQL("SELECT count(*) FROM {} WHERE corpus_id = %s").format(Identifier("ragdiet", f"vector_{space}")),
                corpus,
            )[0],
        )
        for space in spaces
    )
    terms, wrong = _frequencies(connection, corpus)
    weights = _weights(connection, corpus)
    return Recount(
        corpus=corpus,
        chunks=chunks,
        indexed=indexed,
        total_length=int(length),
        embedded=embedded,
        terms_counted=terms,
        wrong_frequencies=wrong,
        weights_counted=len(weights),
        wrong_weights=sum(not right for right in weights),
    )


def _frequencies(connection: psycopg.Connection, corpus: Corpus) -> tuple[int, int]:
    """Of a sample of noted terms and one of stored ones: how many, and how many with a wrong frequency."""
    connection.execute("SET LOCAL enable_seqscan = off")
    rows = connection.execute(
        "SELECT coalesce(noted.df, 0), (SELECT count(*) FROM ragdiet.searchable_lexical l "
        "WHERE l.corpus_id = %(id)s AND l.terms @> ARRAY[sample.term]) "
        "FROM ((SELECT term FROM ragdiet.term WHERE corpus_id = %(id)s ORDER BY hashint4(term) LIMIT %(half)s) "
        "UNION (SELECT unnest(terms) FROM (SELECT terms FROM ragdiet.lexical WHERE corpus_id = %(id)s "
        "ORDER BY hashint8(chunk_id) LIMIT %(half)s) AS held LIMIT %(half)s)) AS sample (term) "
        "LEFT JOIN ragdiet.term noted ON noted.corpus_id = %(id)s AND noted.term = sample.term",
        {"id": corpus.id, "half": _TERMS // 2},
    ).fetchall()
    return len(rows), sum(noted != counted for noted, counted in rows)


def _weights(connection: psycopg.Connection, corpus: Corpus) -> list[bool]:
    """Of a sample of chunks with terms: whether each has the weights of the noted average length."""
    rows = connection.cursor(binary=True).execute(
        "SELECT sparsevec_send(weights), length FROM ragdiet.lexical WHERE corpus_id = %s AND length > 0 "
        "ORDER BY hashint8(chunk_id) LIMIT %s",
        (corpus.id, _WEIGHTS),
    )
    average = corpus.average_length or 1.0
    return [
        bool(np.isclose(stored_saturation(stored, length), bm25.saturation(length, average), rtol=1e-3))
        for stored, length in rows
    ]


def _found(connection: psycopg.Connection, space: Space, corpus: Corpus) -> Collection | None:
    return find_collection(
        connection, space, tenant=corpus.tenant, collection=corpus.collection, ef_search=EF_SEARCH, filtered=False
    )


def _explained(connection: psycopg.Connection, query: Composed) -> dict[str, Any]:
    """The generic plan of a statement, the one that its searches run by."""
    names: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1], len(names) + 1)}"

    text = _PARAMETER.sub(place, query.as_string(connection)).replace("%%", "%")
    types = ", ".join(_TYPES.get(name, "unknown") for name in names)
    values = ", ".join("NULL" for _ in names)
    connection.execute(f"PREPARE ragdiet_doctor ({types}) AS {text}".encode())
    row = connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE ragdiet_doctor ({values})".encode()).fetchone()
    connection.execute("DEALLOCATE ragdiet_doctor")
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def _is_whole(node: dict[str, Any]) -> bool:
    """Whether it reads a table from end to end: plainly, or, as searches discourage that, along some index."""
    if node["Node Type"] not in ("Seq Scan", "Index Scan", "Index Only Scan"):
        return False
    return "Index Cond" not in node and "Order By" not in node


def _distances(connection: psycopg.Connection, vectors: Identifier, order: str, given: dict[str, Any]) -> list[float]:
    rows = connection.execute(
        SQL(
            "SELECT chunk_id, embedding <=> %(vector)s::halfvec FROM {} WHERE corpus_id = %(corpus)s "
            "ORDER BY {} LIMIT {}"
        ).format(vectors, SQL(order), DEPTH),
        given,
    )
    return [distance for chunk_id, distance in rows if chunk_id != given["chunk"]]


def _row(connection: psycopg.Connection, query: str | Composed, corpus: Corpus) -> tuple[Any, ...]:
    row = connection.execute(query, (corpus.id,)).fetchone()
    assert row is not None
    return row
