"""What was embedded once is not embedded again: by whom, when, and what is kept for how long."""

from __future__ import annotations

import numpy as np
import pytest

from ragdiet.embed import cached_embedder, text_hash
from ragdiet.errors import BadReply, StoreUnavailable, Throttled
from ragdiet.protocols import SentenceEmbedder
from ragdiet.rag import RAG
from ragdiet.store import Database, EmbeddingCache
from ragdiet.types import CachedVectors, Document, Embedding
from tests.embedders import SentenceWordEmbedder, SpoiltEmbedder, WordEmbedder
from tests.test_ingest import PARAGRAPHS, rows

DOCUMENTS = [Document(str(n), f"Text number {n} is about subject {n * 7}.") for n in range(300)]


def cached_rows(dsn: str) -> int:
    return int(str(rows(dsn, "SELECT count(*) FROM ragdiet.embedding_cache")[0][0]))


def test_collections_of_a_tenant_share_what_was_embedded(database: Database, dsn: str) -> None:
    embedder = WordEmbedder()
    rag = RAG(database, embedder=embedder)
    assert rag.ingest(DOCUMENTS[:5]).tokens > 0
    embedder.texts.clear()
    report = rag.ingest(DOCUMENTS[:5], collection="other")
    assert (report.added, report.chunks, report.tokens) == (5, 5, 0)
    assert embedder.texts == []
    vectors = rows(
        dsn,
        "SELECT DISTINCT v.embedding::text, c.hash FROM ragdiet.vector_words_64 v "
        "JOIN ragdiet.chunk c ON c.id = v.chunk_id",
    )
    assert len(vectors) == 5
    assert cached_rows(dsn) == 0  # the store's own rows are the cache


def test_vectors_of_removed_chunks_are_kept(database: Database, dsn: str) -> None:
    embedder = WordEmbedder()
    rag = RAG(database, embedder=embedder)
    rag.ingest(DOCUMENTS[:3])
    before = rows(dsn, "SELECT text, embedding::text FROM ragdiet.chunk JOIN ragdiet.vector_words_64 ON id = chunk_id")
    rag.ingest(DOCUMENTS[3:4], sync=True)
    assert cached_rows(dsn) == 3
    embedder.texts.clear()
    rag.ingest(DOCUMENTS[:3])
    assert embedder.texts == []
    after = rows(dsn, "SELECT text, embedding::text FROM ragdiet.chunk JOIN ragdiet.vector_words_64 ON id = chunk_id")
    assert set(before) <= set(after)


def test_old_vectors_that_no_chunk_holds_are_forgotten(database: Database, dsn: str) -> None:
    rag = RAG(database, embedder=WordEmbedder())
    rag.ingest(DOCUMENTS[:3])
    rag.ingest(DOCUMENTS[3:4], sync=True)
    with database.transaction(tenant=None) as connection:
        connection.execute(
            "UPDATE ragdiet.embedding_cache SET cached_at = now() - interval '31 days' WHERE hash = "
            "(SELECT min(hash) FROM ragdiet.embedding_cache)"
        )
    rag.ingest(DOCUMENTS[3:4])
    assert cached_rows(dsn) == 2


def test_a_cache_can_be_done_without(database: Database, dsn: str) -> None:
    embedder = WordEmbedder()
    rag = RAG(database, embedder=embedder, embedding_cache=False)
    rag.ingest(DOCUMENTS[:3])
    rag.ingest(DOCUMENTS[3:4], sync=True)
    assert cached_rows(dsn) == 0
    embedder.texts.clear()
    rag.ingest(DOCUMENTS[:3], collection="other")
    assert len(embedder.texts) == 3


def test_what_a_throttled_run_embedded_is_not_embedded_again(database: Database, dsn: str) -> None:
    class ThrottledEmbedder(WordEmbedder):
        calls = 0

        def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
            self.calls += 1
            if self.calls == 3:
                raise Throttled("the quota is used up", code="ThrottlingException")
            return super().embed(texts, kind=kind)

    throttled, fresh = ThrottledEmbedder(), WordEmbedder()
    long = [Document("long", "\n\n".join(f"{p} Part {n}." for n, p in enumerate(PARAGRAPHS * 35)))]
    with pytest.raises(Throttled):
        RAG(database, embedder=throttled).ingest(long)
    assert cached_rows(dsn) == len(set(throttled.texts)) == 256
    report = RAG(database, embedder=fresh).ingest(long)
    assert report.added == 1
    assert set(fresh.texts).isdisjoint(throttled.texts)
    assert len(set(fresh.texts) | set(throttled.texts)) == report.chunks


def test_a_text_that_repeats_in_one_request_is_embedded_once(database: Database) -> None:
    embedder = WordEmbedder()
    cached = cached_embedder(embedder, EmbeddingCache(database, embedder.space, tenant=""))
    vectors = cached.embed(["pump", "valve", "pump"], kind="document").vectors
    assert sorted(embedder.texts) == ["pump", "valve"]
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.array_equal(vectors[0], vectors[1])


def test_questions_pass_through(database: Database, dsn: str) -> None:
    embedder = WordEmbedder()
    cached = cached_embedder(embedder, EmbeddingCache(database, embedder.space, tenant=""))
    for _ in range(2):
        cached.embed(["pump"], kind="query")
    assert embedder.texts == ["pump", "pump"]
    assert cached_rows(dsn) == 0


def test_bad_vectors_are_never_kept(database: Database, dsn: str) -> None:
    def spoil(vectors):  # type: ignore[no-untyped-def]
        vectors[0] = np.nan
        return vectors

    class Failing(SpoiltEmbedder):
        def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
            if self.texts:
                raise BadReply("no more")
            return super().embed(texts, kind=kind)

    cached = cached_embedder(Failing(spoil), EmbeddingCache(database, WordEmbedder().space, tenant=""))
    with pytest.raises(BadReply):
        cached.embed([document.text for document in DOCUMENTS[:200]], kind="document")
    assert cached_rows(dsn) == 127


def test_sentence_vectors_are_cached_with_their_text(database: Database) -> None:
    embedder = SentenceWordEmbedder()
    rag = RAG(database, embedder=embedder)
    text = "The pump is primed. The valve is shut."
    rag.ingest([Document("a", text)])
    first = rag.retrieve("pump")[0].sentence_vectors
    embedder.texts.clear()
    rag.ingest([Document("a", text)], collection="other")
    second = rag.retrieve("pump", collection="other")[0].sentence_vectors
    assert embedder.texts == ["pump", "pump"] or embedder.texts.count(text) == 0
    assert first is not None
    assert second is not None
    assert np.array_equal(first, second)
    assert first.shape == (2, 64)


def test_other_sentences_of_a_known_text_are_embedded(database: Database) -> None:
    embedder = SentenceWordEmbedder()
    cached = cached_embedder(embedder, EmbeddingCache(database, embedder.space, tenant=""))
    assert isinstance(cached, SentenceEmbedder)
    EmbeddingCache(database, embedder.space, tenant="").put(
        {text_hash("pump. valve."): CachedVectors(vector=np.ones(64, np.float32), sentence_vectors=np.ones((1, 64)))}  # type: ignore[arg-type]
    )
    found = cached.embed_sentences(["pump. valve."], [[(0, 5), (6, 12)]])
    assert embedder.texts == ["pump. valve."]
    assert found.sentence_vectors[0].shape == (2, 64)


def test_a_lost_database_does_not_hide_what_went_wrong(dsn: str) -> None:
    store = Database(dsn)

    class Losing(WordEmbedder):
        def embed(self, texts, *, kind) -> Embedding:  # type: ignore[no-untyped-def]
            if self.texts:
                store.close()
                raise Throttled("the quota is used up")
            return super().embed(texts, kind=kind)

    cached = cached_embedder(Losing(), EmbeddingCache(store, WordEmbedder().space, tenant=""))
    with pytest.raises(Throttled) as caught:
        cached.embed([document.text for document in DOCUMENTS[:200]], kind="document")
    assert "could not be kept" in caught.value.__notes__[0]
    with pytest.raises(StoreUnavailable):
        EmbeddingCache(store, WordEmbedder().space, tenant="").prune()
