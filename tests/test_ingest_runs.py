"""Runs that write nothing, documents that expire, collections made anew, and loads that defer their indexes."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ragdiet.chunk import RecursiveChunker, WithoutContext
from ragdiet.errors import InvalidArgument, StoreError
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.types import Document, Quote
from tests.embedders import WordEmbedder
from tests.test_ingest import PARAGRAPHS, counted, rows
from tests.test_ingest_copies import OTHER, TEXT


class PricedWords(WordEmbedder):
    """A tenth of a dollar for each text."""

    def quote_texts(self, texts):  # type: ignore[no-untyped-def]
        price = Decimal("0.1") * len(texts)
        return Quote(least=price, expected=price, most=2 * price)


def everything(dsn: str) -> list[list[tuple[object, ...]]]:
    names = "corpus document chunk lexical vector_words_64 term fingerprint embedding_cache call".split()
    return [rows(dsn, f"SELECT t::text FROM ragdiet.{name} t ORDER BY 1") for name in names]


def test_a_dry_run_says_what_the_run_does(database: Database, dsn: str, handbook: Path) -> None:
    embedder = PricedWords()
    rag = RAG(database, embedder=embedder)
    (handbook / "broken.pdf").write_bytes(b"%PDF-1.7 nothing more")
    (handbook / "copy.md").write_text(TEXT)
    (handbook / "copy2.md").write_text(TEXT)
    before = everything(dsn)
    dry = rag.ingest(handbook, dry_run=True, sync=True)
    assert everything(dsn) == before
    assert embedder.texts == []
    real = rag.ingest(handbook, sync=True)
    assert dry.dry_run
    assert not real.dry_run
    assert (dry.added, dry.updated, dry.unchanged, dry.deleted, dry.chunks, dry.rejected) == (
        real.added,
        real.updated,
        real.unchanged,
        real.deleted,
        real.chunks,
        real.rejected,
    )
    assert {one.error for one in dry.rejected} == {"BrokenFile", "DuplicateDocument"}
    assert dry.cost == Decimal("0.1") * len(embedder.texts)
    assert dry.tokens > 0


def test_a_dry_run_counts_what_is_cached_as_free(database: Database, handbook: Path) -> None:
    rag = RAG(database, embedder=PricedWords())
    rag.ingest(handbook)
    elsewhere = rag.ingest(handbook, dry_run=True, collection="other")
    assert (elsewhere.added, elsewhere.tokens, elsewhere.cost) == (3, 0, 0)
    (handbook / "travel.md").unlink()
    (handbook / "new.md").write_text(OTHER)
    again = rag.ingest(handbook, dry_run=True, sync=True)
    assert (again.added, again.unchanged, again.deleted, again.cost) == (1, 2, 1, Decimal("0.1"))


def test_a_dry_run_finds_copies_in_the_whole_source(database: Database) -> None:
    documents = [Document(f"{n:04}", f"{TEXT} Number {n}.") for n in range(400)]
    documents.append(Document("copy", f"{TEXT} Number 3."))
    report = RAG(database, embedder=PricedWords()).ingest(documents, dry_run=True)
    assert [one.uri for one in report.rejected] == ["copy"]


def test_expired_documents_are_not_found_and_are_swept(rag: RAG, dsn: str) -> None:
    rag.ingest([Document("kept", TEXT)])
    rag.ingest([Document("gone", OTHER)], expires_at=timedelta(seconds=1.5))
    assert {hit.document_id for hit in rag.retrieve("invoices pump")} == {"kept", "gone"}
    assert rag.sweep() == 0
    time.sleep(1.6)
    assert {hit.document_id for hit in rag.retrieve("invoices pump")} == {"kept"}
    assert rag.sweep() == 1
    assert counted(dsn)[:2] == (1, 1)
    assert rows(dsn, "SELECT next_expiry FROM ragdiet.corpus") == [(None,)]


def test_an_ingest_sweeps_its_own_collection(rag: RAG, dsn: str) -> None:
    rag.ingest([Document("gone", OTHER)], expires_at=timedelta(seconds=0.2))
    time.sleep(0.3)
    assert rag.ingest([Document("kept", TEXT)]).deleted == 1


def test_an_unchanged_document_takes_the_expiry_of_the_last_ingest(rag: RAG, dsn: str) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    rag.ingest([Document("a", TEXT)], expires_at=soon)
    assert rows(dsn, "SELECT expires_at FROM ragdiet.document") == [(soon,)]
    later = soon + timedelta(days=1)
    assert rag.ingest([Document("a", TEXT)], expires_at=later).unchanged == 1
    assert rows(dsn, "SELECT expires_at FROM ragdiet.document") == [(later,)]
    assert rag.ingest([Document("a", TEXT)]).unchanged == 1
    assert rows(dsn, "SELECT expires_at FROM ragdiet.document") == [(None,)]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2030, 1, 1),  # noqa: DTZ001 - what is tested
        datetime(2020, 1, 1, tzinfo=UTC),
        timedelta(0),
    ],
)
def test_expiries_that_cannot_work(rag: RAG, moment: object) -> None:
    with pytest.raises(InvalidArgument, match="expires_at"):
        rag.ingest([Document("a", TEXT)], expires_at=moment)  # type: ignore[arg-type]


def test_a_collection_is_made_anew_beside_the_old_one_and_swapped(database: Database) -> None:
    old = RAG(database, embedder=WordEmbedder())
    new = RAG(database, embedder=WordEmbedder(), chunker=RecursiveChunker(size=64))
    source = [Document("d", "\n\n".join(PARAGRAPHS))]
    old.ingest(source)
    new.ingest(source, collection="next")
    before = old.retrieve("subject 21", k=100)
    new.swap("default", "next")
    after = old.retrieve("subject 21", k=100)
    assert max(hit.tokens for hit in after) <= 64 < max(hit.tokens for hit in before)
    assert old.retrieve("subject 21", k=100, collection="next") == before
    assert new.ingest(source).unchanged == 1
    assert old.drop("next") == 1
    assert old.retrieve("subject 21", collection="next") == ()
    assert old.retrieve("subject 21", k=100) == after
    assert old.drop("next") == 0


def test_swap_needs_both_collections(rag: RAG) -> None:
    rag.ingest([Document("a", TEXT)])
    with pytest.raises(InvalidArgument, match="'next'"):
        rag.swap("default", "next")
    assert rag.retrieve("pump")


def test_a_reader_sees_one_collection_or_the_other(database: Database) -> None:
    rag = RAG(database, embedder=WordEmbedder())
    rag.ingest([Document("one", TEXT)])
    rag.ingest([Document("other", TEXT)], collection="next")
    seen: list[str | None] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            hits = rag.retrieve("pump")
            seen.append(hits[0].document_id if hits else None)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        rag.swap("default", "next")
    stop.set()
    reader.join()
    assert set(seen) <= {"one", "other"}


def index_states(dsn: str) -> dict[str, bool]:
    return dict(  # type: ignore[arg-type]
        rows(
            dsn,
            "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE c.relname IN ('vector_words_64_hnsw', 'lexical_terms')",
        )
    )


LARGE = 1_300


@pytest.fixture
def large_load(monkeypatch: pytest.MonkeyPatch) -> list[Document]:
    """So many documents that indexes are worth building anew, which takes fewer here."""
    monkeypatch.setattr("ragdiet.store.indexes._FEWEST", LARGE - 100)
    rng = np.random.default_rng(1)
    return [
        Document(str(n), f"Record {n} speaks of {rng.integers(1e9)} and {rng.integers(1e9)}.") for n in range(LARGE)
    ]


def test_a_large_load_builds_its_indexes_at_the_end(database: Database, dsn: str, large_load: list[Document]) -> None:
    during: list[int] = []
    rag = RAG(database, embedder=WordEmbedder())
    rag.ingest(large_load, progress=lambda _: during.append(len(index_states(dsn))))
    assert during[0] == 0
    assert index_states(dsn) == {"vector_words_64_hnsw": True, "lexical_terms": True}
    during.clear()
    rag.ingest([Document("small", TEXT)], progress=lambda _: during.append(len(index_states(dsn))))
    assert during == [2]


def test_a_large_load_of_unknown_size_defers_its_indexes_too(
    database: Database, dsn: str, large_load: list[Document]
) -> None:
    during: list[int] = []
    rag = RAG(database, embedder=WordEmbedder())
    rag.ingest(Document(f"old {n}", f"An earlier record, numbered {n}.") for n in range(LARGE // 2))
    rag.ingest(iter(large_load), progress=lambda _: during.append(len(index_states(dsn))))
    assert (during[0], during[-1]) == (2, 0)
    assert index_states(dsn) == {"vector_words_64_hnsw": True, "lexical_terms": True}


def test_a_load_that_was_cut_off_leaves_its_indexes_to_the_next_ingest(
    database: Database, dsn: str, large_load: list[Document]
) -> None:
    rag = RAG(database, embedder=WordEmbedder())

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rag.ingest(large_load, progress=stop)
    assert index_states(dsn) == {}
    assert rag.retrieve("record 7")
    assert rag.ingest(large_load).unchanged > 0
    assert index_states(dsn) == {"vector_words_64_hnsw": True, "lexical_terms": True}
    assert counted(dsn) == (LARGE, LARGE, LARGE, LARGE)


def test_a_role_that_owns_nothing_leaves_the_indexes_alone(dsn: str, large_load: list[Document]) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP ROLE IF EXISTS loader")
        connection.execute("CREATE ROLE loader LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA ragdiet TO loader")
        connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ragdiet TO loader")
        connection.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA ragdiet TO loader")
    store = Database(make_conninfo(dsn, user="loader"))
    during: list[int] = []
    RAG(store, embedder=WordEmbedder()).ingest(large_load, progress=lambda _: during.append(len(index_states(dsn))))
    store.close()
    assert set(during) == {2}
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP OWNED BY loader")
        connection.execute("DROP ROLE loader")


def test_unchanged_files_are_not_parsed(rag: RAG, handbook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rag.ingest(handbook)

    def refuse(*_: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr("ragdiet.load.files.parse", refuse)
    assert rag.ingest(handbook, sync=True).unchanged == 3


def test_a_file_whose_bytes_alone_changed_is_unchanged(rag: RAG, handbook: Path) -> None:
    rag.ingest(handbook)
    path = handbook / "pantry.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert rag.ingest(handbook).unchanged == 3


def test_a_collection_that_is_dropped_in_mid_ingest(rag: RAG, large_load: list[Document]) -> None:
    def drop(_: object) -> None:
        rag.drop("default")

    with pytest.raises(StoreError, match="dropped meanwhile"):
        rag.ingest(large_load, progress=drop)
    assert rag.ingest([Document("a", TEXT)]).added == 1


def test_title_and_headings_can_be_left_out_of_what_is_embedded(database: Database) -> None:
    document = Document("a", TEXT, title="Memorandum")
    for name, chunker in (("with", RecursiveChunker()), ("without", WithoutContext(RecursiveChunker()))):
        embedder = WordEmbedder()
        rag = RAG(database, embedder=embedder, chunker=chunker, collection=name)
        rag.ingest([document])
        assert embedder.texts == [TEXT if name == "without" else f"Memorandum\n{TEXT}"]
        assert rag.retrieve("pump")[0].text == TEXT
        assert bool(rag.retrieve("memorandum")[0].keyword_rank) == (name == "with")
