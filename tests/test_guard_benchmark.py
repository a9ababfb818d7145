"""The guard's benchmark: halves that share nothing, values that are what they claim, figures that are counted right."""

from __future__ import annotations

from collections import Counter

from benchmarks.guard import attacks_in_documents, by_kind, masking, refused_questions, sensitive_made
from benchmarks.guard_sets import contexts, is_bipia, prompts
from benchmarks.guard_values import MANY, SENTENCES, made_texts

from ragdiet.guard import InjectionGuard
from tests.data import dataset

FOLDER = dataset("prompt_injection").parent


def test_no_kind_of_attack_and_no_text_is_in_both_halves() -> None:
    texts = prompts(FOLDER)
    halves = [
        {text.kind for text in texts if text.fitted == fitted and is_bipia(text.kind)} for fitted in (True, False)
    ]
    assert halves[0].isdisjoint(halves[1])
    assert min(map(len, halves)) >= 10
    assert {t.text for t in texts if t.fitted}.isdisjoint({t.text for t in texts if not t.fitted})
    assert not {*contexts(FOLDER, fitted=True)} & {*contexts(FOLDER, fitted=False)}
    counts = Counter((text.is_attack, text.fitted) for text in texts)
    assert counts == {(True, True): 71, (True, False): 66, (False, True): 69, (False, False): 68}


def test_values_are_always_the_same_and_where_they_are_said_to_be() -> None:
    first, again = [*made_texts()], [*made_texts()]
    assert first == again
    assert Counter(kind for kind, *_ in first) == dict.fromkeys({kind for kind, *_ in first}, MANY * len(SENTENCES))
    assert all(0 <= start < end <= len(text) for _, text, start, end in first)
    assert len({text[start:end] for _, text, start, end in first}) > 0.8 * len(first)


def test_recall_and_false_alarms_are_told_apart() -> None:
    judged = [("a", True, True), ("a", True, False), ("b", False, True), ("b", False, False), ("b", False, False)]
    assert by_kind(judged) == [
        {"kind": "a", "texts": 2, "recall": 0.5},
        {"kind": "b", "texts": 3, "false_alarms": 0.3333},
    ]


def test_a_guard_that_sees_nothing_or_everything_shows() -> None:
    blind = InjectionGuard(question=1, passage=1)
    assert all(row.get("recall", 0) == 0 for row in refused_questions(FOLDER, blind))
    assert all(row["recall"] == 0 for row in attacks_in_documents(FOLDER, blind))
    wary = InjectionGuard(passage=0.01)
    rows = attacks_in_documents(FOLDER, wary)
    assert all(row["recall"] == 1 for row in rows)
    assert all(not row["own_sentences_lost"].startswith("0 of") for row in rows)


def test_goals() -> None:
    assert all(row["recall"] >= 0.98 and row["precision"] >= 0.98 for row in sensitive_made())
    measured = masking(FOLDER)
    assert measured["values_sent"] == 0
    assert measured["texts_shown_again_whole"] == measured["texts_with_values"]
