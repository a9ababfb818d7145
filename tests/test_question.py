"""Questions with phrases and exclusions: what is one, what only looks like one, and what the store finds."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.analysis import analyzer
from ragdiet.errors import InvalidArgument, InvalidQuestion
from ragdiet.rag import RAG
from ragdiet.retrieve import Phrase, parse_question, phrase_matches
from ragdiet.types import Document


@pytest.mark.parametrize(
    ("question", "phrases", "excluded", "text"),
    [
        ('What is the "notice period"?', ["notic period"], [], 'What is the "notice period"?'),
        ("“Notice period” of staff", ["notic period"], [], "“Notice period” of staff"),
        ("„notice period“ «of staff»", ["notic period", "of staff"], [], "„notice period“ «of staff»"),
        ('("notice period")', ["notic period"], [], '("notice period")'),
        ('say "notice period', [], [], 'say "notice period'),
        ('5" pipes and 6" pipes', [], [], '5" pipes and 6" pipes'),
        ('empty "" quotes', [], [], 'empty "" quotes'),
        ("cats -dogs food", [], ["dog"], "cats food"),
        ("-dogs cats", [], ["dog"], "cats"),
        ('jaguar speed -car -"big cat"', [], ["car", "big cat"], "jaguar speed"),
        ("licences -open-source", [], ["open sourc"], "licences"),
        ("languages -C++ -C#", [], ["c++", "c#"], "languages"),
        ("settings -max_retries -maxRetries", [], ["max retri", "maxretri"], "settings"),
        ("東京 旅行 -大阪", [], ["大 阪"], "東京 旅行"),
        ("what is a jaguar -car?", [], ["car"], "what is a jaguar ?"),
        ("what does find -name do?", [], [], "what does find -name do?"),
        ('does find -name "two words"?', ["two word"], [], 'does find -name "two words"?'),
        ("does find -name take -words?", [], ["word"], "does find -name take ?"),
        ("well-known sugar - free drinks", [], [], "well-known sugar - free drinks"),
        ("below -5 degrees, -5.5 or -x", [], [], "below -5 degrees, -5.5 or -x"),
        ("rm -rf --help -Dkey=value", [], [], "rm -rf --help -Dkey=value"),
        ("`java -jar` fails", [], [], "`java -jar` fails"),
        ("a dash \u2013so or \u2014so", [], [], "a dash \u2013so or \u2014so"),
    ],
)
def test_phrases_and_exclusions(question: str, phrases: list[str], excluded: list[str], text: str) -> None:
    parsed = parse_question(question, analyzer())
    assert [" ".join(phrase.sequence) for phrase in parsed.phrases] == phrases
    apart = [" ".join(phrase.sequence) for phrase in parsed.excluded_phrases]
    assert sorted([*parsed.excluded, *apart]) == sorted(excluded)
    assert parsed.text == text


def test_terms_are_those_of_the_words_asked_for() -> None:
    parsed = parse_question('How long is the "period of notice" for staff -probation', analyzer())
    assert dict(parsed.terms) == {"long": 1, "period": 1, "notic": 1, "staff": 1}
    assert parse_question('"who was" there?', analyzer()).terms == {"who": 1}
    assert parse_question("Where is it?", analyzer(), question_words=True).terms == {"where": 1}
    assert parse_question("Wo ist das Haus?", analyzer("german")).terms == {"haus": 1}
    assert parse_question("What did the WHO say in 1,200.50?", analyzer()).terms == {"who": 1, "say": 1, "1200.50": 1}


@pytest.mark.parametrize("question", ["-probation", '-"notice period" -staff', "(-probation) ?"])
def test_a_question_of_exclusions_alone(question: str) -> None:
    with pytest.raises(InvalidArgument, match="add what to look for"):
        parse_question(question, analyzer())


@pytest.mark.parametrize("question", ['notice "of the"', 'notice -"to be"', "notice -the"])
def test_a_phrase_of_stop_words_alone(question: str) -> None:
    with pytest.raises(InvalidArgument, match="telling word"):
        parse_question(question, analyzer())


@given(st.text(st.sampled_from('ab -"“”«»`?x東'), max_size=40))
def test_any_question_is_parsed_or_refused(question: str) -> None:
    try:
        parsed = parse_question(question, analyzer())
    except InvalidArgument:
        return
    assert {term for phrase in parsed.phrases for term in phrase.terms} <= parsed.terms.keys()


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), min_size=1, max_size=4))
def test_a_phrase_stands_where_its_words_follow_each_other(text: list[str], words: list[str]) -> None:
    phrase = Phrase(tuple(words), tuple(words))
    assert phrase.stands_in(text) == (f" {' '.join(words)} " in f" {' '.join(text)} ")


def test_the_store_finds_phrases_in_order(rag: RAG, dsn: str) -> None:
    rag.ingest(
        [
            Document("order", "The notice-period is three months."),
            Document("other order", "A period of notice is a notice of a period."),
            Document("title", "Three months.", title="Notice periods"),
            Document("stop word", "To be, or not to be staff; period."),
            Document("none", "The pantry has coffee."),
        ]
    )
    rag.ingest([Document("tenant", "The notice period of others.")], tenant="other")
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT id FROM ragdiet.corpus WHERE tenant = ''").fetchone()
        assert row is not None
        names = dict(
            connection.execute(
                "SELECT c.id, external_id FROM ragdiet.chunk c JOIN ragdiet.document d ON d.id = document_id"
            )
        )

        def found(question: str) -> tuple[set[str] | None, set[str]]:
            matches = phrase_matches(connection, row[0], parse_question(question, analyzer()), analyzer())
            required = None if matches.required is None else {names[chunk] for chunk in matches.required}
            return required, {names[chunk] for chunk in matches.forbidden}

        assert found("notice period") == (None, set())
        assert found('"notice period"') == ({"order", "title"}, set())
        assert found('"notice of a period"') == ({"other order"}, set())
        assert found('"not to be staff"') == ({"stop word"}, set())
        assert found('"notice period" "three months"') == ({"order", "title"}, set())
        assert found('"notice coffee"') == (set(), set())
        assert found('staff -"notice period" -"has coffee"') == (None, {"order", "title", "none"})


def test_a_phrase_that_too_many_chunks_may_hold_is_refused(rag: RAG, monkeypatch: pytest.MonkeyPatch) -> None:
    rag.ingest([Document(f"{number}", f"The notice period of number {number} ends.") for number in range(3)])
    monkeypatch.setattr("ragdiet.retrieve.phrases._MOST_READ", 3)
    assert len(rag.retrieve('"notice period"')) == 3
    monkeypatch.setattr("ragdiet.retrieve.phrases._MOST_READ", 2)
    for question in ('"notice period"', 'number -"notice period"'):
        with pytest.raises(InvalidQuestion, match="leave the quotation marks out"):
            rag.retrieve(question)
