from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ragdiet.analysis import analyzer
from ragdiet.chunk import RecursiveChunker
from ragdiet.diet import Run, trim
from ragdiet.diet.passages import read_passages
from ragdiet.diet.relevance import relevance
from ragdiet.errors import DimensionMismatch, InvalidArgument, InvalidQuestion
from ragdiet.sentences import split_sentences
from ragdiet.types import Document, Hit
from tests.embedders import WordEmbedder

QUESTION = "How long is the notice period?"
HANDBOOK = (
    "Lunch is served at noon. The notice period is thirty days. It begins on the first of a month. "
    "During the notice period holidays may be taken. Bicycles are parked behind the hall."
)
EMBEDDER = WordEmbedder()


def hit(text: str, *, number: int = 1, start: int = 0, document: str = "handbook", vectors: bool = False) -> Hit:
    spans = split_sentences(text)
    return Hit(
        chunk_id=number,
        document_id=document,
        text=text,
        score=1.0 / number,
        start=start,
        end=start + len(text),
        sentences=spans,
        sentence_vectors=embedded([text[a:b] for a, b in spans]).astype(np.float16) if vectors else None,
    )


def embedded(texts: Sequence[str]) -> NDArray[np.float32]:
    return EMBEDDER.embed(texts, kind="document").vectors


def chunked(text: str, size: int, overlap: int, *, vectors: bool = False) -> list[Hit]:
    chunks = RecursiveChunker(size, overlap).chunk(Document("handbook", text))
    return [hit(chunk.text, number=n, start=chunk.start, vectors=vectors) for n, chunk in enumerate(chunks, 1)]


def test_a_dull_sentence_stays_between_two_that_tell_and_goes_at_the_ends() -> None:
    (run,) = trim(QUESTION, [hit(HANDBOOK)], threshold=0.7)
    assert run.text.startswith("The notice period is thirty days.")
    assert "It begins on the first of a month." in run.text
    assert run.text.endswith("holidays may be taken.")


def test_vectors_find_what_shares_no_word_with_the_question() -> None:
    passage = hit("Lunch is at noon. Staff leave after thirty days. Bicycles are parked behind.", vectors=True)
    assert passage.sentence_vectors is not None
    vector = passage.sentence_vectors[1].astype(np.float32)
    (run,) = trim("When may I resign?", [passage], vector, threshold=0.7)
    assert run.text == "Staff leave after thirty days."


def test_a_hit_that_says_little_has_no_run() -> None:
    dull = hit("Bicycles are parked behind the hall. Lunch is served at noon.", number=2, document="house rules")
    assert [run.hit.chunk_id for run in trim(QUESTION, [hit(HANDBOOK), dull])] == [1]


def test_the_best_run_comes_first_wherever_its_hit_ranked() -> None:
    weak = hit("A notice hangs in the hall. Bicycles are parked behind it.", number=1, document="house rules")
    runs = trim(QUESTION, [weak, hit(HANDBOOK, number=2)], threshold=0.1)
    assert [run.hit.chunk_id for run in runs] == [2, 1]
    assert runs[0].score > runs[1].score


def test_a_sentence_of_two_overlapping_chunks_is_kept_once() -> None:
    one, two = "The notice period is thirty days. ", "The notice period of managers is ninety days."
    first, second = hit(one + two), hit(two, number=2, start=len(one))
    (run,) = trim(QUESTION, [first, second])
    assert (run.hit, run.text) == (first, one + two)
    elsewhere = replace(second, document_id="another handbook")
    assert len(trim(QUESTION, [first, elsewhere])) == 2


def test_a_run_does_not_reach_across_what_an_earlier_one_holds() -> None:
    three = [f"The notice period of {who} is thirty days. " for who in ("cooks", "drivers", "managers")]
    middle = hit(three[1], start=len(three[0]))
    around = hit("".join(three), number=2)
    texts = {run.hit.chunk_id: run.text for run in trim(QUESTION, [middle, around], threshold=0.3)}
    assert texts[1] == three[1].strip()
    assert texts[2] in (three[0].strip(), three[2].strip())


def test_hits_without_offsets_do_not_overlap() -> None:
    cooks, maids = (
        hit(f"The notice period of {who} is long.", number=n) for n, who in enumerate(("cooks", "maids"), 1)
    )
    assert len(trim(QUESTION, [replace(cooks, end=0), replace(maids, end=0)])) == 2


def test_without_any_score_the_hits_are_kept_whole() -> None:
    (run,) = trim("Xyzzy?", [hit(HANDBOOK)])
    assert run.text == HANDBOOK


def test_a_higher_threshold_keeps_less() -> None:
    lengths = [
        sum(len(run.text) for run in trim(QUESTION, chunked(HANDBOOK, 24, 0), threshold=threshold))
        for threshold in (0.0, 0.5, 0.95)
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[-1]


def test_nothing_gives_nothing() -> None:
    assert trim(QUESTION, []) == ()
    assert trim(QUESTION, [hit(" \n")]) == ()


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(InvalidArgument, match="threshold"):
        trim(QUESTION, [hit(HANDBOOK)], threshold=threshold)


def test_a_blank_question_and_vectors_of_another_model_are_refused() -> None:
    with pytest.raises(InvalidQuestion):
        trim(" ", [hit(HANDBOOK)])
    with pytest.raises(DimensionMismatch):
        trim(QUESTION, [hit(HANDBOOK, vectors=True)], np.ones(3, np.float32))


words = st.lists(st.sampled_from("notice period thirty days lunch noon hall park the of".split()), min_size=1)
texts = st.lists(words.map(lambda some: " ".join(some).capitalize() + "."), min_size=1, max_size=12).map(" ".join)


@given(texts, st.integers(8, 40), st.booleans(), st.booleans(), st.floats(0, 0.99))
def test_runs_are_whole_sentences_each_paid_for_once(
    text: str, size: int, overlapping: bool, vectors: bool, threshold: float
) -> None:
    hits = chunked(text, size, size // 3 if overlapping else 0, vectors=vectors)
    vector = embedded([QUESTION])[0] if vectors else None
    runs = trim(QUESTION, hits, vector, threshold=threshold)
    assert runs
    assert runs == trim(QUESTION, hits, vector, threshold=threshold)
    assert [run.score for run in runs] == sorted((run.score for run in runs), reverse=True)
    assert len({run.hit.chunk_id for run in runs}) == len(runs)
    for run in runs:
        assert run.start in [start for start, _ in run.hit.sentences]
        assert run.end in [end for _, end in run.hit.sentences]
    held = [sentence for run in runs for sentence in sentences_of(run)]
    assert len(set(held)) == len(held)


def sentences_of(run: Run) -> list[tuple[int, int]]:
    return [
        (run.hit.start + start, run.hit.start + end)
        for start, end in run.hit.sentences
        if run.start <= start and end <= run.end
    ]


PLAIN = ("notice", "notice period", "lunch", "hall", "notice lunch is served in the hall at noon", "lunch in the park")


@given(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=9), st.sampled_from([0.5, 0.7, 0.8, 0.9, 0.95]))
def test_no_other_run_of_a_hit_is_worth_more(sentences: list[str], threshold: float) -> None:
    """All runs are tried, their worth added up as the module says, one sentence at a time."""
    passage = hit(" ".join(f"{one.capitalize()}." for one in sentences))
    scores = sentence_scores(passage)
    if not any(scores):
        return
    (run,) = trim(QUESTION, [passage], threshold=threshold)
    worth = [
        (score - threshold * max(scores)) * (end - start)
        for score, (start, end) in zip(scores, passage.sentences, strict=True)
    ]
    kept = [run.start <= start and end <= run.end for start, end in passage.sentences]
    most = max(sum(worth[first:end]) for first, end in combinations(range(len(worth) + 1), 2))
    assert sum(value for value, inside in zip(worth, kept, strict=True) if inside) == pytest.approx(most)


def sentence_scores(passage: Hit) -> list[float]:
    """Relevance, and 0.3 of each neighbour's."""
    alone = relevance(QUESTION, read_passages([passage], None), analyzer()).tolist()
    padded = [0.0, *alone, 0.0]
    return [padded[n] + 0.3 * (padded[n - 1] + padded[n + 1]) for n in range(1, len(alone) + 1)]
