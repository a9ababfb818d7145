"""The question side's second look, through the doors: spelling, exclusions, rerankers, neighbours, languages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from ragdiet.account import MemoryLedger
from ragdiet.aio import AsyncRAG
from ragdiet.chunk import FixedChunker
from ragdiet.confidence import LogisticConfidence
from ragdiet.errors import InvalidArgument, LanguageMismatch, ModelUnavailable
from ragdiet.protocols import Rewriter
from ragdiet.rag import RAG
from ragdiet.retrieve import CorpusRewriter, HybridRetriever, without_exclusions
from ragdiet.store import Database
from ragdiet.types import Document, Hit, Rewritten
from tests.conftest import Roles
from tests.embedders import WordEmbedder
from tests.test_ask import DOCUMENTS, Sure, steps

MORE = tuple(
    Document(name, text)
    for name, text in {
        "parking": "Cars are parked behind the house, bicycles in the cellar under the stairs.",
        "insurance": "Travel insurance is taken out by the travel desk for every journey abroad.",
        "visitors": "Visitors sign the book at the front desk and are fetched by their host.",
        "keys": "Lost keys are told to the caretaker, who has the lock changed at once.",
    }.items()
)
PROBATION = Document("probation", "During probation the notice period is two weeks.", "Probation")


def test_a_misspelt_question_is_answered_once_it_is_corrected(database: Database) -> None:
    embedder = WordEmbedder()
    strict = LogisticConfidence.default(embedder.space)
    strict.gate = 0.5
    rag = RAG(database, embedder=embedder, confidence=strict)
    rag.ingest((*DOCUMENTS, *MORE))
    answer = rag.ask("How long is the notcie perido for permanent staf?")
    assert (answer.outcome, steps(answer)) == ("answered", ["retrieve", "re-search", "local:extractive"])
    assert "three months" in answer.text
    reason = answer.attempts[1].reason
    assert "spelling: notcie to notice, perido to period, staf to staff" in reason
    assert "spelling" not in answer.attempts[0].reason
    assert embedder.texts[-2:] == [
        "How long is the notcie perido for permanent staf?",
        "How long is the notice period for permanent staff?",
    ]
    once = RAG(database, embedder=embedder, confidence=strict, research=False)
    assert once.ask("How long is the notcie perido for permanent staf?").outcome == "abstained"


def test_words_of_the_first_hits_cost_no_second_vector(database: Database) -> None:
    embedder = WordEmbedder()
    rag = RAG(database, embedder=embedder, confidence=Sure(retrieval=0.1))
    rag.ingest((*DOCUMENTS, *MORE, PROBATION))
    before = len(embedder.texts)
    answer = rag.ask("What about the notice?")
    assert "with words of the first hits: " in answer.attempts[1].reason
    assert embedder.texts[before:] == ["What about the notice?"]


class Told:
    """A rewriter that says what it is told to, or raises it."""

    def __init__(self, found: Rewritten | Exception) -> None:
        self.found = found
        self.seen: list[tuple[str, tuple[Hit, ...], str, str]] = []

    def rewrite(
        self, question: str, hits: Sequence[Hit], *, tenant: str = "", collection: str = "default"
    ) -> Rewritten:
        self.seen.append((question, tuple(hits), tenant, collection))
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_a_rewriter_of_ones_own(database: Database) -> None:
    told = Told(Rewritten(question="coffee machine", keywords="coffee machine descaled", reasons=("by hand",)))
    assert isinstance(told, Rewriter)
    rag = RAG(database, embedder=WordEmbedder(), rewriter=told, confidence=Sure(retrieval=0.1), collection="house")
    rag.ingest(DOCUMENTS)
    answer = rag.ask("How long is the notice period?")
    question, hits, tenant, collection = told.seen[0]
    assert (question, len(hits), tenant, collection) == ("How long is the notice period?", 3, "", "house")
    assert answer.attempts[1].reason.endswith("by hand")
    assert answer.citations[0].document_id == "pantry"
    told.found = ModelUnavailable("gone")
    assert "the same words, since the rewriter failed: gone" in rag.ask("How long is the term?").attempts[1].reason


def test_a_collection_that_was_never_filled_has_no_words(database: Database) -> None:
    assert CorpusRewriter(database).rewrite("notcie", ()) == Rewritten(question="notcie", keywords="notcie")


def test_exclusions_are_not_embedded(database: Database) -> None:
    embedder = WordEmbedder()
    rag = RAG(database, embedder=embedder, confidence=Sure())
    rag.ingest((*DOCUMENTS, PROBATION))
    before = len(embedder.texts)
    hits = rag.retrieve("notice period -probation")
    assert embedder.texts[before:] == ["notice period"]
    assert "probation" not in {hit.document_id for hit in hits}
    assert "probation" in {hit.document_id for hit in rag.retrieve("notice period")}
    answer = rag.ask("notice period -probation")
    assert embedder.texts[before:] == ["notice period"]  # one vector for all three
    assert "three months" in answer.text


def test_exclusions_count_for_nothing_in_confidence_and_diet(database: Database) -> None:
    rag = RAG(database, embedder=WordEmbedder())
    rag.ingest(DOCUMENTS)
    plain, excluding = (rag.ask(f"How long is the notice period{end}") for end in ("", " -zebra -crossing"))
    assert plain.attempts[0].confidence == excluding.attempts[0].confidence
    assert plain.context == excluding.context


@pytest.mark.parametrize("question", ["-probation", '-"notice period" -staff'])
def test_a_question_that_only_excludes_costs_nothing(database: Database, question: str) -> None:
    embedder, ledger = WordEmbedder(), MemoryLedger()
    rag = RAG(database, embedder=embedder, ledger=ledger)
    rag.ingest(DOCUMENTS)
    before, calls = len(embedder.texts), len(ledger.calls)
    for verb in (rag.ask, rag.retrieve, rag.quote):
        with pytest.raises(InvalidArgument, match="only says what to leave out"):
            verb(question)
    assert (len(embedder.texts), len(ledger.calls)) == (before, calls)
    with pytest.raises(InvalidArgument, match="only says"):
        without_exclusions(question)


class Backwards:
    """The worst hit first; or an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.given: list[tuple[str, int, int]] = []

    def rerank(self, question: str, hits: Sequence[Hit], *, k: int) -> Sequence[Hit]:
        self.given.append((question, len(hits), k))
        if self.error:
            raise self.error
        return [replace(hit, score=float(place)) for place, hit in enumerate(reversed(hits))][:k]


def test_a_reranker_has_the_last_word_on_the_order(database: Database) -> None:
    reranker, ledger = Backwards(), MemoryLedger()
    rag = RAG(database, embedder=WordEmbedder(), reranker=reranker, ledger=ledger, confidence=Sure())
    rag.ingest((*DOCUMENTS, *MORE))
    plain = RAG(database, embedder=WordEmbedder()).retrieve("notice period", k=100)
    hits = rag.retrieve("notice period -zebra", k=2)
    assert [hit.chunk_id for hit in hits] == [hit.chunk_id for hit in reversed(plain)][:2]
    assert hits.found == plain.found
    assert reranker.given == [("notice period", 7, 2)]
    answer = rag.ask("notice period", k=3)
    assert reranker.given[1:] == [("notice period", 7, 3)]
    own = [call for call in ledger.calls if call.prompt_id == answer.prompt_id]
    assert [(call.model, call.status) for call in own if call.stage == "rerank"] == [("local:Backwards", "done")]
    assert answer.attempts[0].reason.startswith("3 hits")


def test_a_failing_reranker_leaves_the_order(database: Database) -> None:
    ledger = MemoryLedger()
    broken = Backwards(ModelUnavailable("gone"))
    rag = RAG(database, embedder=WordEmbedder(), reranker=broken, ledger=ledger, confidence=Sure(retrieval=0.1))
    rag.ingest((*DOCUMENTS, *MORE))
    plain = RAG(database, embedder=WordEmbedder(), confidence=Sure(retrieval=0.1))
    answer = rag.ask("How long is the notice period?", k=2)
    assert answer.attempts[0].reason.startswith("2 hits, ")
    assert "in the retriever's order, since the reranker failed: gone" in answer.attempts[0].reason
    assert answer.citations == plain.ask("How long is the notice period?", k=2).citations
    assert {call.status for call in ledger.calls if call.stage == "rerank"} == {"failed"}
    with pytest.raises(ModelUnavailable):
        rag.retrieve("How long is the notice period?")


TALE = " ".join(f"Sentence number {number} tells of beta and of {number} things." for number in range(40))


def test_neighbours_and_sections_on_request(database: Database) -> None:
    rag = RAG(database, embedder=WordEmbedder(), chunker=FixedChunker(30, overlap=0), tenant="acme")
    text = "# Tale\n\n" + TALE
    rag.ingest([Document("tale", text, meta={"headings": [(0, 1, "Tale")]}), *DOCUMENTS])
    plain = rag.retrieve("sentence number 20", k=1)
    grown = rag.retrieve("sentence number 20", k=1, neighbours=2)
    section = rag.retrieve("sentence number 20", k=1, section_tokens=10_000)
    for hits in (grown, section):
        assert [(hit.chunk_id, hit.score) for hit in hits] == [(hit.chunk_id, hit.score) for hit in plain]
        assert hits.found == plain.found
    assert plain[0].text in grown[0].text
    assert 3 * plain[0].tokens < grown[0].tokens < section[0].tokens
    assert (section[0].start, section[0].end) == (0, len(text))

    async def run() -> None:
        door = AsyncRAG(rag)
        assert await door.retrieve("sentence number 20", k=1, neighbours=2) == grown
        assert await door.retrieve("sentence number 20", k=1, section_tokens=10_000) == section
        door._threads.shutdown()

    asyncio.run(run())


@pytest.mark.parametrize(
    "wish", [{"neighbours": -1}, {"neighbours": 101}, {"section_tokens": 0}, {"neighbours": 1, "section_tokens": 9}]
)
def test_neighbours_that_cannot_be_cost_nothing(database: Database, wish: dict[str, int]) -> None:
    embedder = WordEmbedder()
    rag = RAG(database, embedder=embedder)
    with pytest.raises(InvalidArgument):
        rag.retrieve("notice", **wish)
    assert embedder.texts == []


def test_the_runtime_role_sees_its_tenants_neighbours_and_words(roles: Roles) -> None:
    with closing(Database(roles.app, timeout=5)) as database:
        rag = RAG(database, embedder=WordEmbedder(), chunker=FixedChunker(30, overlap=0), tenant="acme")
        rag.ingest([Document("tale", TALE)])
        plain, grown = (rag.retrieve("sentence number 20", k=1, neighbours=number) for number in (0, 1))
        assert len(grown[0].text) > len(plain[0].text)
        assert CorpusRewriter(database).rewrite("sentense", (), tenant="acme").question == "sentence"
        assert CorpusRewriter(database).rewrite("sentense", (), tenant="other").question == "sentense"


GERMAN = (
    Document(
        "kuendigung", "Die Kündigungsfrist beträgt drei Monate. Die Schlüssel gibt man in Utrecht zurück.", "Ende"
    ),
    Document("reisen", "Reisen werden über die Reisestelle gebucht. Hotels dürfen 140 Euro kosten.", "Reisen"),
    Document("haeuser", "Alle Häuser der Firma haben einen Garten mit alten Bäumen.", "Häuser"),
)


def test_a_german_collection(database: Database, dsn: str) -> None:
    rag = RAG(database, embedder=WordEmbedder(), language="german", confidence=Sure())
    assert rag.ingest(GERMAN).added == 3
    assert rag.ingest(GERMAN).unchanged == 3
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT language FROM ragdiet.corpus").fetchall() == [("german",)]
    keywords = HybridRetriever(database, rag.space, dense=False)
    for question in ("Haus Baum", "des Hauses im Garten"):  # other forms than the text's
        assert [hit.document_id for hit in keywords.retrieve(question, None, k=5)] == ["haeuser"]
    answer = rag.ask("Wie lang ist die Kündigungsfrist?")
    assert answer.outcome == "answered"
    assert "drei Monate" in answer.text
    again = RAG(database, embedder=WordEmbedder(), confidence=Sure(retrieval=0.1)).ask("Wo sind die Schlüsel?")
    assert "spelling: Schlüsel to schlüssel" in again.attempts[1].reason


def test_a_collection_keeps_its_language(database: Database) -> None:
    german = RAG(database, embedder=WordEmbedder(), language="german")
    german.ingest(GERMAN)
    english = RAG(database, embedder=WordEmbedder())
    for dry_run in (False, True):
        with pytest.raises(LanguageMismatch, match="open it with language='german', or ingest into another") as caught:
            english.ingest(DOCUMENTS, dry_run=dry_run)
        assert (caught.value.expected, caught.value.actual) == ("english", "german")
    found = {hit.document_id: hit.keyword_score for hit in english.retrieve("Haus")}
    assert found["haeuser"] > 0 == found["reisen"]  # searches go by the collection's own
    english.ingest(DOCUMENTS, collection="new")
    english.swap("default", "new")
    assert english.ingest(DOCUMENTS).unchanged == 3
    german.ingest(GERMAN, collection="new")
    with pytest.raises(InvalidArgument, match="no stemmer"):
        RAG(database, embedder=WordEmbedder(), language="klingon")
