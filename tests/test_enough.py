"""How much is enough: ``budget="auto"``, from the rule to the doors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragdiet import AsyncRAG, SentenceDiet, compress
from ragdiet.diet.enough import CEILING, FLOOR, REACH, SEVERAL, enough_before
from ragdiet.diet.several import asks_for_several
from ragdiet.display import why_dropped
from ragdiet.errors import BudgetTooSmall
from ragdiet.rag import RAG
from ragdiet.sentences import split_sentences
from ragdiet.types import Context, Document, Hit

FILLER = [
    f"The {colour} {animal} of station {number} was seen near the old mill by {number + 3} walkers in the autumn rain."
    for number, (colour, animal) in enumerate(
        (colour, animal)
        for colour in ("red", "grey", "black", "white", "brown", "spotted", "pale", "golden")
        for animal in ("fox", "heron", "badger", "owl", "otter", "lynx", "marten", "hare", "kite", "stoat")
    )
]
SURE = ["The toll on the Northam bridge is 7 euros.", *FILLER]
UNSURE = [f"{sentence} A toll is due on bridge {n} there." for n, sentence in enumerate(FILLER)]

shares = st.floats(0, 1)
tokens = st.integers(0, 5_000)


@given(shares, shares, tokens, tokens, st.booleans())
def test_less_score_or_more_tokens_never_go_on(a: float, b: float, few: int, many: int, several: bool) -> None:
    (low, high), (few, many) = sorted((a, b)), sorted((few, many))
    assert enough_before(low, many, several=several) >= enough_before(high, few, several=several)


@given(shares, tokens)
def test_questions_that_need_several_passages_never_get_less(share: float, spent: int) -> None:
    assert enough_before(share, spent, several=True) <= enough_before(share, spent, several=False)


def test_the_floor_is_read_whatever_it_scores_and_the_reach_by_the_best_alone() -> None:
    assert not enough_before(0.0, FLOOR - 1, several=False)
    assert enough_before(0.0, FLOOR, several=False)
    assert not enough_before(0.0, SEVERAL * FLOOR - 1, several=True)
    assert not enough_before(1.0, REACH, several=False)
    assert enough_before(1.0, REACH + 1, several=False)


def test_a_sure_question_gets_little_and_an_unsure_one_more() -> None:
    sure = compress("What is the toll on the Northam bridge?", SURE, "auto")
    unsure = compress("What is the toll on the Northam bridge?", UNSURE, "auto")
    assert "7 euros" in sure.text
    assert FLOOR <= sure.tokens <= 1.5 * FLOOR
    assert unsure.tokens > 3 * sure.tokens


def test_less_is_kept_also_where_all_would_fit() -> None:
    context = compress("What is the toll on the Northam bridge?", SURE[:20], "auto")
    assert context.tokens < context.tokens_before < CEILING
    assert context.is_enough


def test_a_comparison_gets_more_than_a_question_of_one_thing() -> None:
    one = compress("What is the toll on the Northam bridge?", SURE, "auto")
    both = compress("What is the toll on both the Northam bridge and the Northam ferry?", SURE, "auto")
    assert both.tokens > 1.5 * one.tokens


def test_what_was_left_out_was_not_needed() -> None:
    context = compress("What is the toll on the Northam bridge?", SURE, "auto")
    assert context.is_enough
    assert set(why_dropped(context)) == {"not needed"}
    fixed = compress("What is the toll on the Northam bridge?", SURE, context.tokens)
    assert not fixed.is_enough
    assert "below budget" in why_dropped(fixed)


def test_at_the_ceiling_more_was_needed() -> None:
    long = [text.replace("bridge", f"bridge of town {n},") for n in range(5) for text in UNSURE]
    context = compress("Which toll is due on a bridge in both towns?", long, "auto")
    assert 0.9 * CEILING <= context.tokens <= CEILING < context.tokens_before
    assert not context.is_enough


def test_what_is_short_is_kept_whole() -> None:
    context = compress("What is the toll?", ["The toll is 7 euros. Dogs are free. It rains."], "auto")
    assert not context.dropped
    assert not context.is_enough


def test_where_no_score_tells_all_count_alike() -> None:
    """No word of the question, no vector: nothing is known, and stopping early would be a guess."""
    context = compress("Zzyzx?", SURE, "auto")
    assert context.tokens > 0.9 * CEILING


class Letters:
    """A letter a token: so that the ceiling is seen to be the counter's."""

    name = "letters"

    def count(self, text: str) -> int:
        return len(text)

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        return list(map(len, texts))


def test_a_sentence_longer_than_the_ceiling_is_an_error_that_names_what_would_do() -> None:
    diet = SentenceDiet(counter=Letters())
    text = "toll " * CEILING
    endless = [Hit(chunk_id=1, document_id="d", text=text, score=1.0, sentences=((0, len(text)),)), "Dogs are free."]
    with pytest.raises(BudgetTooSmall) as caught:
        diet.compress("What is the toll?", endless, budget="auto")
    assert caught.value.budget == CEILING
    assert diet.compress("What is the toll?", endless, budget=caught.value.smallest).kept


@st.composite
def hits(draw: st.DrawFn) -> Hit:
    text = " ".join(draw(st.lists(st.sampled_from(FILLER), min_size=1, max_size=40)))
    spans = split_sentences(text)
    vectors = np.array(draw(st.lists(st.sampled_from(((1, 0), (0, 1), (0.6, 0.8))), min_size=len(spans))))
    return Hit(
        chunk_id=draw(st.integers(1, 9)),
        document_id=draw(st.sampled_from("abc")),
        text=text,
        score=1.0,
        title=draw(st.none() | st.just("Sightings")),
        sentences=spans,
        sentence_vectors=vectors[: len(spans)].astype(np.float16),
    )


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(("Which fox was seen?", "Who saw both the red fox and the grey owl?", "Zzyzx?")),
    st.lists(hits(), min_size=1, max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_whatever_is_asked_the_guarantees_hold(
    question: str, passages: list[Hit], with_vector: bool, by_letters: bool
) -> None:
    diet = SentenceDiet(counter=Letters()) if by_letters else SentenceDiet()
    vector = np.array([1.0, 0.0], np.float32) if with_vector else None
    context: Context = diet.compress(question, passages, budget="auto", question_vector=vector)
    assert context.tokens <= CEILING
    if by_letters:
        assert context.tokens == len(context.text)
    assert all(any(one.text in hit.text for hit in passages) for one in context.kept)
    assert context == diet.compress(question, passages, budget="auto", question_vector=vector)
    assert context.is_enough <= bool(context.dropped)
    if context.dropped and not context.is_enough:
        assert context.tokens_before > CEILING
    if context.is_enough:
        assert context.tokens >= 0.8 * FLOOR, "counts of pieces are near that of the text"


@pytest.mark.parametrize(
    "question",
    [
        "Which is cheaper, the night train or the ferry?",
        "Do both the Bern office and the Oslo office close in July?",
        "What do the pension plan and the health plan have in common?",
        "Did Marie Keller or Ines Duarte sign the lease?",
        "What is the salary band of the person who signs off travel?",
        "The supplier of the pumps is based in which country?",
        "What is the notice period and when does it begin?",
    ],
)
def test_questions_for_several_passages(question: str) -> None:
    assert asks_for_several(question)


@pytest.mark.parametrize(
    "question",
    [
        "How long is the notice period?",
        "What may a hotel room cost?",
        "Please tell me how I book a train.",
        "Is the lease signed?",
        "Which paper or other form needs a number?",
        "When was Marie Keller born?",
        "wie lange ist die Kündigungsfrist",
        "料金は？",
        "",
    ],
)
def test_questions_for_one_passage(question: str) -> None:
    assert not asks_for_several(question)


def test_a_long_question_is_read_in_proportion_to_its_length() -> None:
    for piece in ("The Great ", "older ", "the a ", "what ", "A and "):
        asks_for_several(piece * 20_000)


def test_every_door_takes_auto(rag: RAG) -> None:
    rag.ingest([Document(f"d{n}", text) for n, text in enumerate(SURE[:1] + UNSURE)])
    question = "What is the toll on the Northam bridge?"
    hits = rag.retrieve(question)
    context = rag.compress(question, hits, "auto")
    assert context.is_enough
    assert context.tokens < rag.compress(question, hits).tokens
    answer = rag.ask(question, budget="auto")
    assert answer.context == context
    assert rag.quote(question, "auto").most == 0

    async def asked() -> Context | None:
        return (await AsyncRAG(rag).ask(question, budget="auto")).context

    assert asyncio.run(asked()) == context
