from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

import ragdiet.quality.boilerplate as module
from ragdiet.quality.boilerplate import (
    EDGE_LINES,
    REPEATED_CHUNK_TOKENS,
    edge_lines,
    line_hash,
    repeated_chunks,
    without_boilerplate,
)
from ragdiet.types import Chunk

LINES = st.lists(
    st.sampled_from(["Home", "Page 3", "ACME", "---", "", "  ", "Own text.", "More of it.", "\r"]), max_size=30
).map("\n".join)
MENU = ("ACME Handbook", "Home | Products | Contact", "Page 3 of 9", "(c) 2024 ACME")
REPEATED = frozenset(map(line_hash, MENU))


def stripped(text: str, *, headings: tuple[int, ...] = ()) -> str:
    result, blanked = without_boilerplate(text, edge_lines(text), REPEATED, headings=headings)
    assert len(result) == len(text)
    assert result.count("\n") == text.count("\n")
    for start, end in blanked:
        assert result[start:end].isspace()
    return "\n".join(line for line in result.split("\n") if line.strip())


def test_first_and_last_lines_go_and_offsets_stay() -> None:
    text = "ACME Handbook\nHome | Products | Contact\n\nNotice is four weeks.\n\n(c) 2026 ACME\nPage 12 of 40\n"
    assert stripped(text) == "Notice is four weeks."
    result, blanked = without_boilerplate(text, edge_lines(text), REPEATED)
    assert result.index("Notice") == text.index("Notice")
    assert [text[start:end] for start, end in blanked] == [
        "ACME Handbook", "Home | Products | Contact", "(c) 2026 ACME", "Page 12 of 40",
    ]  # fmt: skip


def test_a_line_between_the_documents_own_is_never_touched() -> None:
    text = "ACME Handbook\nOwn.\nHome | Products | Contact\nOwn too.\nPage 1 of 2\nOwn at last."
    assert stripped(text) == "\n".join(text.split("\n")[1:])


def test_a_document_of_repeated_lines_alone_is_left_as_it_is() -> None:
    text = "ACME Handbook\n\nPage 3 of 9"
    assert without_boilerplate(text, edge_lines(text), REPEATED) == (text, ())


def test_a_heading_right_above_own_text_stays() -> None:
    text = "Home | Products | Contact\nACME Handbook\nNotice is four weeks."
    assert stripped(text) == "Notice is four weeks."
    assert stripped(text, headings=(text.index("ACME"),)) == "ACME Handbook\nNotice is four weeks."


def test_a_title_above_the_pages_own_heading_goes() -> None:
    text = "ACME Handbook\nLeaving\nNotice is four weeks."
    assert stripped(text, headings=(0, text.index("Leaving"))) == "Leaving\nNotice is four weeks."


def test_a_title_above_the_menu_goes() -> None:
    text = "ACME Handbook\nHome | Products | Contact\nNotice is four weeks."
    assert stripped(text, headings=(0,)) == "Notice is four weeks."


def test_a_headings_underline_stays_with_it() -> None:
    text = "ACME Handbook\n=============\nNotice is four weeks."
    edges = edge_lines(text)
    repeated = {edge.hash for edge in edges[:2]}
    assert without_boilerplate(text, edges, repeated, headings=(0,)) == (text, ())


def test_what_a_hash_looks_past_and_what_it_does_not() -> None:
    assert line_hash("Page 3 of 9") == line_hash("  page  12 of\t40 ")
    assert line_hash("(c) 2024 ACME") == line_hash("(c) 1999 ACME")
    assert line_hash("Invoice 4711") != line_hash("Invoice 4712")
    assert line_hash("Home") != line_hash("Homes")


def test_edges_of_a_long_text_are_its_first_and_last_lines() -> None:
    lines = [f"line {number}" for number in range(100)]
    edges = edge_lines("\n\n".join(lines))
    texts = ["\n\n".join(lines)[edge.start : edge.end] for edge in edges]
    assert texts == lines[:EDGE_LINES] + lines[-EDGE_LINES:]
    assert [edge.is_first for edge in edges] == [True] * EDGE_LINES + [False] * EDGE_LINES


@given(LINES)
def test_edges_are_lines_in_order_none_twice(text: str) -> None:
    edges = edge_lines(text)
    position = -1
    for edge in edges:
        assert position < edge.start < edge.end
        assert text[edge.start : edge.end].strip()
        assert edge.start == 0 or text[edge.start - 1] == "\n"
        assert edge.end == len(text) or text[edge.end] == "\n"
        assert -(2**63) <= edge.hash < 2**63
        position = edge.end
    lines = [line for line in text.split("\n") if line.strip()]
    assert len(edges) == min(len(lines), 2 * EDGE_LINES)
    assert [edge.is_first for edge in edges] == sorted((edge.is_first for edge in edges), reverse=True)


@given(LINES, st.lists(st.integers(0, 200), max_size=4))
def test_what_is_left_is_the_middle_and_never_nothing(text: str, headings: list[int]) -> None:
    repeated = frozenset(map(line_hash, ("Home", "Page 1", "ACME", "---")))
    result, blanked = without_boilerplate(text, edge_lines(text), repeated, headings=headings)
    assert len(result) == len(text)
    assert bool(result.strip()) == bool(text.strip())
    kept = [line for line in result.split("\n") if line.strip()]
    lines = [line for line in text.split("\n") if line.strip()]
    first = next((n for n in range(len(lines) + 1) if lines[n : n + len(kept)] == kept), None)
    assert first is not None  # what is left is one run of lines
    assert len(kept) + len(blanked) == len(lines)


def chunk(ordinal: int, text: str, tokens: int = REPEATED_CHUNK_TOKENS) -> Chunk:
    return Chunk(ordinal=ordinal, text=text, start=0, end=len(text), tokens=tokens)


def test_a_later_chunk_of_the_same_text_is_repeated() -> None:
    chunks = [chunk(0, "The  terms apply."), chunk(1, "Other."), chunk(2, "the terms\napply."), chunk(3, "Other.", 5)]
    assert repeated_chunks(chunks) == (2,)


def test_examples_in_the_docstrings() -> None:
    assert doctest.testmod(module).failed == 0
