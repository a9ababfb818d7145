"""Which questions are one: by their key, and past the gate."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from ragdiet.answers import AnswerCache, agree, certified_threshold, digest, identity, normalised
from ragdiet.errors import InvalidArgument, NotCertified
from ragdiet.filters import F
from ragdiet.types import Space, Turn


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Who  signed\tthe treaty ?", "who signed the treaty"),
        ("What is “notice”?", 'What is "notice"?'),
        ("What is a cafe\u0301?", "What is a caf\u00e9?"),
        ("What is vitamin C.", "What is vitamin C?"),
    ],
)
def test_one_question(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Which US treaty is it?", "Which us treaty is it?"),
        ("What is 5!", "What is 5?"),
        ("What is m²?", "What is m2?"),
        ("US exports?", "us exports?"),
        ("Does `a  b` match?", "Does `a b` match?"),
        ("What follows\n- a\n- b?", "What follows - a - b?"),
        ("Is it -1?", "Is it 1?"),
    ],
)
def test_questions_that_may_differ_are_two(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


def test_a_question_of_marks_alone_stays() -> None:
    assert normalised("???") == "???"


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ("Could you tell me what the capital of France is?", "What's the capital of France?"),
        ("In 1990, who won the cup?", "Who won the cup in 1990?"),
        ("In what year did Ada die?", "What year did Ada die?"),
        ("Hello, please tell me when the war began.", "When the war started"),
        ("who isn't paid, please", "Who is not paid?"),
        ("The hall was founded when?", "When was the hall founded?"),
        ("Which team won 1,000 points? Thanks!", "which team won 1000 points"),
        ("How many of the two teams won?", "How many of the 2 teams won?"),
    ],
)
def test_the_same_in_other_words_agrees(asked: str, known: str) -> None:
    assert agree(asked, known)
    assert agree(known, asked)


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ("Who ruled before 1990?", "Who ruled after 1990?"),
        ("Who ruled in 1990?", "Who ruled in 1991?"),
        ("What is the maximum speed?", "What is the minimum speed?"),
        ("Who is paid?", "Who isn't paid?"),
        ("Who was Ada's teacher?", "When was Ada's teacher?"),
        ("How many days is it?", "How long is it?"),
        ("How long is it in miles?", "How long is it in kilometers?"),
        ("Who did France defeat?", "Who defeated France?"),
        ("Did Germany invade Poland?", "Did Poland invade Germany?"),
        ("Who fought for France in Spain?", "Who fought in France for Spain?"),
        ("In France, who beat Spain?", "In Spain, who beat France?"),
        ("Who is the president?", "Who was the president?"),
        ("What does a doctor do?", "What is a doctor?"),
        ("Is vitamin a good?", "Is vitamin good?"),
        ("Is it C++?", "Is it C#?"),
        ("Is it $5?", "Is it 5%?"),
        ('Who said "a b"?', "Who said a b?"),
        ("Cats -dogs", "Cats dogs"),
        ("Which US treaty?", "Which us treaty?"),
        ("Where is the Polish border?", "Where is Ada's polish border?"),
        ("Is it 5!", "Is it 5?"),
        ("What is the important duty?", "What is the import duty?"),
        ("What is martial law?", "What is marital law?"),
        ("What is x - y?", "What is x y?"),
        ("Tell me the time.", "The time of me"),
        ("the", "a"),
    ],
)
def test_another_question_does_not(asked: str, known: str) -> None:
    assert not agree(asked, known)
    assert not agree(known, asked)


class Piece:
    def __init__(self, **settings: object) -> None:
        self.__dict__.update(settings)


def test_an_identity_tells_settings_apart() -> None:
    def first() -> None: ...
    def second() -> None: ...

    settings = [
        {"a": 1},
        {"a": "1"},
        {"a": Piece(b=1)},
        {"a": Piece(b=2)},
        {"a": Decimal("1.0")},
        {"a": Decimal("1.00")},
    ]
    settings += [{"a": first}, {"a": second}, {"a": np.ones(2)}, {"a": np.zeros(2)}, {"a": (1, 2)}, {"a": (2, 1)}]
    settings += [{"cache_identity": "one"}, {"cache_identity": "two"}, {"a": F("year") > 1}, {"a": F("year") > 2}]
    settings += [{"a": (Turn(role="user", text="hi"),)}]
    found = [identity(Piece(**each)) for each in settings]
    assert len(set(found)) == len(found)
    assert identity(Piece(a={"x", "y"}, b=1)) == identity(Piece(b=1, a={"y", "x"}))


def test_an_identity_ends_where_it_meets_itself() -> None:
    piece = Piece(a=1)
    piece.__dict__["own"] = piece
    assert identity(piece) == identity(piece)
    assert " at 0x" not in identity(Piece(lock=object(), made=lambda: 1))


def test_a_key_is_the_same_in_every_process() -> None:
    script = (
        "import os\nfrom ragdiet.answers import digest\nfrom ragdiet.guard import InjectionGuard, Masking\n"
        "from ragdiet.analysis import analyzer\n"
        "if os.environ['PYTHONHASHSEED'] == '2': analyzer().numbers('words that were met before')\n"
        "from ragdiet.diet import SentenceDiet\nfrom ragdiet.confidence import LogisticConfidence\n"
        "print(digest(InjectionGuard(), Masking(), SentenceDiet(), LogisticConfidence.default()).hex())"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(shown) == 1
    assert digest("a", "b") != digest("ab") != digest("b", "a")


def test_settings_that_cannot_work() -> None:
    for bad in ({"ttl": timedelta(0)}, {"most": 0}, {"most": True}, {"similar": 0.0}, {"similar": 1.5}):
        with pytest.raises(InvalidArgument, match="give"):
            AnswerCache(**bad)  # type: ignore[arg-type]


def test_a_threshold_is_for_the_model_that_it_was_measured_with() -> None:
    certified = certified_threshold()
    own = Space(name="own", model=certified.embedder, dimensions=3)
    other = Space(name="other", model="of another maker", dimensions=3)
    assert AnswerCache().threshold(other, "german") is None
    assert AnswerCache(similar=True).threshold(own, "english") == certified.cosine
    assert AnswerCache(similar=0.9).threshold(other, "english") == 0.9
    with pytest.raises(NotCertified, match=r"similar=0\.9") as caught:
        AnswerCache(similar=True).threshold(other, "english")
    assert caught.value.model == "of another maker"
    with pytest.raises(InvalidArgument, match="English alone"):
        AnswerCache(similar=0.9).threshold(own, "german")
