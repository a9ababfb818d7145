"""The pairs that the answer cache is measured on are what they are called, and its figures are counted right."""

from __future__ import annotations

import random

import numpy as np
import pytest
from benchmarks.money_answers import Asked, Half, certified, exact, first_passed, gated, measured, near
from benchmarks.pairs_made import NEAR_MISSES, PARAPHRASES, names_in

from ragdiet.answers import normalised

QUESTION = "What was not the largest city of the Duchy of Normandy before 1066?"


@pytest.mark.parametrize(
    ("kind", "question", "made"),
    [
        ("contraction", "What is the cost?", "What's the cost?"),
        ("phrase first", "Who ruled the city in 1066?", "In 1066, who ruled the city?"),
        ("without articles", "Who ruled the city?", "Who ruled city?"),
        ("indirect", "What is the capital of France?", "Can you tell me what the capital of France is?"),
        ("noun for verb", "Who wrote Hamlet?", "Who is the author of Hamlet?"),
        ("what and which", "In what year was it?", "In which year was it?"),
        ("negation", "Who was paid?", "Who was not paid?"),
        ("negation", "Who was not paid?", "Who was paid?"),
        ("roles", "Did Ada beat Bob?", "Did Bob beat Ada?"),
        ("roles", "Did Ada and Bob win?", None),
        ("opposite", "Who came before noon?", "Who came after noon?"),
        ("unit", "How many miles?", "How many kilometers?"),
        ("question word", "Why is it?", "How is it?"),
        ("tense", "Who is it?", "Who was it?"),
        ("name", "Where is Ada?", "Where is Normandy?"),
    ],
)
def test_makers(kind: str, question: str, made: str | None) -> None:
    maker = (PARAPHRASES | NEAR_MISSES)[kind]
    assert maker(question, random.Random(1), ["Normandy"]) == made


def test_each_near_miss_is_another_question() -> None:
    for kind, maker in NEAR_MISSES.items():
        made = maker(QUESTION, random.Random(2), names_in(["Where is the city of Rouen?"]))
        assert made is None or normalised(made) != normalised(QUESTION), kind


def half() -> Half:
    known = ["Who ruled Rouen?", "When did Ada die?"]
    asked = [
        Asked(text="Please, who ruled Rouen?", kind="polite words", same_as=0),
        Asked(text="Who sold Rouen?", kind="name", same_as=None),
        Asked(text="When did Ada die?", kind="polite words", same_as=1),
    ]
    cosines = np.array([[0.95, 0.1], [0.9, 0.1], [1.0, 0.2]], np.float32)
    nearest = np.array([[0, 1], [0, 1], [1, 0]])
    rows = zip(asked, nearest, cosines, strict=True)
    return Half(
        known=known,
        asked=asked,
        vectors=(np.eye(2, dtype=np.float32), np.eye(3, 2, dtype=np.float32)),
        cosines=cosines,
        nearest=nearest,
        passed=[first_passed(each, known, places, row) for each, places, row in rows],
    )


def test_what_is_found() -> None:
    pairs = half()
    assert exact(pairs) == [None, None, 1]
    assert near(pairs, 0.92) == [0, None, 1]
    assert near(pairs, 0.8) == [0, 0, 1]
    assert gated(pairs, 0.8) == [0, None, 1]
    row = measured("cosine 0.8", pairs, near(pairs, 0.8))
    assert (row["hit_rate"], row["hits"], row["false_hits"]) == (1.0, 3, 1)
    assert row["false_of_other_questions"] == 1.0
    assert measured("wrong", pairs, [1, None, 1])["false_hits"] == 1


def test_three_pairs_certify_nothing() -> None:
    assert certified(half()) is None
