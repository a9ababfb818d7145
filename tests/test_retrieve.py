"""Retrieval: exact BM25, fusion as written down, filters, tenants, and hard questions."""

from __future__ import annotations

import inspect
import statistics

import bm25s
import numpy as np
import psycopg
import pytest

from ragdiet.analysis import analyzer
from ragdiet.errors import DimensionMismatch, InvalidArgument, InvalidQuestion, UnknownFilterKey
from ragdiet.rag import RAG
from ragdiet.retrieve import HybridRetriever, collection
from ragdiet.retrieve.rewrite import without_question_words
from ragdiet.store import Database
from ragdiet.types import Document
from tests.embedders import WordEmbedder

TEXTS = {
    name: text
    for name in dir(statistics)
    if not name.startswith("_") and (text := inspect.getdoc(getattr(statistics, name))) and len(text) < 2_000
}
QUESTIONS = (
    "what is the median of the data",
    "geometric mean of positive numbers",
    "standard deviation of a population",
    "quantiles with exclusive method",
    "linear regression slope and intercept",
)


@pytest.fixture
def filled(rag: RAG) -> RAG:
    rag.ingest(
        Document(name, text, title=name, meta={"letter": name[0], "size": len(text)}) for name, text in TEXTS.items()
    )
    return rag


def test_bm25_scores_are_those_of_bm25s(filled: RAG, database: Database, dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        stored = connection.execute("SELECT id, text FROM ragdiet.chunk").fetchall()
        titles = dict(
            connection.execute(
                "SELECT c.id, d.title FROM ragdiet.chunk c JOIN ragdiet.document d ON d.id = c.document_id"
            ).fetchall()
        )
    tokens = [analyzer().terms(f"{titles[chunk_id]}\n{text}") for chunk_id, text in stored]
    peer = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    peer.index(tokens, show_progress=False)
    retriever = HybridRetriever(database, filled.space, dense=False, question_words=True)
    for question in QUESTIONS:
        scores = peer.get_scores(analyzer().terms(question))
        expected = np.sort(scores[scores > 0])[::-1][:10]
        hits = retriever.retrieve(question, None, k=10)
        assert [hit.keyword_score for hit in hits] == pytest.approx(expected.tolist(), rel=1e-4)
        assert [hit.keyword_rank for hit in hits] == list(range(1, len(hits) + 1))


def test_fusion_is_the_weighted_sum_of_standardised_scores(filled: RAG) -> None:
    for question in QUESTIONS:
        hits = filled.retrieve(question, k=1_000)
        keyword = [hit.keyword_score for hit in hits if hit.keyword_rank]
        dense = [hit.dense_score for hit in hits if hit.dense_rank]
        for hit in hits:
            expected = 0.5 * (hit.keyword_score - np.mean(keyword)) / np.std(keyword) + 0.5 * (
                hit.dense_score - np.mean(dense)
            ) / np.std(dense)
            assert hit.score == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_dense_scores_are_cosines(filled: RAG) -> None:
    embedder = WordEmbedder()
    question = QUESTIONS[0]
    vector = embedder.embed([question], kind="query").vectors[0]
    for hit in filled.retrieve(question, k=20):
        stored = embedder.embed([f"{hit.title}\n{hit.text}"], kind="document").vectors[0]
        assert hit.dense_score == pytest.approx(float(stored @ vector), abs=2e-3)


def test_index_finds_what_the_exact_scan_finds(filled: RAG, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = [[hit.chunk_id for hit in filled.retrieve(question)] for question in QUESTIONS]
    monkeypatch.setattr(collection, "_EXACT_UP_TO", 0)
    indexed = [[hit.chunk_id for hit in filled.retrieve(question)] for question in QUESTIONS]
    assert indexed == exact


def test_index_scan_sees_one_corpus_alone(filled: RAG, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.ingest([Document("only", "A corpus of one text about the median.")], tenant="small")
    monkeypatch.setattr(collection, "_EXACT_UP_TO", 0)
    assert [hit.document_id for hit in filled.retrieve("median", tenant="small")] == ["only"]


def test_hits_carry_where_they_come_from(filled: RAG) -> None:
    hit = filled.retrieve("What is the median?", k=1)[0]
    assert TEXTS[hit.document_id][hit.start : hit.end] == hit.text
    assert hit.title == hit.document_id
    assert hit.meta["letter"] == hit.document_id[0]
    assert all(hit.text[start:end].strip() for start, end in hit.sentences)


@pytest.mark.parametrize("question", ["the of and", "median", "MEDIAN!!!", "zzyzx", "データの中央値", "median " * 900])
def test_odd_questions_get_hits_or_none(filled: RAG, question: str) -> None:
    hits = filled.retrieve(question, k=5)
    assert len(hits) == 5
    if "median" in question.lower():
        assert "median" in hits[0].document_id


def test_k_above_the_rows_there_are(filled: RAG) -> None:
    assert len(filled.retrieve("median of data", k=10_000)) >= len(TEXTS)


@pytest.mark.parametrize("k", [0, -1, 10_001])
def test_k_that_cannot_work(filled: RAG, k: int) -> None:
    with pytest.raises(InvalidArgument, match="ask for 1 to"):
        filled.retrieve("median", k=k)


@pytest.mark.parametrize("question", ["", " \n\t", "\x00", "x" * 100_000, None, 7, "\ud800 half"])
def test_questions_that_are_none(filled: RAG, question: object) -> None:
    with pytest.raises(InvalidQuestion):
        filled.retrieve(question)  # type: ignore[arg-type]
    with pytest.raises(InvalidQuestion):
        filled.ask(question)  # type: ignore[call-overload]


def test_filter_keeps_only_what_has_the_values(filled: RAG) -> None:
    hits = filled.retrieve("mean of data", k=50, filter={"letter": "m"})
    assert {hit.document_id[0] for hit in hits} == {"m"}
    assert {hit.document_id for hit in hits} == {name for name in TEXTS if name[0] == "m"}
    assert filled.retrieve("mean", filter={"letter": "m", "size": -1}) == ()


@pytest.mark.parametrize("filter", [{"letter": ["m"]}, {"letter": {"gt": 1}}, {3: "x"}])
def test_filters_that_cannot_work(filled: RAG, filter: dict[object, object]) -> None:
    with pytest.raises(InvalidArgument, match="filter"):
        filled.retrieve("mean", filter=filter)  # type: ignore[arg-type]


def test_filter_values_are_bound(filled: RAG) -> None:
    hostile = "m'; DROP TABLE ragdiet.chunk; --"
    with pytest.raises(UnknownFilterKey):
        filled.retrieve("mean", filter={hostile: hostile})
    assert filled.retrieve("mean")


def test_tenants_and_collections_are_apart(rag: RAG) -> None:
    rag.ingest([Document("a", "The secret of tenant one is amber.")], tenant="one")
    rag.ingest([Document("a", "The secret of tenant two is basalt.")], tenant="two")
    for tenant, word in (("one", "amber"), ("two", "basalt")):
        hits = rag.retrieve("secret of the tenant", tenant=tenant)
        assert len(hits) == 1
        assert word in hits[0].text
    assert rag.retrieve("secret") == ()
    assert rag.retrieve("secret", tenant="one", collection="other") == ()


def test_vectors_that_do_not_fit(filled: RAG, database: Database) -> None:
    retriever = HybridRetriever(database, filled.space)
    with pytest.raises(DimensionMismatch):
        retriever.retrieve("median", np.zeros(3, np.float32), k=5)
    with pytest.raises(InvalidArgument, match="NaN"):
        retriever.retrieve("median", np.full(64, np.nan, np.float32), k=5)


def test_without_a_vector_the_keyword_leg_answers_alone(filled: RAG, database: Database) -> None:
    hits = HybridRetriever(database, filled.space).retrieve("median", None, k=5)
    assert hits
    assert all((hit.dense_rank, hit.dense_score) == (None, 0) for hit in hits)


def test_retriever_needs_a_leg(filled: RAG, database: Database) -> None:
    with pytest.raises(InvalidArgument, match="needs a leg"):
        HybridRetriever(database, filled.space, keyword=False, dense=False)
    with pytest.raises(InvalidArgument, match="between 0 and 1"):
        HybridRetriever(database, filled.space, dense_weight=2)


def test_question_words_are_no_terms(filled: RAG, database: Database) -> None:
    retriever = HybridRetriever(database, filled.space, dense=False)
    scores = [hit.keyword_score for hit in retriever.retrieve("median of grouped data", None, k=5)]
    asked = retriever.retrieve("What is the median of grouped data, and how does it do?", None, k=5)
    assert [hit.keyword_score for hit in asked] == scores
    assert without_question_words("Which laws must be obeyed?") == "laws obeyed"
    assert without_question_words("What is it, and how?") == "it and"
    assert without_question_words("How?") == "How?"


@pytest.mark.parametrize(("recall", "ef_search"), [(0.95, 100), (0.98, 100), (0.99, 200), (0.995, 400), (1, 1000)])
def test_the_wanted_recall_says_how_far_the_index_is_searched(
    rag: RAG, dsn: str, recall: float, ef_search: int
) -> None:
    rag.ingest([Document("a", "The notice period is 30 days.")])
    retriever = HybridRetriever(rag.store, rag.space, recall=recall)
    with psycopg.connect(dsn) as mine, rag.store.using(mine):
        assert retriever.retrieve("notice", rag.embedder.embed(["notice"], kind="query").vectors[0], k=3)
        assert mine.execute("SHOW hnsw.ef_search").fetchone() == (str(ef_search),)


@pytest.mark.parametrize("recall", [0, -1, 1.01, float("nan")])
def test_a_recall_that_cannot_be_is_refused(rag: RAG, recall: float) -> None:
    with pytest.raises(InvalidArgument, match="recall"):
        HybridRetriever(rag.store, rag.space, recall=recall)
