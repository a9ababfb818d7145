"""Follow-ups, by dialogues written for this: whether a question leans on what was said, and what becomes of it."""

from __future__ import annotations

from collections import Counter

import pytest
from benchmarks.follow_ups import Case, cases, verdict
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.diet import follow_up
from ragdiet.diet.leaning import leans
from ragdiet.tokens import default_counter
from ragdiet.types import Turn

COUNTER = default_counter()


def turns(*texts: str) -> list[Turn]:
    return [Turn(role="assistant" if place % 2 else "user", text=text) for place, text in enumerate(texts)]


@pytest.mark.parametrize(
    "case", list(cases("written_with_the_rules")), ids=lambda case: f"{case.before} {case.question}"
)
def test_dialogues(case: Case) -> None:
    before, answer, question, whole = case.before, case.answer, case.question, case.whole
    assert leans(question) == bool(whole)
    made = follow_up(question, turns(before, answer), COUNTER)
    if whole in ("", "?"):
        assert made.question == question
        assert bool(made.history) == bool(whole)
        assert (made.searched == question) != bool(whole)
    else:
        assert (made.question, made.searched, made.history) == (whole, whole, ())
    assert bool(made.reason) == bool(whole)


@pytest.mark.parametrize(
    ("written", "least"), [("before_reading_them", 47), ("before_changing_them", 52), ("held_out", 43)]
)
def test_dialogues_written_without_the_rules(written: str, least: int) -> None:
    counted = Counter(verdict(case) for case in cases(written))
    assert counted["rewritten wrongly"] == 0
    assert counted["right"] >= least
    assert counted.total() >= 48


def test_each_verdict_can_be_reached() -> None:
    def seen(question: str, whole: str) -> str:
        return verdict(Case(before="Who leads the Oslo office?", answer="Two do.", question=question, whole=whole))

    assert seen("And the Bergen office?", "Who leads the Bergen office?") == "right"
    assert seen("And the Bergen office?", "Who leads Bergen?") == "rewritten wrongly"
    assert seen("Is there a sauna?", "?") == "taken to stand alone"
    assert seen("And the gym?", "Who leads the gym?") == "history kept"


def test_follow_ups_of_follow_ups() -> None:
    history = turns("What is the notice period in France?", "Three months [1].", "And in Germany?", "One month [1].")
    assert follow_up("And in Spain?", history, COUNTER).question == "What is the notice period in Spain?"
    unrelated = turns("Where is the gym?", "In Utrecht.", *(turn.text for turn in history))
    made = follow_up("Tell me more", unrelated, COUNTER)
    assert [turn.text for turn in made.history] == [turn.text for turn in history]
    assert "notice period in France" in made.searched


def test_other_languages_keep_the_last_exchange() -> None:
    history = turns("Wie lang ist die Kündigungsfrist?", "Drei Monate [1].")
    made = follow_up("Und in Frankreich?", history, COUNTER, language="german")
    assert made.history == tuple(history)
    assert made.question == "Und in Frankreich?"
    assert "Kündigungsfrist" in made.searched


@given(
    history=st.lists(
        st.builds(
            Turn, role=st.sampled_from(["user", "assistant"]), text=st.sampled_from(["", "It?", "The fee", "no " * 90])
        )
    ),
    question=st.sampled_from(["And it?", "Why?", "What is the fee?", "it", "?", "And in 2019?"]),
    most=st.integers(0, 120),
)
def test_never_more_than_its_share_and_a_user_first(history: list[Turn], question: str, most: int) -> None:
    made = follow_up(question, history, COUNTER, most_tokens=most)
    assert sum(COUNTER.count_batch([turn.text for turn in made.history])) <= most
    assert not made.history or made.history[0].role == "user"
    assert made == follow_up(question, history, COUNTER, most_tokens=most)
    assert made.question.strip()
