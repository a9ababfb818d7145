"""Ingest: what is written, what is skipped, and that nothing is ever half-written."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import numpy as np
import psycopg
import pytest

from ragdiet.account import PostgresLedger
from ragdiet.analysis import analyzer, corpus_terms, term_numbers
from ragdiet.errors import (
    DimensionMismatch,
    EmptySource,
    SourceNotFound,
    StoreUnavailable,
    VocabularyUnavailable,
)
from ragdiet.ingest import Progress
from ragdiet.rag import RAG
from ragdiet.sentences import split_sentences
from ragdiet.store import Database
from ragdiet.types import Chunk, Document, Embedding
from tests.embedders import SpoiltEmbedder, WordEmbedder

PARAGRAPHS = [f"Paragraph {n} speaks of subject {n * 7} and of nothing else. " * 12 for n in range(12)]


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


def counted(dsn: str) -> tuple[int, ...]:
    names = ("document", "chunk", "lexical", "vector_words_64")
    return tuple(rows(dsn, f"SELECT count(*) FROM ragdiet.{name}")[0][0] for name in names)


def test_chunks_are_slices_of_the_loaded_text(rag: RAG, dsn: str) -> None:
    document = Document("d", "\n\n".join(PARAGRAPHS))
    rag.ingest([document])
    stored = rows(dsn, "SELECT text, start_offset, end_offset, tokens FROM ragdiet.chunk ORDER BY ordinal")
    assert len(stored) > 5
    for text, start, end, tokens in stored:
        assert document.text[start:end] == text
        assert 0 < tokens <= 256


def test_sentences_are_found_for_chunkers_that_leave_them_out(rag: RAG, dsn: str) -> None:
    rag.ingest([Document("d", "\n\n".join(PARAGRAPHS))])
    stored = rows(dsn, "SELECT text, sentences FROM ragdiet.chunk")
    assert len(stored) > 5
    for text, flat in stored:
        assert isinstance(text, str)
        assert isinstance(flat, list)
        assert list(zip(flat[::2], flat[1::2], strict=True)) == list(split_sentences(text))


def test_second_run_embeds_nothing(database: Database, handbook: Path) -> None:
    embedder = WordEmbedder()
    rag = RAG(database, embedder=embedder)
    first = rag.ingest(handbook)
    assert (first.added, first.rejected) == (3, ())
    embedder.texts.clear()
    second = rag.ingest(handbook)
    assert (second.added, second.updated, second.unchanged, second.chunks, second.tokens) == (0, 0, 3, 0, 0)
    assert embedder.texts == []


def test_changed_document_replaces_only_its_changed_chunks(database: Database, dsn: str) -> None:
    embedder = WordEmbedder()
    rag = RAG(database, embedder=embedder)
    rag.ingest([Document("d", "\n\n".join(PARAGRAPHS))])
    before = dict(rows(dsn, "SELECT text, id FROM ragdiet.chunk"))
    embedder.texts.clear()
    changed = [*PARAGRAPHS]
    changed[6] = changed[6].replace("nothing else", "everything else")
    report = rag.ingest([Document("d", "\n\n".join(changed))])
    after = dict(rows(dsn, "SELECT text, id FROM ragdiet.chunk"))
    assert report.updated == 1
    assert 1 <= len(embedder.texts) <= 3
    assert len(set(before.values()) & set(after.values())) == len(before) - len(embedder.texts)
    assert all(after[text] == before[text] for text in after.keys() & before.keys())
    assert any("everything else" in text for text in after)


def test_new_metadata_embeds_nothing(database: Database) -> None:
    embedder = WordEmbedder()
    rag = RAG(database, embedder=embedder)
    rag.ingest([Document("d", "Trains are booked early.", meta={"year": 2024})])
    embedder.texts.clear()
    assert rag.ingest([Document("d", "Trains are booked early.", meta={"year": 2025})]).updated == 1
    assert embedder.texts == []
    assert rag.retrieve("trains")[0].meta["year"] == 2025


def test_statistics_follow_every_change(rag: RAG, dsn: str) -> None:
    rag.ingest([Document(str(n), text) for n, text in enumerate(PARAGRAPHS)])
    rag.ingest([Document("0", "Something else altogether."), Document("new", "Quite new words here.")])
    rag.ingest([Document(str(n), PARAGRAPHS[n]) for n in range(3, 9)], sync=True)
    texts = [text for (text,) in rows(dsn, "SELECT text FROM ragdiet.chunk")]
    expected: Counter[int] = Counter()
    for text in texts:
        expected.update(term_numbers(analyzer().terms(str(text))).keys())
    (corpus_id,) = rows(dsn, "SELECT id FROM ragdiet.corpus")[0]
    own = corpus_terms(np.array([*expected], np.int32), int(str(corpus_id))).tolist()
    assert dict(rows(dsn, "SELECT term, df FROM ragdiet.term")) == dict(zip(own, expected.values(), strict=True))
    length = sum(len(analyzer().terms(str(text))) for text in texts)
    assert rows(dsn, "SELECT chunks, total_length FROM ragdiet.corpus") == [(len(texts), length)]


def test_average_length_is_made_anew_when_it_drifts(rag: RAG, dsn: str) -> None:
    from ragdiet import bm25

    rag.ingest([Document("short", "Tiny note about trains.")])
    rag.ingest([Document("long", " ".join(f"word{n} train" for n in range(60)))])
    average = rows(dsn, "SELECT total_length::float8 / chunks, average_length FROM ragdiet.corpus")[0]
    assert average[0] == pytest.approx(average[1])
    hit = next(hit for hit in rag.retrieve("trains") if hit.document_id == "short")
    expected = bm25.idf(2, 2) * bm25.weight(1, 4, float(str(average[0])))
    assert hit.keyword_score == pytest.approx(expected, rel=1e-5)


def test_sync_deletes_what_the_source_lost(rag: RAG, handbook: Path, dsn: str) -> None:
    rag.ingest(handbook)
    (handbook / "travel.md").unlink()
    report = rag.ingest(handbook, sync=True)
    assert (report.deleted, report.unchanged) == (1, 2)
    assert {hit.document_id for hit in rag.retrieve("trains hotel laptop coffee")} == {"leaving.md", "pantry.txt"}
    assert counted(dsn)[0] == 2


def test_sync_keeps_a_document_that_could_not_be_read(rag: RAG, handbook: Path) -> None:
    rag.ingest(handbook)
    (handbook / "travel.md").write_bytes(b"\x00\x01\x02 not text any more")
    report = rag.ingest(handbook, sync=True)
    assert (report.deleted, len(report.rejected)) == (0, 1)
    assert any(hit.document_id == "travel.md" for hit in rag.retrieve("trains travel desk"))


def test_sync_from_an_emptied_source_is_refused(rag: RAG, handbook: Path, dsn: str) -> None:
    rag.ingest(handbook)
    before = counted(dsn)
    for path in handbook.iterdir():
        path.unlink()
    with pytest.raises(EmptySource, match="delete the whole collection"):
        rag.ingest(handbook, sync=True)
    assert counted(dsn) == before


def test_sync_touches_no_other_collection_or_tenant(rag: RAG) -> None:
    rag.ingest([Document("a", "Apples grow on trees.")], collection="fruit")
    rag.ingest([Document("a", "Apples grow on trees.")], tenant="other")
    rag.ingest([Document("b", "Bananas grow in bunches.")], sync=True)
    assert rag.retrieve("apples", collection="fruit")[0].document_id == "a"
    assert rag.retrieve("apples", tenant="other")[0].document_id == "a"
    assert [hit.document_id for hit in rag.retrieve("apples bananas")] == ["b"]


def test_bad_documents_are_rejected_and_the_rest_goes_on(rag: RAG) -> None:
    report = rag.ingest(
        [
            Document("good", "Trains are booked early."),
            Document("good", "The same id again."),
            Document("empty", "  \n "),
            Document("nul", "a\x00b"),
            Document("half", "\ud800 surrogate"),
            Document("", "No id."),
            Document("huge", "x" * 20_000_001),
        ]
    )
    assert report.added == 1
    assert len(report.rejected) == 6
    assert all(rejection.reason and rejection.error for rejection in report.rejected)
    assert rag.retrieve("trains")[0].document_id == "good"


def test_a_fault_of_the_set_up_is_no_fault_of_a_document(database: Database, dsn: str) -> None:
    class WithoutVocabulary:
        version = "none"

        def chunk(self, document: Document) -> tuple[Chunk, ...]:
            raise VocabularyUnavailable("no vocabulary here")

    with pytest.raises(VocabularyUnavailable):
        RAG(database, embedder=WordEmbedder(), chunker=WithoutVocabulary()).ingest([Document("a", "One text.")])
    assert counted(dsn) == (0, 0, 0, 0)


def test_a_line_of_50_megabytes_is_rejected_and_the_rest_goes_on(rag: RAG, handbook: Path) -> None:
    (handbook / "line.txt").write_text("word " * 10_000_000)
    report = rag.ingest(handbook)
    assert report.added == 3
    (rejection,) = report.rejected
    assert rejection.uri.endswith("line.txt")
    assert "50,000,000 characters" in rejection.reason or "49,999,999 characters" in rejection.reason
    assert "split it" in rejection.reason


def test_missing_source(rag: RAG, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        rag.ingest(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda vectors: vectors[:-1], "returned 0 vectors for 1 texts"),
        (lambda vectors: vectors * np.nan, "NaN or a zero vector"),
        (lambda vectors: vectors * 0, "NaN or a zero vector"),
    ],
)
def test_embedder_that_is_broken_for_every_text(database: Database, dsn: str, spoil: object, reason: str) -> None:
    embedder = SpoiltEmbedder(spoil)  # type: ignore[arg-type]
    rag = RAG(database, embedder=embedder)
    report = rag.ingest([Document(str(n), f"One text of number {n}.") for n in range(40)])
    assert (report.added, len(report.rejected)) == (0, 40)
    assert reason in report.rejected[0].reason
    assert "not asked" in report.rejected[-1].reason
    assert {rejection.error for rejection in report.rejected} == {"BadReply"}
    assert len(embedder.texts) < 120  # it is given up after a few single texts
    assert counted(dsn) == (0, 0, 0, 0)


@pytest.mark.parametrize("bad", ["NaN", "zero", "missing"])
def test_one_text_without_a_usable_vector_costs_its_document_alone(database: Database, dsn: str, bad: str) -> None:
    class Choosy(WordEmbedder):
        def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
            embedding = super().embed(texts, kind=kind)
            spoilt = [number for number, text in enumerate(texts) if "unpronounceable" in text]
            if spoilt and bad == "missing":
                return Embedding(vectors=np.delete(embedding.vectors, spoilt, axis=0), tokens=embedding.tokens)
            embedding.vectors[spoilt] = np.nan if bad == "NaN" else 0
            return embedding

    documents = [Document(str(n), f"Text of subject {n}.") for n in range(60)]
    documents[17] = Document("17", "Something unpronounceable.")
    report = RAG(database, embedder=Choosy()).ingest(documents)
    assert (report.added, [rejection.uri for rejection in report.rejected]) == (59, ["17"])
    assert counted(dsn) == (59, 59, 59, 59)
    assert RAG(database, embedder=WordEmbedder()).ingest(documents).added == 1


def test_vectors_of_another_length_stop_the_run(database: Database, dsn: str) -> None:
    rag = RAG(database, embedder=SpoiltEmbedder(lambda vectors: vectors[:, :-1]))
    with pytest.raises(DimensionMismatch):
        rag.ingest([Document("a", "One text."), Document("b", "Another text.")])
    assert counted(dsn) == (0, 0, 0, 0)


def test_database_lost_in_mid_ingest_leaves_whole_documents(database: Database, dsn: str) -> None:
    documents = [Document(str(n), "\n\n".join([f"Number {n}.", *PARAGRAPHS[:3]])) for n in range(1_200)]

    def cut(progress: Progress) -> None:
        """Once something is written, cut the connection of whoever writes next, in mid-transaction."""
        with psycopg.connect(dsn) as connection:
            connection.execute(
                "CREATE OR REPLACE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(5); RETURN NULL; END $$"
            )
            connection.execute(
                "CREATE TRIGGER cut BEFORE INSERT ON ragdiet.lexical FOR EACH STATEMENT EXECUTE FUNCTION cut()"
            )

    rag = RAG(database, embedder=WordEmbedder())
    with pytest.raises(StoreUnavailable, match="nothing was half-written"):
        rag.ingest(documents, progress=cut)
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP FUNCTION cut CASCADE")
    documents_left, chunks_left, lexical_left, vectors_left = counted(dsn)
    assert 0 < documents_left < 1_200
    assert chunks_left == lexical_left == vectors_left
    assert chunks_left % documents_left == 0
    report = RAG(database, embedder=WordEmbedder()).ingest(documents)
    assert (report.added, report.unchanged) == (1_200 - documents_left, documents_left)
    assert counted(dsn)[0] == 1_200


def test_two_writers_of_the_same_documents(dsn: str) -> None:
    errors: list[BaseException] = []

    def write(version: int) -> None:
        store = Database(dsn)
        try:
            RAG(store, embedder=WordEmbedder()).ingest(
                [Document(str(n), f"{paragraph} Version {version}.") for n, paragraph in enumerate(PARAGRAPHS)]
            )
        except BaseException as error:  # noqa: BLE001 - collected for the assertion
            errors.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=write, args=(version,)) for version in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    documents, chunks, lexical, vectors = counted(dsn)
    assert documents == len(PARAGRAPHS)
    assert chunks == lexical == vectors
    assert rows(dsn, "SELECT chunks FROM ragdiet.corpus") == [(chunks,)]
    frequencies = rows(
        dsn,
        "SELECT count(*) FROM "
        "(SELECT term, count(*) AS df FROM ragdiet.lexical, unnest(terms) AS term GROUP BY term) a "
        "FULL JOIN ragdiet.term b USING (term) WHERE a.df IS DISTINCT FROM b.df",
    )
    assert frequencies == [(0,)]


def test_progress_is_told(rag: RAG) -> None:
    seen: list[tuple[int, int | None]] = []

    def note(progress: Progress) -> None:
        seen.append((progress.seen, progress.total))

    documents = [Document(str(n), f"Text number {n}.") for n in range(300)]
    rag.ingest(documents, progress=note)
    counts = [count for count, _ in seen]
    assert counts[0] == 128
    assert counts == sorted(set(counts))
    assert counts[-1] == 300
    assert {total for _, total in seen} == {300}
    seen.clear()
    rag.ingest(iter(documents), progress=note)
    assert seen[-1] == (300, None)


def test_ledger_has_a_row_for_the_embedding(rag: RAG, dsn: str) -> None:
    report = rag.ingest([Document("a", "One text.")])
    assert report.cost == 0
    assert isinstance(rag.ledger, PostgresLedger)
    rag.ledger.flush()
    assert rows(dsn, "SELECT stage, model, cost, price, status, input_tokens FROM ragdiet.call") == [
        ("embed", "test:words", 0, "local: free", "done", 2)
    ]


def test_sync_keeps_what_lies_in_a_folder_that_could_not_be_read(rag: RAG, handbook: Path) -> None:
    closed = handbook / "closed"
    closed.mkdir()
    (closed / "secret.txt").write_text("The safe opens with a brass key.")
    rag.ingest(handbook)
    for path in closed.iterdir():
        path.unlink()
    closed.rmdir()
    closed.symlink_to(closed)  # a link to itself: the folder's name is there, and nothing can be read through it
    report = rag.ingest(handbook, sync=True)
    assert (report.deleted, [rejection.error for rejection in report.rejected]) == (0, ["SourceUnreadable"])
    assert rag.retrieve("brass key")[0].document_id == "closed/secret.txt"
