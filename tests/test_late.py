"""Late interaction: token bits from the embedder's pass, their store, their scores, and the order they give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ragdiet.analysis import analyzer
from ragdiet.chunk import RecursiveChunker
from ragdiet.embed import MiniLM
from ragdiet.errors import BadReply, DimensionMismatch
from ragdiet.ingest import Ingestor, backfill_token_bits
from ragdiet.protocols import Embedder
from ragdiet.quality import Quality
from ragdiet.rag import RAG
from ragdiet.retrieve.late import late_scores
from ragdiet.retrieve.refine import REFINED, refined
from ragdiet.sentences import split_sentences
from ragdiet.store import Database
from ragdiet.tokens import default_counter
from ragdiet.types import Document, Hit
from tests.embedders import WordEmbedder

TEXTS = {
    "notice": "The notice period is three months. Write to the staff office before the end of a month.",
    "bread": "Bread is baked from flour, water and salt. The oven must be hot.",
    "probation": "During probation you may leave within two weeks. Nobody asks for reasons.",
    "travel": "Trains are booked through the travel desk. First class is allowed above four hours.",
}
QUESTION = "How much notice must an employee give before leaving?"


def packed(signs: NDArray[np.float32]) -> bytes:
    return np.packbits(signs > 0, axis=1).tobytes()


def tokens(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@given(st.integers(1, 12), st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 99))
def test_a_score_is_the_mean_of_each_question_tokens_best_match(asked: int, sizes: list[int], seed: int) -> None:
    question = tokens(asked, 16, seed=seed)
    documents = [tokens(size, 16, seed=seed + number + 1) for number, size in enumerate(sizes)]
    scores = late_scores(question, [packed(document) for document in documents])
    for score, document in zip(scores, documents, strict=True):
        if len(document):
            expected = (question @ np.where(document > 0, 1, -1).T / 4).max(axis=1).mean()
            assert score == pytest.approx(expected, abs=1e-5)
        else:
            assert np.isnan(score)


def test_bits_of_another_model_are_refused() -> None:
    with pytest.raises(DimensionMismatch, match="another model"):
        late_scores(tokens(3, 384), [bytes(48), bytes(50)])


def test_the_pass_that_embeds_gives_the_tokens_too(minilm: MiniLM) -> None:
    texts = [*TEXTS.values(), "word " * 700]
    embedding = minilm.embed_sentences(texts, [split_sentences(text) for text in texts])
    assert embedding.token_vectors == ()
    assert [len(bits) % 48 for bits in embedding.token_bits] == [0] * len(texts)
    assert len(embedding.token_bits[-1]) == 700 * 48
    assert embedding.token_bits == minilm.embed(texts, kind="document").token_bits
    asked = minilm.embed([QUESTION], kind="query")
    assert asked.token_bits == ()
    assert asked.token_vectors[0].shape == (10, 384)
    assert np.linalg.norm(asked.token_vectors[0], axis=1) == pytest.approx(np.ones(10), abs=1e-5)
    scores = late_scores(asked.token_vectors[0], embedding.token_bits)
    assert scores.argmax() == 0
    # Signs alone keep most of what the numbers say.
    vectors = minilm.embed(texts[:4], kind="query").token_vectors
    whole = [(asked.token_vectors[0] @ own.T).max(axis=1).mean() for own in vectors]
    assert scores[:4] == pytest.approx(whole, abs=0.12)


def ingestor(database: Database, embedder: Embedder, token_model: Embedder | None) -> Ingestor:
    return Ingestor(
        database,
        RecursiveChunker(),
        embedder,
        analyzer(),
        Quality.off(),
        default_counter(),
        tenant="",
        caching=True,
        token_model=token_model,
    )


def ingest(ingestor: Ingestor, collection: str = "default") -> None:
    ingestor.ingest(
        [Document(name, text, title=name) for name, text in TEXTS.items()],
        collection=collection,
        sync=False,
        dry_run=False,
        expires_at=None,
        progress=None,
    )


def stored(dsn: str) -> dict[str, bytes]:
    with psycopg.connect(dsn) as connection:
        return dict(
            connection.execute(
                "SELECT d.external_id, t.bits FROM ragdiet.token_bits t JOIN ragdiet.chunk c ON c.id = t.chunk_id "
                "JOIN ragdiet.document d ON d.id = c.document_id AND d.corpus_id = t.corpus_id"
            ).fetchall()
        )


class Counting(MiniLM):
    """MiniLM that counts the texts it was given."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.seen = 0

    def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
        self.seen += len(texts)
        return super().embed(texts, kind=kind)


def expected(minilm: MiniLM) -> dict[str, bytes]:
    bits = minilm.embed([f"{name}\n{text}" for name, text in TEXTS.items()], kind="document").token_bits
    return dict(zip(TEXTS, bits, strict=True))


def test_an_ingest_stores_the_bits_of_its_own_pass(database: Database, dsn: str, minilm: MiniLM) -> None:
    model = Counting()
    ingest(ingestor(database, model, model))
    assert stored(dsn) == expected(minilm)
    assert model.seen == 0  # all came with embed_sentences
    # Chunks that another collection holds are not read again either.
    ingest(ingestor(database, model, model), "second")
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM ragdiet.token_bits").fetchone() == (2 * len(TEXTS),)
    assert model.seen == 0


def test_a_model_of_its_own_gives_the_bits_beside_any_embedder(database: Database, dsn: str, minilm: MiniLM) -> None:
    ingest(ingestor(database, WordEmbedder(), minilm))
    assert stored(dsn) == expected(minilm)


def test_without_a_token_model_nothing_is_stored_and_a_backfill_adds_it(
    database: Database, dsn: str, minilm: MiniLM
) -> None:
    ingest(ingestor(database, minilm, None))
    assert stored(dsn) == {}
    assert backfill_token_bits(database, minilm, tenant="", collection="default") == len(TEXTS)
    assert stored(dsn) == expected(minilm)
    assert backfill_token_bits(database, minilm, tenant="", collection="default") == 0
    assert backfill_token_bits(database, minilm, tenant="", collection="nowhere") == 0


def test_a_token_model_that_gives_no_bits_is_told_of(database: Database) -> None:
    with pytest.raises(BadReply, match="token bits of 0 texts"):
        ingest(ingestor(database, WordEmbedder(), WordEmbedder(name="other")))


def hits(scores: list[float], sentences: NDArray[np.float32] | None = None) -> list[Hit]:
    return [
        Hit(
            chunk_id=number,
            document_id=str(number),
            text="",
            score=score,
            sentence_vectors=None if sentences is None else sentences[number].astype(np.float16),
        )
        for number, score in enumerate(scores)
    ]


def order(hits: list[Hit]) -> list[int]:
    return [hit.chunk_id for hit in hits]


def test_hits_without_vectors_and_tokens_stay_as_they_are() -> None:
    given_hits = hits([3.0, 2.0, 1.0])
    assert refined(given_hits, tokens(8), dense_weight=0.5, dense_deviation=0.1) == given_hits
    assert refined([], tokens(8), dense_weight=0.5, dense_deviation=0.1) == []


def test_the_best_sentence_counts_half_of_the_dense_score() -> None:
    axes = np.eye(4, dtype=np.float32)
    # Two sentences each, all means alike but for their direction; only the second hit has one that answers.
    sentences = np.stack([axes[[1, 2]], axes[[0, 3]]])
    found = refined(hits([1.0, 0.9], sentences), axes[0], dense_weight=0.5, dense_deviation=0.25)
    assert order(found) == [1, 0]
    # w / 2 (best - chunk) / deviation, less nothing: two hits are equally close to each other.
    assert found[0].score == pytest.approx(0.9 + 0.25 * (1 - 0) / 0.25)


def test_late_interaction_orders_and_a_hit_without_tokens_is_neither_better_nor_worse() -> None:
    question = tokens(4, 64)
    bits = [packed(tokens(9, 64, seed=7)), b"", packed(question)]
    found = refined(
        hits([1.0, 1.0, 1.0]),
        tokens(8),
        dense_weight=0.5,
        dense_deviation=None,
        question_tokens=question,
        token_bits=bits,
    )
    assert order(found) == [2, 1, 0]
    assert found[1].score == 1.0
    assert sum(hit.score for hit in found) == pytest.approx(3.0)


def test_hits_near_the_best_ones_rise() -> None:
    axes = np.eye(8, dtype=np.float32)
    sentences = np.stack([axes[[0]], axes[[0]], axes[[0]], axes[[0]], axes[[0]], axes[[1]], axes[[0]]])
    scores = [2.0, 1.9, 1.8, 1.7, 1.6, 1.0, 0.9]
    found = refined(hits(scores, sentences), axes[7], dense_weight=0.5, dense_deviation=None)
    assert order(found) == [0, 1, 2, 3, 4, 6, 5]


def test_no_hit_is_near_itself() -> None:
    sentences = np.eye(8, dtype=np.float32)[:6, None]
    given_hits = hits([6.0, 5.0, 4.0, 3.0, 2.0, 1.0], sentences)
    assert refined(given_hits, np.eye(8, dtype=np.float32)[7], dense_weight=0.5, dense_deviation=None) == given_hits


def test_hits_behind_those_put_in_order_stay_behind() -> None:
    scores = [1.0 - number / 1_000 for number in range(REFINED + 5)]
    question = tokens(4, 64)
    bits = [packed(question)] * (REFINED - 1) + [packed(-question)]
    found = refined(
        hits(scores),
        tokens(8),
        dense_weight=0.5,
        dense_deviation=None,
        question_tokens=question,
        token_bits=[*bits, *[packed(question)] * 5],
    )
    assert order(found) == list(range(REFINED + 5))
    assert found[REFINED - 1].score < 0
    assert found[REFINED].score == pytest.approx(found[REFINED - 1].score)
    assert found[-1].score == pytest.approx(found[REFINED].score - 0.004)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=50), st.integers(0, 20))
def test_no_hit_is_lost_and_scores_fall(scores: list[float], seed: int) -> None:
    scores.sort(reverse=True)
    sentences = tokens(len(scores), 2, 8, seed=seed)
    given_hits = hits(scores, sentences)
    found = refined(given_hits, tokens(8, seed=seed + 1), dense_weight=0.5, dense_deviation=0.2)
    assert sorted(order(found[:REFINED])) == order(given_hits[:REFINED])
    assert order(found[REFINED:]) == order(given_hits[REFINED:])
    falling = [hit.score for hit in found]
    assert falling == sorted(falling, reverse=True)
    assert [replace(hit, score=0) for hit in sorted(found, key=lambda hit: hit.chunk_id)] == [
        replace(hit, score=0) for hit in given_hits
    ]


def test_one_setting_stores_token_bits_and_orders_by_them(database: Database, dsn: str, minilm: MiniLM) -> None:
    documents = [
        Document("keys", "Whoever loses a key pays for the lock. The caretaker keeps a list of all keys."),
        Document("bikes", "Bicycles stand in the cellar. The caretaker opens it at seven in the morning."),
    ]
    RAG(database, embedder=minilm).ingest(documents[:1])
    late = RAG(database, embedder=minilm, late_interaction=True)
    late.ingest(documents)
    assert stored_bits(dsn) == {"bikes"}
    before = late.retrieve("Who has a list of the keys?")
    assert late.backfill_tokens() == 1
    assert stored_bits(dsn) == {"bikes", "keys"}
    after = late.retrieve("Who has a list of the keys?")
    plain = RAG(database, embedder=minilm).retrieve("Who has a list of the keys?")
    assert after[0].document_id == plain[0].document_id == "keys"
    assert before[0].score == plain[0].score  # one chunk's tokens alone tell nothing
    assert after[0].score > plain[0].score


def stored_bits(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT d.external_id FROM ragdiet.token_bits t JOIN ragdiet.chunk c ON c.id = t.chunk_id "
            "JOIN ragdiet.document d ON d.id = c.document_id"
        )
        return {row[0] for row in rows}
