"""Questions that are met with choices: which are, which are not, what is offered, and that no model was asked."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.analysis import analyzer
from ragdiet.clarify import Clarifier
from ragdiet.clarify.wording import parts, subject_terms
from ragdiet.embed import MiniLM
from ragdiet.errors import InvalidQuestion
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.terminal import answer_lines
from ragdiet.types import Answer, Document, Hit, Turn
from tests.test_ask import Scripted, Sure

LIMITS = (
    Document("travel", "Flights are booked by the desk. The limit is 900 euros for one trip.", "Travel"),
    Document("mobile", "Data is bought in advance. The limit is 20 gigabytes in a month.", "Mobile phones"),
    Document("cards", "Cards are given to managers. The limit is 5,000 euros in a month.", "Company cards"),
    Document("leaving", "The notice period is three months for permanent staff.", "Leaving"),
    Document("approval", "Journeys abroad are approved by Ada Lovell.", "Approval"),
)


def made(database: Database, model: Scripted, **pieces: object) -> RAG:
    rag = RAG(database, embedder=MiniLM(), models=[model], **({"confidence": Sure()} | pieces))  # type: ignore[arg-type]
    rag.ingest(LIMITS)
    return rag


def hit(number: int, title: str, text: str, cosine: float = 0.5, keyword: float = 4.0) -> Hit:
    return Hit(
        chunk_id=number,
        document_id=f"d{number}",
        title=title,
        text=text,
        score=1.0,
        dense_score=cosine,
        keyword_score=keyword,
    )


SPREAD = (
    hit(1, "Travel", "The limit is 900 euros.", 0.52),
    hit(2, "Mobile phones", "The limit is 20 gigabytes.", 0.5),
    hit(3, "Company cards", "The limit is 5,000 euros.", 0.49),
)


@pytest.mark.parametrize(
    "question",
    [
        "tell me about it",
        "How does this work?",
        "the",
        "What is it?",
        "Can you help me?",
        "Where do I find it?",
        "more details please",
        "What's this?",
        "Why?",
    ],
)
def test_what_says_nothing_is_vague(question: str) -> None:
    told = Clarifier().clarification(question, SPREAD)
    assert told is not None
    assert (told.fault, told.choices) == ("vague", ("Travel", "Mobile phones", "Company cards"))


@pytest.mark.parametrize(
    "question",
    [
        "How does the boiler work?",
        "What is work?",
        "What does the WHO do?",
        "Who leads IT?",
        "这是什么?",
        "How much does it cost to park?",
    ],
)
def test_what_names_a_subject_is_not(question: str) -> None:
    assert Clarifier().clarification(question, SPREAD) is None


def test_in_other_languages_only_stop_words_say_nothing() -> None:
    assert Clarifier("german").clarification("und das ist es?", SPREAD) is not None
    assert Clarifier("german").clarification("Tell me about it", SPREAD) is None
    german = [replace(each, text=each.text.replace("limit", "Grenze")) for each in SPREAD]
    told = Clarifier("german").clarification("Die Grenze?", german)
    assert told is not None
    assert told.fault == "ambiguous"


@pytest.mark.parametrize("question", ["???", " … ", "¿?"])
def test_signs_alone_are_empty(question: str) -> None:
    told = Clarifier().clarification(question, SPREAD, follows=True)
    assert told is not None
    assert told.fault == "empty"


def test_a_subject_that_several_documents_share_is_asked_back() -> None:
    told = Clarifier().clarification("What is the limit?", SPREAD)
    assert told is not None
    assert told.fault == "ambiguous"
    assert told.choices == tuple(f"{each.title}: What is the limit?" for each in SPREAD)
    assert told.text.splitlines()[1:] == [f"- {choice}" for choice in told.choices]


def test_what_chooses_between_documents() -> None:
    clear = Clarifier().clarification
    assert clear("What is the limit?", SPREAD[:2]) is None  # both can be read
    assert clear("What is the travel limit?", SPREAD) is None  # two do not say "travel"
    assert clear("What is the limit in Peru?", SPREAD) is None  # a name
    assert clear("limit 2024", SPREAD) is None
    assert clear("What is the limit?", [*SPREAD, hit(4, "Limits", "A limit is a bound.")]) is None  # its title
    assert clear("What is the limit?", [replace(SPREAD[0], dense_score=0.9), *SPREAD[1:]]) is None
    assert clear("What is the limit?", [replace(SPREAD[0], keyword_score=20.0), *SPREAD[1:]]) is None
    assert clear("What is the limit?", [replace(each, title="Handbook") for each in SPREAD]) is None
    assert clear("What is the limit?", [replace(each, title=None) for each in SPREAD]) is None
    assert clear("What is the limit?", SPREAD, follows=True) is None
    assert clear("What is the limit?", ()) is None


def test_scores_that_a_retriever_does_not_give_speak_for_none() -> None:
    unscored = [replace(each, dense_score=0.0, keyword_score=0.0) for each in SPREAD]
    told = Clarifier().clarification("What is the limit?", unscored)
    assert told is not None
    assert told.fault == "ambiguous"


def test_sections_of_one_document_are_told_apart_by_their_headings() -> None:
    sections = [replace(each, document_id="d", title="Handbook", meta={"heading": each.title}) for each in SPREAD]
    told = Clarifier().clarification("What is the limit?", sections)
    assert told is not None
    assert told.choices[0] == "Travel: What is the limit?"


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What is the notice period and who approves travel?", ["What is the notice period?", "Who approves travel?"]),
        ("How long is it? Also, who pays?", ["How long is it?", "Who pays?"]),
        ("who pays; when is it paid", ()),
        ("Who pays rent? Who pays tax? And in which month?", ["Who pays rent?", "Who pays tax?", "In which month?"]),
        ("Are both cats and dogs allowed?", ()),
        ("Which came first, the chicken or the egg?", ()),
        ("Who wrote the song and sang it?", ()),
        ("What is a lease and how does it end?", ()),
        ("the director who made the film and who wrote it", ()),
        ("Salt and what goes with salt", ()),
    ],
)
def test_two_questions_in_one(question: str, found: list[str]) -> None:
    assert parts(question) == tuple(found)


def test_two_questions_are_only_parted_where_no_text_answers_both() -> None:
    question = "How long is the notice period and who approves journeys?"
    notice = hit(1, "Leaving", "The notice period is three months long.")
    journeys = hit(2, "Approval", "Ada Lovell approves journeys.")
    told = Clarifier().clarification(question, [notice, journeys])
    assert told is not None
    assert (told.fault, told.choices) == ("two in one", ("How long is the notice period?", "Who approves journeys?"))
    both = hit(3, "Staff", f"{notice.text} {journeys.text}")
    assert Clarifier().clarification(question, [notice, journeys, both]) is None
    assert Clarifier().clarification(question, []) is None


@given(
    st.text(max_size=60),
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=60), st.floats(-1, 1), st.floats(0, 30)), max_size=12),
)
def test_choices_are_few_different_and_can_be_asked(question: str, found: list[tuple[str, str, float, float]]) -> None:
    hits = [hit(n, *each) for n, each in enumerate(found)]
    told = Clarifier().clarification(question, hits)
    assert told == Clarifier().clarification(question, hits)
    if told:
        assert len(told.choices) == len(set(told.choices)) <= 4
        assert all(subject_terms(choice, analyzer()) for choice in told.choices)
        assert all(choice in told.text for choice in told.choices)


def test_no_model_is_asked_and_the_ledger_knows(database: Database, dsn: str) -> None:
    model = Scripted("m", "900 euros [1]")
    rag = made(database, model)
    answer = rag.ask("What is the limit?", prompt_id="limit-1")
    assert (answer.outcome, [step.step for step in answer.attempts]) == ("clarify", ["retrieve", "clarify"])
    assert answer.attempts[-1].reason == "ambiguous"
    assert sorted(answer.choices) == [
        "Company cards: What is the limit?",
        "Mobile phones: What is the limit?",
        "Travel: What is the limit?",
    ]
    assert (model.prompts, answer.citations, answer.confidence, answer.context) == ([], (), 0.0, None)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT prompt_id, outcome FROM ragdiet.ask").fetchall() == [("limit-1", "clarify")]
    assert rag.quote("What is the limit?").least == rag.quote("What is the limit?").expected == 0
    assert rag.quote("How long is the notice period?").least > 0


def test_every_choice_can_be_asked_as_it_stands(database: Database) -> None:
    rag = made(database, Scripted("m", "So it is [1]"))
    asked = 0
    for question in (
        "What is the limit?",
        "tell me about it",
        "???",
        "What is the notice period and who approves journeys?",
    ):
        answer = rag.ask(question)
        assert answer.outcome == "clarify"
        for choice in answer.choices:
            asked += 1
            assert rag.ask(choice).outcome == "answered", choice
    assert asked >= 3 + 4 + 4 + 2


def test_switched_off(database: Database) -> None:
    rag = made(database, Scripted("m", "900 euros [1]"), clarify=False)
    assert rag.ask("What is the limit?").outcome == "answered"
    with pytest.raises(InvalidQuestion, match="no words"):
        rag.ask("???")


def test_nothing_at_all_is_still_an_error(database: Database) -> None:
    rag = made(database, Scripted("m", "never"))
    for question in ("", " \t\n"):
        with pytest.raises(InvalidQuestion):
            rag.ask(question)
    with pytest.raises(InvalidQuestion):
        rag.retrieve("???")


def test_a_question_within_a_conversation_may_lean_on_it(database: Database) -> None:
    rag = made(database, Scripted("m", "900 euros [1]"))
    said = [Turn(role="user", text="How is travel paid?"), Turn(role="assistant", text="By card.")]
    assert rag.ask("What is the limit?", history=said).outcome == "answered"
    assert rag.ask("???", history=said).outcome == "clarify"


def test_a_misspelt_question_without_an_answer_is_offered_corrected(database: Database) -> None:
    misspelt = "How long is the notcie perido for staff?"
    refusing = Scripted("m", "NOT FOUND")
    rag = made(database, refusing, confidence=Sure(retrieval=0.0))
    answer = rag.ask(misspelt)
    assert (answer.outcome, answer.choices) == ("clarify", ("How long is the notice period for staff?",))
    assert answer.text == "Did you mean:\n- How long is the notice period for staff?"
    assert [step.step for step in answer.attempts] == ["retrieve", "re-search", "clarify"]
    assert rag.ask(answer.choices[0]).outcome == "abstained"  # it is spelt well: nothing else to offer
    assert made(database, refusing, confidence=Sure(retrieval=0.0), research=False).ask(misspelt).outcome == "abstained"


def test_one_that_passed_the_first_gate_is_offered_in_words_of_its_hits(database: Database) -> None:
    refusing = Scripted("m", "NOT FOUND")
    rag = made(database, refusing)
    answer = rag.ask("What is the notise period?")
    assert (answer.outcome, answer.choices) == ("clarify", ("What is the notice period?",))
    assert [step.step for step in answer.attempts] == ["retrieve", "read", "clarify"]
    assert rag.ask("What is the notise period?", k=1).outcome == "clarify"
    assert rag.ask("Does Ada Lovell book notise flights?", k=1).outcome == "abstained"  # nothing found has "notice"
    assert made(database, refusing, research=False).ask("What is the notise period?").outcome == "abstained"


def test_a_misspelt_word_in_two_small_documents(database: Database) -> None:
    rag = RAG(database, embedder=MiniLM())
    rag.ingest([LIMITS[0], LIMITS[3]], collection="small")
    answer = rag.ask("What is the notise period?", collection="small")
    assert answer.outcome == "answered"
    assert any("spelling: notise to notice" in attempt.reason for attempt in answer.attempts)
    assert answer.text == rag.ask("What is the notice period?", collection="small").text


def test_choices_are_shown(database: Database) -> None:
    rag = made(database, Scripted("m", "never"))
    rag.ingest([Document("x", "The limit is a <b>bold</b> one.", "Bold & brave")])
    answer: Answer = rag.ask("What is the limit?")
    shown = answer_lines(answer).splitlines()
    assert all(f"- {choice}" in shown for choice in answer.choices)
    assert "Bold &amp; brave: What is the limit?" in answer._repr_html_()
