"""Plans and recall under the policies, at 50,000 chunks of four tenants, as the runtime role.

The plans are those that PostgreSQL itself reports of what the retriever runs (auto_explain), so they hold for
whatever it runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from psycopg import sql

from ragdiet.analysis import analyzer, term_numbers
from ragdiet.retrieve import CorpusRewriter, HybridRetriever, Vocabulary, parent_section, with_neighbours
from ragdiet.retrieve.collection import find_collection
from ragdiet.store import Database, FingerprintStore, Indexes
from ragdiet.store.embedded import EmbeddedServer
from ragdiet.types import Hits
from tests.conftest import Roles, owned_database
from tests.embedders import WordEmbedder

SPACE = WordEmbedder().space
SIZES = {"large": 35_000, "middle": 14_000, "small": 950, "tiny": 50}  # of HNSW, HNSW, exact, exact and 0.1%
WORDS = [f"word{number}" for number in range(20_000)]

FILL = """
    CREATE TEMP TABLE words AS SELECT '{{{words}}}'::int[] AS terms;
    CREATE TEMP TABLE made AS
    SELECT number AS id, corpus.id AS corpus_id,
           -- as ragdiet.analysis.corpus_terms moves them
           (SELECT array_agg(DISTINCT ((term - 1 + corpus.id::bigint * 618033989) % 1000000000 + 1)::int)
            FROM (SELECT words.terms[1 + floor(cardinality(words.terms) * random() ^ 3)::int] AS term
                  FROM generate_series(1, 12) WHERE number > 0) AS drawn) AS terms
    FROM generate_series(1, {total}) AS number
    CROSS JOIN words
    JOIN (SELECT id, sum(chunks) OVER (ORDER BY id) AS last, sum(chunks) OVER (ORDER BY id) - chunks AS before
          FROM ragdiet.corpus) AS corpus ON number > before AND number <= last;
    INSERT INTO ragdiet.document (id, corpus_id, external_id, content_hash, pipeline, meta) OVERRIDING SYSTEM VALUE
    SELECT id, corpus_id, id::text, '', '', jsonb_build_object('part', id % 1000) FROM made;
    INSERT INTO ragdiet.chunk (id, document_id, ordinal, text, hash, tokens, start_offset, end_offset, sentences,
                               corpus_id) OVERRIDING SYSTEM VALUE
    SELECT id, id, 0, 'Chunk ' || id, int8send(id), 2, 0, 1, '{{0,1}}', corpus_id FROM made;
    INSERT INTO ragdiet.lexical
    SELECT id, corpus_id, 12, terms,
           (SELECT ('{{' || string_agg(term || ':' || 0.3 + random() / 2, ',') || '}}/1000000000')::sparsevec
            FROM unnest(terms) AS term)
    FROM made;
    INSERT INTO ragdiet.term SELECT corpus_id, term, count(*) FROM made, unnest(terms) AS term GROUP BY 1, 2;
    INSERT INTO ragdiet.fingerprint
    SELECT id, corpus_id, int8send(id), '', '', '', ARRAY[id, -id], ARRAY[id, -id] FROM made;
    INSERT INTO ragdiet.vector_words_64
    SELECT id, corpus_id, (SELECT array_agg(random() - 0.5) FROM generate_series(1, 64) WHERE id > 0)::halfvec
    FROM made;
"""


@pytest.fixture(scope="module")
def large(server: EmbeddedServer, owned_template: str) -> Iterator[Roles]:
    for roles in owned_database(server, owned_template):
        with psycopg.connect(roles.admin) as connection:
            connection.execute("SELECT setseed(0.5)")
            for tenant, chunks in SIZES.items():
                connection.execute(
                    "INSERT INTO ragdiet.corpus (tenant, collection, chunks, total_length, average_length) "
                    "VALUES (%s, 'default', %s, %s, 12)",
                    (tenant, chunks, 12 * chunks),
                )
            connection.execute("DROP INDEX ragdiet.vector_words_64_hnsw, ragdiet.lexical_terms")
            connection.execute(FILL.format(words=",".join(map(str, term_numbers(WORDS))), total=sum(SIZES.values())))  # type: ignore[call-overload]
        owner = Database(roles.owner)
        with Indexes(owner, SPACE) as indexes:
            indexes.build()
        owner.close()
        with psycopg.connect(roles.admin, autocommit=True) as connection:
            connection.execute("ANALYZE")
            for name, value in {
                "session_preload_libraries": "auto_explain",
                "auto_explain.log_min_duration": "0",
                "auto_explain.log_level": "notice",
            }.items():
                statement = "ALTER DATABASE {} SET {} = {}"
                database = sql.Identifier(connection.info.dbname)
                connection.execute(sql.SQL(statement).format(database, sql.SQL(name), sql.Literal(value)))
        yield roles


class Watched:
    """A store of one connection, and the plans of what ran on it."""

    def __init__(self, dsn: str) -> None:
        self.store = Database(dsn, max_size=1)
        self.plans: list[str] = []
        with self.store.transaction(tenant=None) as connection:
            connection.add_notice_handler(lambda notice: self.plans.append(str(notice.message_primary)))

    def scans(self) -> set[str]:
        """The tables read whole, and the indexes used, since last asked."""
        plans = "\n".join(self.plans)
        self.plans.clear()
        return set(re.findall(r"Seq Scan on \w+", plans)) | set(re.findall(r"\w* ?Scan (?:using|on) (\w+)", plans))


@pytest.fixture
def watched(large: Roles) -> Iterator[Watched]:
    made = Watched(large.app)
    yield made
    made.store.close()


def vectors(large: Roles, tenant: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    store = Database(large.owner)
    with store.transaction(tenant=tenant) as connection:
        rows = connection.execute("SELECT chunk_id, embedding FROM ragdiet.vector_words_64").fetchall()
    store.close()
    matrix = np.stack([row[1].to_numpy() for row in rows]).astype(np.float32)
    return np.array([row[0] for row in rows]), matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def questions(number: int) -> NDArray[np.float32]:
    made = np.random.default_rng(7).standard_normal((number, 64)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


BIG = {f"Seq Scan on {name}" for name in ("chunk", "document", "lexical", "fingerprint", "term", "vector_words_64")}
QUESTION = " ".join(WORDS[:3000:150])


@pytest.mark.parametrize("times", [1, 8], ids=["cold", "prepared"])
@pytest.mark.parametrize("tenant", SIZES)
def test_each_leg_uses_its_index(watched: Watched, tenant: str, times: int) -> None:
    retriever = HybridRetriever(watched.store, SPACE)
    for vector in questions(times):
        watched.scans()
        hits = retriever.retrieve(QUESTION, vector, k=10, tenant=tenant)
    scans = watched.scans()
    assert len(hits) == 10
    assert any(hit.keyword_rank for hit in hits)
    assert {hit.text for hit in hits} <= texts_of(watched, tenant)
    assert scans.isdisjoint(BIG), scans
    if tenant in ("large", "middle"):
        assert scans >= {"vector_words_64_hnsw", "lexical_terms"}
    else:
        assert "vector_words_64_corpus" in scans
        assert "vector_words_64_hnsw" not in scans
    assert scans & {"lexical_terms", "lexical_corpus"}


@pytest.mark.parametrize("times", [1, 8], ids=["cold", "prepared"])
@pytest.mark.parametrize("question", [f'"{WORDS[2]} {WORDS[5]}"', f'{WORDS[2]} -"{WORDS[40]} {WORDS[50]}"'])
def test_phrases_are_looked_up_by_their_terms(watched: Watched, question: str, times: int) -> None:
    retriever = HybridRetriever(watched.store, SPACE)
    for vector in questions(times):
        watched.scans()
        retriever.retrieve(question, vector, k=10, tenant="large")
    scans = watched.scans()
    assert scans.isdisjoint(BIG), scans
    assert scans >= {"lexical_terms", "chunk_pkey"}


@pytest.mark.parametrize("times", [1, 8], ids=["cold", "prepared"])
def test_a_rewriter_looks_its_words_up(watched: Watched, times: int) -> None:
    rewriter = CorpusRewriter(watched.store)
    for number in range(times):
        watched.scans()
        rewriter.rewrite(f"wrd{number} {WORDS[number]} wordd40", (), tenant="large", collection="default")
    scans = watched.scans()
    assert scans.isdisjoint(BIG), scans
    assert "term_pkey" in scans


def test_examples_of_terms_are_looked_up_by_the_terms(watched: Watched) -> None:
    with watched.store.transaction(tenant="large") as connection:
        (corpus,) = connection.execute("SELECT id FROM ragdiet.corpus").fetchone() or ()
        watched.scans()
        Vocabulary(connection, corpus, analyzer()).written(WORDS[:5])
    scans = watched.scans()
    assert scans.isdisjoint(BIG), scans
    assert "lexical_terms" in scans


@pytest.mark.parametrize("times", [1, 8], ids=["cold", "prepared"])
@pytest.mark.parametrize("grown", [with_neighbours, partial(parent_section, most_tokens=100)])
def test_what_stands_around_a_hit_is_looked_up(watched: Watched, grown: Callable[..., Hits], times: int) -> None:
    (vector,) = questions(1)
    hits = HybridRetriever(watched.store, SPACE).retrieve(QUESTION, vector, k=10, tenant="large")
    for _ in range(times):
        watched.scans()
        with watched.store.transaction(tenant="large") as connection:
            assert len(grown(connection, hits=hits, space=SPACE)) == 10
    scans = watched.scans()
    assert scans.isdisjoint(BIG), scans
    assert scans >= {"chunk_pkey"}


def test_a_larger_graph_is_searched_further(watched: Watched) -> None:
    with watched.store.transaction(tenant="large") as connection:
        found = find_collection(connection, SPACE, tenant="large", collection="default", ef_search=200, filtered=False)
        assert found is not None
        assert found.all_vectors == sum(SIZES.values())
        assert connection.execute("SHOW hnsw.ef_search").fetchone() == ("317",)  # 200 times the root of 2.5
        assert found.ef_search == 317


def texts_of(watched: Watched, tenant: str) -> set[str]:
    with watched.store.transaction(tenant=tenant) as connection:
        return {row[0] for row in connection.execute("SELECT text FROM ragdiet.chunk")}


@pytest.mark.parametrize(
    ("condition", "table", "index"),
    [
        ("meta @> '{\"part\": 7}'", "document", "document_meta"),
        ("terms && ARRAY[1, 2, 3]", "lexical", "lexical_terms"),
        ("bands @> ARRAY[7::bigint]", "fingerprint", "fingerprint_bands"),
    ],
)
def test_conditions_that_are_not_leakproof_reach_the_index_through_the_view(
    watched: Watched, condition: str, table: str, index: str
) -> None:
    for prefix, expected in (("searchable_", index), ("", f"Seq Scan on {table}")):
        with watched.store.transaction(tenant="large") as connection:
            watched.scans()
            connection.execute(f"SELECT count(*) FROM ragdiet.{prefix}{table} WHERE {condition}")  # type: ignore[call-overload]
        assert expected in watched.scans()


def test_fingerprints_are_looked_up_through_their_indexes(watched: Watched, large: Roles) -> None:
    store = FingerprintStore(watched.store, tenant="tiny")
    with watched.store.transaction(tenant="tiny") as connection:
        (corpus,) = connection.execute("SELECT id FROM ragdiet.corpus").fetchone() or ()
    watched.scans()
    assert store.alike(corpus, [b"none"], [1, 2, 3]) == []
    assert store.repeated(corpus, [1, 2], 5) == {1: 0, 2: 0}
    scans = watched.scans()
    assert scans >= {"fingerprint_bands", "fingerprint_edges", "fingerprint_text"}
    assert scans.isdisjoint(BIG)


@pytest.mark.parametrize("tenant", ["tiny", "small"])
def test_recall_inside_a_small_tenant_is_that_of_exact_search(watched: Watched, large: Roles, tenant: str) -> None:
    """A tenant of 0.1% and one of 2% of the rows."""
    numbers, matrix = vectors(large, tenant)
    retriever = HybridRetriever(watched.store, SPACE, keyword=False)
    for question in questions(20):
        best = set(numbers[np.argsort(-(matrix @ question))[:10]].tolist())
        assert {hit.chunk_id for hit in retriever.retrieve("", question, k=10, tenant=tenant)} == best


@pytest.mark.parametrize("tenant", ["large", "middle"])
def test_a_large_tenant_finds_what_it_would_without_policies(watched: Watched, large: Roles, tenant: str) -> None:
    free = Database(large.admin)
    for question in questions(10):
        found = [
            HybridRetriever(store, SPACE).retrieve(QUESTION, question, k=10, tenant=tenant)
            for store in (watched.store, free)
        ]
        assert found[0] == found[1]
    free.close()
