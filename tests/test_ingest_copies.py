"""Copies are found among what is stored and what is being loaded; a renamed document is not one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ragdiet.quality import Quality
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.types import Document
from tests.embedders import WordEmbedder
from tests.test_ingest import rows

TEXT = (
    "The pump must be primed before it is started. Close the drain valve, open the suction valve and fill the "
    "casing until water runs from the vent. Then close the vent, start the motor and open the discharge valve "
    "slowly, while you watch the gauge on the bearing side."
)
OTHER = (
    "Invoices are paid within thirty days of their receipt. Send them to the accounts desk as a file, never as a "
    "picture, and name the order number in the subject. What arrives without one is returned to its sender and "
    "the days are counted anew."
)


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def rag(database: Database, embedder: WordEmbedder) -> RAG:
    return RAG(database, embedder=embedder)


def stored(dsn: str) -> set[str]:
    return {str(row[0]) for row in rows(dsn, "SELECT external_id FROM ragdiet.document")}


def test_a_copy_in_the_same_run_is_rejected_and_named(rag: RAG, dsn: str) -> None:
    report = rag.ingest([Document("a", TEXT), Document("b", TEXT.replace(" ", "  ")), Document("c", OTHER)])
    assert (report.added, [(one.uri, one.error, one.by_policy) for one in report.rejected]) == (
        2,
        [("b", "DuplicateDocument", True)],
    )
    assert "'a'" in report.rejected[0].reason
    assert stored(dsn) == {"a", "c"}


def test_a_copy_of_a_stored_document_is_rejected_in_every_later_run(rag: RAG, dsn: str) -> None:
    rag.ingest([Document("a", TEXT)])
    for _ in range(2):
        report = rag.ingest([Document("b", TEXT)])
        assert (report.added, [one.error for one in report.rejected]) == (0, ["DuplicateDocument"])
    assert stored(dsn) == {"a"}


def test_a_near_copy_says_nothing_of_its_own(rag: RAG, dsn: str) -> None:
    long = " ".join([TEXT, OTHER, TEXT.replace("pump", "boiler"), OTHER.replace("Invoices", "Receipts")])
    report = rag.ingest(
        [
            Document("a", long),
            Document("punctuated", long.replace(". ", "! ")),
            Document("number", long.replace("thirty days", "30 days")),
            Document("word", long.replace("vent.", "siphon.")),
            Document("negated", long.replace("must be", "must not be")),
        ]
    )
    assert [(one.uri, one.error) for one in report.rejected] == [("punctuated", "NearDuplicate")]
    assert stored(dsn) == {"a", "number", "word", "negated"}
    again = rag.ingest([Document("later", long.replace(". ", "; "))])
    assert [one.error for one in again.rejected] == ["NearDuplicate"]


def test_documents_that_a_filter_tells_apart_are_no_copies(rag: RAG) -> None:
    report = rag.ingest([Document("a", TEXT, meta={"year": 2024}), Document("b", TEXT, meta={"year": 2025})])
    assert (report.added, report.rejected) == (2, ())
    assert rag.retrieve("pump valve", filter={"year": 2025})[0].document_id == "b"


def test_short_texts_are_no_copies(rag: RAG) -> None:
    assert rag.ingest([Document("a", "See the handbook."), Document("b", "See the handbook.")]).added == 2


def test_copies_are_kept_where_the_policy_says_so(database: Database) -> None:
    rag = RAG(database, embedder=WordEmbedder(), quality=Quality(duplicates="keep", near_duplicates="keep"))
    assert rag.ingest([Document("a", TEXT), Document("b", TEXT)]).added == 2


def test_collections_and_tenants_have_copies_of_their_own(rag: RAG, embedder: WordEmbedder) -> None:
    rag.ingest([Document("a", TEXT)])
    embedder.texts.clear()
    assert rag.ingest([Document("b", TEXT)], collection="other").added == 1
    assert embedder.texts == []
    assert rag.ingest([Document("b", TEXT)], tenant="t").added == 1
    assert embedder.texts == [TEXT]  # tenants share no vectors either


@pytest.mark.parametrize("suffix", ["md", "txt"])
def test_a_renamed_file_costs_nothing(rag: RAG, embedder: WordEmbedder, dsn: str, tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"old.{suffix}").write_text(TEXT)
    (tmp_path / "else.md").write_text(OTHER)
    rag.ingest(tmp_path, sync=True)
    before = rows(dsn, "SELECT id FROM ragdiet.chunk ORDER BY id")
    (tmp_path / f"old.{suffix}").rename(tmp_path / f"renamed.{suffix}")
    embedder.texts.clear()
    report = rag.ingest(tmp_path, sync=True)
    assert (report.added, report.updated, report.deleted, report.rejected) == (0, 1, 0, ())
    assert embedder.texts == []
    assert stored(dsn) == {"else.md", f"renamed.{suffix}"}
    assert rows(dsn, "SELECT id FROM ragdiet.chunk ORDER BY id") == before
    assert rag.retrieve("renamed")[0].document_id == f"renamed.{suffix}"
    embedder.texts.clear()
    assert rag.ingest(tmp_path, sync=True).unchanged == 2
    assert embedder.texts == []


def test_renamed_and_edited(rag: RAG, embedder: WordEmbedder, dsn: str) -> None:
    paragraphs = [f"{TEXT} Pump {word}." for word in "alpha beta gamma delta epsilon zeta eta theta".split()]
    rag.ingest([Document("old", "\n\n".join(paragraphs))], sync=True)
    embedder.texts.clear()
    edited = [*paragraphs[:-1], paragraphs[-1].replace("slowly", "slowly slowly")]
    report = rag.ingest([Document("new", "\n\n".join(edited))], sync=True)
    assert (report.updated, report.deleted, report.rejected) == (1, 0, ())
    assert 1 <= len(embedder.texts) <= 2
    assert stored(dsn) == {"new"}


def test_two_new_names_of_one_document(rag: RAG, dsn: str) -> None:
    rag.ingest([Document("old", TEXT)])
    report = rag.ingest([Document("one", TEXT), Document("two", TEXT)], sync=True)
    assert (report.updated, [one.uri for one in report.rejected]) == (1, ["two"])
    assert stored(dsn) == {"one"}


def test_without_sync_a_new_name_is_a_copy(rag: RAG, dsn: str) -> None:
    rag.ingest([Document("old", TEXT)])
    report = rag.ingest([Document("new", TEXT)])
    assert (report.added, report.updated, len(report.rejected)) == (0, 0, 1)
    assert stored(dsn) == {"old"}


def test_text_that_moves_from_one_document_to_another_is_not_lost(rag: RAG, dsn: str) -> None:
    """A document's old text under a new name is no copy of the document that has another text now."""
    rag.ingest([Document("z", TEXT)])
    report = rag.ingest([Document("a", TEXT), Document("z", OTHER)])
    assert (report.added, report.updated, report.rejected) == (1, 1, ())
    assert stored(dsn) == {"a", "z"}


def test_a_document_that_becomes_a_copy_goes(rag: RAG, dsn: str) -> None:
    rag.ingest([Document("a", TEXT), Document("b", OTHER)])
    report = rag.ingest([Document("a", TEXT), Document("b", TEXT)])
    assert (report.unchanged, report.deleted, [one.uri for one in report.rejected]) == (1, 1, ["b"])
    assert stored(dsn) == {"a"}


def test_no_copy_of_what_expires_before_it(rag: RAG, dsn: str) -> None:
    rag.ingest([Document("short", TEXT)], expires_at=timedelta(days=1))
    assert rag.ingest([Document("long", TEXT)], expires_at=datetime.now(UTC) + timedelta(days=2)).added == 1
    assert rag.ingest([Document("shortest", TEXT)], expires_at=timedelta(hours=1)).added == 0


def test_lines_that_many_documents_begin_or_end_with_are_left_out(rag: RAG, dsn: str) -> None:
    def page(number: int) -> Document:
        return Document(
            f"page{number}",
            f"ACME Intranet | Home | Staff | Search\n\nSubject {number} is explained here.\n\n"
            f"Page {number} of 90\n© ACME, all rights reserved",
        )

    rag.ingest([page(number) for number in range(20)])
    report = rag.ingest([page(number) for number in range(20, 22)])
    texts = [str(row[0]) for row in rows(dsn, "SELECT text FROM ragdiet.chunk ORDER BY id")]
    assert texts == [f"Subject {number} is explained here." for number in range(22)]
    starts = rows(dsn, "SELECT DISTINCT start_offset FROM ragdiet.chunk")
    assert starts == [(len("ACME Intranet | Home | Staff | Search\n\n"),)]
    pages = {f"page{number}": page(number).text for number in (20, 21)}
    assert {(one.uri, one.error, pages[one.uri][one.start : one.end]) for one in report.rejected} == {
        (f"page{number}", "Boilerplate", line)
        for number in (20, 21)
        for line in ("ACME Intranet | Home | Staff | Search", f"Page {number} of 90", "© ACME, all rights reserved")
    }


def test_left_out_parts_are_in_the_report(rag: RAG, dsn: str) -> None:
    data = "".join("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w" for _ in range(40))
    report = rag.ingest([Document("a", f"{TEXT}\n\n{data}", uri="file:///a")])
    assert report.added == 1
    assert {(one.uri, one.error, one.by_policy) for one in report.rejected} == {("file:///a", "LowInformation", True)}
    parts = [(one.start or 0, one.end or 0) for one in report.rejected]
    assert all(len(TEXT) < start < end <= len(TEXT) + 2 + len(data) for start, end in parts)
    stored_texts = [str(row[0]) for row in rows(dsn, "SELECT text FROM ragdiet.chunk")]
    assert any(TEXT in text for text in stored_texts)
    assert sum(map(len, stored_texts)) < len(TEXT) + len(data) / 2


def test_sensitive_data_is_flagged_masked_or_rejected(database: Database) -> None:
    text = "Write to anna.smit@acme.example about the pump."
    for way in ("flag", "mask", "reject"):
        rag = RAG(database, embedder=WordEmbedder(), quality=Quality(personal=way), collection=way)  # type: ignore[arg-type]
        report = rag.ingest([Document("a", text)])
        hits = rag.retrieve("pump")
        if way == "flag":
            assert hits[0].meta["sensitive"] == ["email"]
            assert hits[0].text == text
        elif way == "mask":
            assert "anna" not in hits[0].text
            assert [(one.error, text[one.start : one.end]) for one in report.rejected] == [
                ("SensitiveContent", "anna.smit@acme.example")
            ]
            assert len(hits[0].text) == len(text)
        else:
            assert [one.error for one in report.rejected] == ["SensitiveContent"]
            assert hits == ()


def test_language_is_noted_and_can_be_filtered(rag: RAG) -> None:
    german = (
        "Die Pumpe muss vor dem Start gefüllt werden. Schließen Sie zuerst das Ablassventil und öffnen Sie dann "
        "langsam das Saugventil, bis Wasser aus der Entlüftung austritt."
    )
    rag.ingest([Document("en", TEXT), Document("de", german)])
    assert rag.retrieve("valve Ventil", filter={"lang": "de"})[0].document_id == "de"
    assert rag.retrieve("valve", filter={"lang": "en"})[0].document_id == "en"
