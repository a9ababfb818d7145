"""The second search: spelling by the corpus's own words, and words out of the first hits."""

from __future__ import annotations

import inspect
import statistics
from collections.abc import Iterator

import pytest

from ragdiet.analysis import analyzer
from ragdiet.rag import RAG
from ragdiet.retrieve import Vocabulary, corrected, parse_question, re_search
from ragdiet.retrieve.feedback import feedback_words
from ragdiet.retrieve.spelling import edits
from ragdiet.store import Database
from ragdiet.types import Document, Hit

TEXTS = {
    name: text
    for name in dir(statistics)
    if not name.startswith("_") and (text := inspect.getdoc(getattr(statistics, name))) and len(text) < 2_000
}


@pytest.fixture
def filled(rag: RAG) -> RAG:
    rag.ingest(Document(name, text, title=name) for name, text in TEXTS.items())
    rag.ingest([Document("zebra", "A zebra crossing and a workflow of zebras.")], tenant="other")
    return rag


@pytest.fixture
def vocabulary(filled: RAG, database: Database) -> Iterator[Vocabulary]:
    yield from _vocabulary(database, "")


def _vocabulary(database: Database, tenant: str, language: str = "english") -> Iterator[Vocabulary]:
    with database.transaction(tenant=None) as connection:
        row = connection.execute("SELECT id FROM ragdiet.corpus WHERE tenant = %s", (tenant,)).fetchone()
        assert row is not None
        yield Vocabulary(connection, row[0], analyzer(language))


def test_frequencies_are_those_of_the_chunks(filled: RAG, database: Database, vocabulary: Vocabulary) -> None:
    with database.transaction(tenant=None) as connection:
        texts = connection.execute(
            "SELECT concat_ws(chr(10), title, c.text) FROM ragdiet.chunk c "
            "JOIN ragdiet.document d ON d.id = document_id "
            "JOIN ragdiet.corpus o ON o.id = d.corpus_id WHERE o.tenant = ''"
        ).fetchall()
    held = [set(analyzer().terms(text)) for (text,) in texts]
    found = vocabulary.frequencies(["median", "slope", "zebra", "median"])
    assert found == {term: sum(term in own for own in held) for term in ("median", "slope")}
    assert vocabulary.written(["median", "zebra"])["median"] >= {"median"}
    assert "zebra" not in vocabulary.written(["zebra"])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("meidan of the data", "median of the data"),
        ("What is the Medain?", "What is the median?"),
        ("meidan of populatoin", "median of population"),
        ("linear regresion, slope", "linear regression, slope"),
        ("populatoin varance in `meidan`", "population variance in `median`"),
        ("populationdata", "population data"),
        ("inter cept of the slope", "intercept of the slope"),
        ("hrmonicc mean", "harmonic mean"),
        ('"meidan of data" -meidan', '"median of data" -meidan'),
    ],
)
def test_spelling(vocabulary: Vocabulary, question: str, expected: str) -> None:
    assert corrected(question, vocabulary).question == expected


@pytest.mark.parametrize(
    "question",
    [
        "median of the data",  # all known
        "qqqxyzzy of the data",  # nothing is near
        "v9.8.7 meidan.grouped ERR_MEIDAN meidan@example.com",  # no plain words
        "wiht medians",  # a stop word misspelt
        "medain vorr sechs unbekannte deutschen woerter hierin",  # another language
        "中央値",
        "zebras",  # another tenant's
        "",
    ],
)
def test_what_is_left_alone(vocabulary: Vocabulary, question: str) -> None:
    found = corrected(question, vocabulary)
    assert (found.question, found.changes) == (question, ())


def test_spelling_in_other_scripts(rag: RAG, database: Database) -> None:
    rag.ingest([Document("ru", "Настройка сервера и проверка соединения."), Document("de", "Die Größe der Häuser.")])
    for vocabulary in _vocabulary(database, ""):
        assert corrected("настрйка сервера", vocabulary).question == "настройка сервера"
        assert corrected("Grösse", vocabulary).question in ("Grösse", "größe")


def test_edits_are_one_edit_away() -> None:
    made = edits("abc", "abz")
    assert {"bc", "bac", "zbc", "abcz"} <= made
    assert "abc" not in made
    assert all(abs(len(other) - 3) <= 1 for other in made)


def test_feedback_words_tell_the_hits_from_the_rest() -> None:
    hits = [
        Hit(
            chunk_id=1, document_id="a", text="Staff give notices of resignation. Resignation needs a letter.", score=2
        ),
        Hit(chunk_id=2, document_id="b", text="A resignation letter is sent to the office of staff.", score=1),
    ]
    frequencies = {"staff": 90, "resign": 2, "letter": 5, "offic": 80, "notic": 3, "sent": 1}
    found = feedback_words("the notice", hits, analyzer(), frequencies, 100, n=2)
    assert found == ("resignation", "letter")
    assert feedback_words("the notice", [], analyzer(), {}, 100) == ()


def test_re_search_corrects_what_is_misspelt(vocabulary: Vocabulary) -> None:
    again = re_search("the meidan of data", (), vocabulary, 10)
    assert again.question == again.keywords == "the median of data"
    assert again.reasons == ("spelling: meidan to median",)


def test_re_search_adds_words_of_the_hits(filled: RAG, vocabulary: Vocabulary) -> None:
    question = 'How is the "grouped data" spread -mode?'
    hits = filled.retrieve("How is the grouped data spread?", k=5)
    again = re_search(question, hits, vocabulary, len(TEXTS))
    assert again.question == question
    before, after = (parse_question(text, analyzer()) for text in (question, again.keywords))
    assert (after.phrases, after.excluded) == (before.phrases, before.excluded)
    assert all(after.terms[term] == 2 * count for term, count in before.terms.items())
    assert len(after.terms) > len(before.terms)
    assert "with words of the first hits" in again.reasons[0]


def test_re_search_has_nothing_to_add(vocabulary: Vocabulary) -> None:
    again = re_search("median", (), vocabulary, 10)
    assert (again.question, again.keywords, again.reasons) == ("median", "median", ())


def test_a_stem_two_edits_away_may_be_another_word(rag: RAG) -> None:
    rag.ingest([Document("valve", "Rotate the valve by hand, then rotate it back. A rotation takes a minute.")])
    with rag.store.transaction(tenant="") as connection:
        row = connection.execute("SELECT id FROM ragdiet.corpus").fetchone()
        assert row is not None
        assert corrected("probation rules", Vocabulary(connection, row[0], analyzer())).changes == ()
