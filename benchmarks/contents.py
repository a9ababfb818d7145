"""The rows of a database by what they say, without serial numbers and times, and what is wrong with them."""

from __future__ import annotations

from collections import Counter

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ragdiet.types import Space

# A chunk is named by its document and place; its row as JSON takes in columns that are added later.
_BY_CONTENT = {
    "documents": "SELECT md5((to_jsonb(d) - '{{id,corpus_id,updated_at,expires_at}}'::text[])::text) "
    "FROM ragdiet.document d",
    "chunks": "SELECT md5(d.external_id || (to_jsonb(c) - '{{id,document_id}}'::text[])::text) "
    "FROM ragdiet.chunk c JOIN ragdiet.document d ON d.id = c.document_id",
    "lexical rows": "SELECT md5(d.external_id || c.ordinal || (to_jsonb(l) - '{{chunk_id,corpus_id}}'::text[])::text) "
    "FROM ragdiet.lexical l JOIN ragdiet.chunk c ON c.id = l.chunk_id JOIN ragdiet.document d ON d.id = c.document_id",
    "vectors": "SELECT md5(d.external_id || c.ordinal || v.embedding::text) FROM {vectors} v "
    "JOIN ragdiet.chunk c ON c.id = v.chunk_id JOIN ragdiet.document d ON d.id = c.document_id",
    "terms": "SELECT term::text || ' ' || df FROM ragdiet.term",
    "corpora": "SELECT concat_ws(' ', tenant, collection, chunks, total_length, average_length) FROM ragdiet.corpus",
}

_DUPLICATES = {
    "documents twice": "SELECT count(*) - count(DISTINCT (corpus_id, external_id)) FROM ragdiet.document",
    "chunks twice": "SELECT count(*) - count(DISTINCT (document_id, ordinal)) FROM ragdiet.chunk",
}

_ORPHANS = {
    "chunks without a document": "SELECT count(*) FROM ragdiet.chunk c "
    "WHERE NOT EXISTS (SELECT FROM ragdiet.document d WHERE d.id = c.document_id)",
    "documents without a chunk": "SELECT count(*) FROM ragdiet.document d "
    "WHERE NOT EXISTS (SELECT FROM ragdiet.chunk c WHERE c.document_id = d.id)",
    "chunks without terms": "SELECT count(*) FROM ragdiet.chunk c "
    "WHERE NOT EXISTS (SELECT FROM ragdiet.lexical l WHERE l.chunk_id = c.id)",
    "terms without a chunk": "SELECT count(*) FROM ragdiet.lexical l "
    "WHERE NOT EXISTS (SELECT FROM ragdiet.chunk c WHERE c.id = l.chunk_id)",
    "chunks without a vector": "SELECT count(*) FROM ragdiet.chunk c "
    "WHERE NOT EXISTS (SELECT FROM {vectors} v WHERE v.chunk_id = c.id)",
    "vectors without a chunk": "SELECT count(*) FROM {vectors} v "
    "WHERE NOT EXISTS (SELECT FROM ragdiet.chunk c WHERE c.id = v.chunk_id)",
    "wrong word counts": "WITH counted AS (SELECT corpus_id, term, count(*) AS df "
    "FROM ragdiet.lexical, unnest(terms) AS term GROUP BY corpus_id, term) "
    "SELECT count(*) FROM counted FULL JOIN ragdiet.term t USING (corpus_id, term) "
    "WHERE counted.df IS DISTINCT FROM t.df",
    "corpora with wrong totals": "SELECT count(*) FROM ragdiet.corpus p WHERE "
    "p.chunks <> (SELECT count(*) FROM ragdiet.lexical l WHERE l.corpus_id = p.id) OR "
    "p.total_length <> (SELECT coalesce(sum(l.length), 0) FROM ragdiet.lexical l WHERE l.corpus_id = p.id)",
}


def contents(dsn: str, space: Space) -> dict[str, Counter[str]]:
    """Every row by kind, as a text that two equal rows of different databases share, with its count."""
    with psycopg.connect(dsn) as connection:
        return {
            kind: Counter(row[0] for row in connection.execute(_query(query, space)))
            for kind, query in _BY_CONTENT.items()
        }


def differences(one: dict[str, Counter[str]], other: dict[str, Counter[str]]) -> dict[str, int]:
    """By kind, rows that only one of the two databases has; kinds without any are left out."""
    found = {kind: ((rows - other[kind]) + (other[kind] - rows)).total() for kind, rows in one.items()}
    return {kind: number for kind, number in found.items() if number}


def faults(dsn: str, space: Space) -> tuple[dict[str, int], dict[str, int]]:
    """Rows that stand twice, and rows that lack what belongs to them; kinds without any are left out."""
    with psycopg.connect(dsn) as connection:
        return _counts(connection, _DUPLICATES, space), _counts(connection, _ORPHANS, space)


def _counts(connection: psycopg.Connection, queries: dict[str, str], space: Space) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, query in queries.items():
        row = connection.execute(_query(query, space)).fetchone()
        assert row is not None
        if row[0]:
            found[name] = row[0]
    return found


def _query(query: str, space: Space) -> Composed:
    return SQL(query).format(vectors=Identifier("ragdiet", f"vector_{space.name}"))  # type: ignore[arg-type]
