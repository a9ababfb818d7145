"""The benchmark programs start, say loudly when they have no data, and measure as their fields do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import chunk_metrics
from benchmarks.chunk_metrics import Range, covered, intersection_over_union, precision, precision_omega, within
from benchmarks.chunk_peers import SplitterChunker, located
from benchmarks.metrics import ndcg, recall, reciprocal_rank
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.protocols import Chunker
from ragdiet.types import Document

ROOT = Path(__file__).parents[1]
PROGRAMS = (
    "chunk_speed",
    "chunking",
    "confidence",
    "cost",
    "diet",
    "diet_auto",
    "gates",
    "ingest",
    "nll",
    "observe",
    "quality",
    "retrieval",
)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{program}", *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_names_the_data(program: str) -> None:
    shown = run(program, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "--data" in shown.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_absent_data_is_said_loudly(program: str, tmp_path: Path) -> None:
    shown = run(program, "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out.json"))
    assert shown.returncode != 0
    assert shown.stderr.startswith("DATASET ABSENT")
    assert not (tmp_path / "out.json").exists()


def test_metrics_of_a_ranking_worked_by_hand() -> None:
    ranked, grades = ["x", "a", "y", "b"], {"a": 2, "b": 1, "c": 1}
    best = 2 / 1 + 1 / 1.5849625 + 1 / 2
    assert ndcg(ranked, grades) == pytest.approx((2 / 1.5849625 + 1 / 2.3219281) / best)
    assert recall(ranked, grades) == pytest.approx(2 / 3)
    assert reciprocal_rank(ranked, grades) == 0.5
    assert (ndcg(["x"], grades), recall(["x"], grades), reciprocal_rank(["x"], grades)) == (0, 0, 0)


WANTED: list[Range] = [("a", 10, 20), ("a", 30, 50)]
FOUND: list[Range] = [("a", 0, 15), ("a", 12, 40), ("b", 10, 20)]


def test_metrics_of_retrieved_text_worked_by_hand() -> None:
    """Of 30 wanted characters 20 are found, among 15 + 28 + 10 retrieved."""
    assert covered(WANTED, FOUND) == 20
    assert chunk_metrics.recall(WANTED, FOUND) == pytest.approx(20 / 30)
    assert precision(WANTED, FOUND) == pytest.approx(20 / 53)
    assert intersection_over_union(WANTED, FOUND) == pytest.approx(20 / (53 + 10))
    # The first three of these touch what is wanted: 60 characters for 30.
    assert precision_omega(WANTED, [("a", 0, 15), ("a", 12, 40), ("a", 40, 60), ("a", 60, 80)]) == 0.5
    assert (chunk_metrics.recall(WANTED, []), precision(WANTED, []), intersection_over_union(WANTED, [])) == (0, 0, 0)


def test_a_context_of_so_many_tokens_cuts_the_passage_that_goes_over() -> None:
    def cut(one: Range, most: int) -> tuple[Range, int]:  # a token a character
        document, start, end = one
        return (document, start, min(end, start + most)), min(most, end - start)

    assert within(FOUND, 20, cut) == [("a", 0, 15), ("a", 12, 17)]
    assert within(FOUND, 15, cut) == [("a", 0, 15)]
    assert within(FOUND, 99, cut) == FOUND


ranges = st.lists(
    st.builds(
        lambda document, start, length: (document, start, start + length),
        st.sampled_from("ab"),
        st.integers(0, 30),
        st.integers(1, 12),
    )
)


@given(ranges, ranges)
def test_what_two_lists_of_ranges_share_is_counted_character_by_character(one: list[Range], other: list[Range]) -> None:
    def characters(some: list[Range]) -> set[tuple[str, int]]:
        return {(document, offset) for document, start, end in some for offset in range(start, end)}

    assert covered(one, other) == len(characters(one) & characters(other))
    assert chunk_metrics.length(chunk_metrics.union(one)) == len(characters(one))


def test_a_splitter_becomes_a_chunker_of_exact_slices() -> None:
    text = "One. Two. One. Two. Three."
    chunker = SplitterChunker("test", lambda _: ["One. Two.", "Two. One.", "  ", "One. Two. Three.\ufffd"])
    assert isinstance(chunker, Chunker)
    chunks = chunker.chunk(Document("d", text))
    assert [(chunk.start, chunk.end) for chunk in chunks] == [(0, 9), (5, 14), (10, 26)]
    assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    with pytest.raises(ValueError, match="changed the text"):
        list(located(text, ["Four."]))
