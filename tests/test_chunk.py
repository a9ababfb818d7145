from __future__ import annotations

import argparse
import heapq
import inspect
import json.decoder
import sysconfig
import textwrap
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ragdiet.chunk import CodeChunker, FixedChunker, RecursiveChunker, StructureChunker
from ragdiet.errors import InvalidArgument
from ragdiet.protocols import Chunker, TokenCounter
from ragdiet.sentences import split_sentences
from ragdiet.tokens import Cl100kCounter, FastCl100kCounter, default_counter
from ragdiet.types import Chunk, Document


class CharacterCounter:
    """White space costs, and every count adds up exactly."""

    name = "characters"

    def count(self, text: str) -> int:
        return len(text)

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]


class SuperCounter:
    """A text costs more than its parts, so that every estimate is too low."""

    name = "super"

    def count(self, text: str) -> int:
        return len(text.split()) + len(text) // 100

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        return [self.count(text) for text in texts]


TEXTS = st.one_of(
    st.text(max_size=400),
    st.text(alphabet="ab .\n\t#-|`é好。🙂\u0301\u3000", max_size=600),
    st.lists(
        st.sampled_from(
            ["One is here.", "Two words", "\n", "\n\n", "- item", "# Head", "x" * 90, "好" * 40, "a, b; c", "\r\n"]
        )
    ).map(" ".join),
)
COUNTERS = st.sampled_from([default_counter(), CharacterCounter(), SuperCounter()])
Make = Callable[[int, int, TokenCounter | None], Chunker]
CHUNKERS: dict[str, Make] = {
    "recursive": RecursiveChunker,
    "fixed": FixedChunker,
    "structure": lambda size, overlap, counter: StructureChunker(size, counter),
    "code": lambda size, overlap, counter: CodeChunker(size, counter),
}
HEADINGS = st.lists(st.tuples(st.integers(0, 700), st.integers(1, 4), st.text(max_size=20)).map(list), max_size=8)


def assert_chunks(document: Document, chunks: Sequence[Chunk], size: int, counter: TokenCounter) -> None:
    covered = 0
    for ordinal, chunk in enumerate(chunks):
        assert chunk.ordinal == ordinal
        assert chunk.text == document.text[chunk.start : chunk.end] == chunk.text.strip() != ""
        assert chunk.tokens == counter.count(chunk.text) <= size
        assert not document.text[covered : chunk.start].strip()
        assert chunk.end > covered
        covered = chunk.end
        assert not chunk.sentences  # found by the ingest, once for each chunk that is kept
    assert not document.text[covered:].strip()
    assert all(first.start < second.start for first, second in pairwise(chunks))


@pytest.mark.parametrize("name", CHUNKERS)
@settings(max_examples=300, deadline=None)
@given(TEXTS, st.integers(8, 60), st.data(), COUNTERS, HEADINGS)
@example("\n".join(["= \r\n"] * 5), 8, None, CharacterCounter(), [[2, 1, "a"]])
def test_chunks_are_exact_slices_within_the_size(
    name: str, text: str, size: int, data: st.DataObject | None, counter: TokenCounter, headings: list[list[Any]]
) -> None:
    overlap = data.draw(st.integers(0, size // 2)) if data else 0
    document = Document("d", text, meta={"headings": headings, "pages": [0, 50]})
    chunks = CHUNKERS[name](size, overlap, counter).chunk(document)
    assert_chunks(document, chunks, size, counter)
    assert chunks == CHUNKERS[name](size, overlap, counter).chunk(document)


@pytest.mark.parametrize("name", CHUNKERS)
@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(8, 60), HEADINGS)
def test_the_fast_counter_changes_no_chunk(name: str, text: str, size: int, headings: list[list[Any]]) -> None:
    document = Document("d", text, meta={"headings": headings})
    slow, fast = (CHUNKERS[name](size, size // 4, counter) for counter in (Cl100kCounter(), FastCl100kCounter()))
    assert slow.chunk(document) == fast.chunk(document)
    assert slow.version == fast.version


@pytest.mark.parametrize("name", CHUNKERS)
def test_no_chunk_of_the_standard_library_is_over_the_size(name: str) -> None:
    for source in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::6]:
        document = Document("d", source.read_text("utf-8"), title=source.name)
        for size in (64, 512):
            assert_chunks(document, CHUNKERS[name](size, 0, None).chunk(document), size, default_counter())


@pytest.mark.parametrize("module", [argparse, heapq, json.decoder, textwrap])
@pytest.mark.parametrize(("size", "overlap"), [(256, 0), (64, 16), (1024, 0)])
def test_the_standard_library(module: ModuleType, size: int, overlap: int) -> None:
    document = Document("d", inspect.getsource(module), title=module.__name__)
    chunker = RecursiveChunker(size, overlap)
    assert isinstance(chunker, Chunker)
    chunks = chunker.chunk(document)
    assert_chunks(document, chunks, size, default_counter())
    assert sum(chunk.tokens for chunk in chunks) / len(chunks) > 0.6 * size or len(chunks) < 3
    assert {chunk.context for chunk in chunks} == {module.__name__}


@pytest.mark.parametrize("name", CHUNKERS)
@pytest.mark.parametrize("text", ["", " \n\t\n ", "\u3000\u2028"])
def test_a_blank_document_has_no_chunks(name: str, text: str) -> None:
    assert CHUNKERS[name](64, 0, None).chunk(Document("d", text, title="Blank")) == ()


@pytest.mark.parametrize("name", CHUNKERS)
@pytest.mark.parametrize("word", ["x" * 5_000, "好" * 900, "🙂" * 400, "e\u0301" * 900, "\ud800" * 300, "\0" * 700])
def test_one_word_over_the_size(name: str, word: str) -> None:
    document = Document("d", f"Before. {word} After.")
    chunks = CHUNKERS[name](64, 0, None).chunk(document)
    assert_chunks(document, chunks, 64, default_counter())
    assert "\ufffd" not in "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize("name", CHUNKERS)
@pytest.mark.parametrize(
    "between", ["", " " * 600, "\n" * 600, "\n" * 300 + " " * 300, ".\n \n", "\r\n\r\n", "\t", "\u3000", "\u2028\u2028"]
)
def test_counts_are_exact_whatever_lies_between_sentences(name: str, between: str) -> None:
    text = between.join(["今日は晴れです。", "明日は雨？", "「誰も」！", "Perhaps not.", "知らない。"] * 30)
    for size in (40, 512):
        assert_chunks(
            Document("d", text), CHUNKERS[name](size, 10, None).chunk(Document("d", text)), size, default_counter()
        )


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="b0好🙂é|`.,\u0301\u3000 \n", min_size=100, max_size=300), st.integers(8, 20))
def test_no_chunk_holds_only_what_overlaps(text: str, size: int) -> None:
    document = Document("d", text)
    for chunker in (FixedChunker(size, size // 2), RecursiveChunker(size, size // 2)):
        assert_chunks(document, chunker.chunk(document), size, default_counter())


def paragraph(words: int, word: str = "word") -> str:
    return " ".join([word] * (words - 1)) + " end."


def handbook() -> Document:
    parts = [
        (1, "Handbook", paragraph(30)),
        (2, "Leaving", ""),
        (3, "Notice period", paragraph(90, "notice")),
        (3, "Return of keys", paragraph(90, "keys")),
        (2, "Holidays", paragraph(90, "holiday")),
        (2, "Dress", paragraph(9, "tie")),
        (2, "Lunch", paragraph(9, "soup")),
    ]
    text, headings = "", []
    for level, title, body in parts:
        headings.append([len(text), level, title])
        text += f"{'#' * level} {title}\n\n{body}\n\n"
    return Document("d", text, title="Employee handbook", meta={"headings": headings})


def test_sections_begin_chunks_and_name_them() -> None:
    chunks = RecursiveChunker(150).chunk(handbook())
    assert [(chunk.text.split("\n")[0], chunk.context, chunk.meta["heading"]) for chunk in chunks] == [
        ("# Handbook", "Employee handbook > Handbook", "Handbook"),
        ("## Leaving", "Employee handbook > Handbook > Leaving", "Leaving"),
        ("### Return of keys", "Employee handbook > Handbook > Leaving > Return of keys", "Return of keys"),
        # two tiny sections share the chunk before them rather than make slivers of their own
        ("## Holidays", "Employee handbook > Handbook", "Holidays"),
    ]


def test_context_is_title_or_headings_or_nothing() -> None:
    text = "Top\n\nBody of it."
    headings = [[0, 1, "Top"]]

    def context(title: str | None, meta: dict[str, Any]) -> str:
        return RecursiveChunker().chunk(Document("d", text, title=title, meta=meta))[0].context

    assert context("Title", {}) == "Title"
    assert context(None, {"headings": headings}) == "Top"
    assert context("top", {"headings": headings}) == "top"
    assert context(None, {}) == ""
    assert context("two\n lines", {"headings": "not from a loader", "pages": 3}) == "two lines"


@given(st.text(max_size=600), st.lists(st.text(max_size=200), max_size=6))
def test_context_is_one_line_of_at_most_32_tokens(title: str, names: list[str]) -> None:
    headings = [[0, level, name] for level, name in enumerate(names, start=1)]
    (chunk,) = RecursiveChunker().chunk(Document("d", "Body.", title=title, meta={"headings": headings}))
    assert default_counter().count(chunk.context) <= 32
    assert len(chunk.context.splitlines()) <= 1


def test_a_long_path_keeps_the_title_and_the_innermost_heading() -> None:
    names = [f"Heading number {n} with many words" for n in range(1, 9)]
    headings = [[0, level, name] for level, name in enumerate(names, start=1)]
    (chunk,) = RecursiveChunker().chunk(Document("d", "Body.", title="Title", meta={"headings": headings}))
    assert chunk.context.startswith("Title > ")
    assert chunk.context.endswith(names[-1])


def test_pages_count_from_one() -> None:
    pages = [paragraph(100, word) for word in ("one", "two", "three")]
    text = "\n\n".join(pages)
    starts = [text.index(page) for page in pages]
    chunks = RecursiveChunker(128).chunk(Document("d", text, meta={"pages": starts}))
    assert [chunk.meta for chunk in chunks] == [{"page": 1}, {"page": 2}, {"page": 3}]


def test_the_strongest_border_is_taken() -> None:
    def cut(text: str) -> str:
        return RecursiveChunker(40, counter=CharacterCounter()).chunk(Document("d", text))[0].text

    assert (
        cut("One two three four five. Six.\n\nSeven eight nine ten eleven twelve.") == "One two three four five. Six."
    )
    assert cut("One two three four five.\nSix seven. Eight nine ten eleven twelve.") == (
        "One two three four five.\nSix seven."
    )
    assert (
        cut("One two three four five six seven, eight nine ten eleven twelve") == "One two three four five six seven,"
    )
    assert cut("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb") == "a" * 34


def test_an_introduction_stays_with_what_it_introduces() -> None:
    for words in range(20, 100, 5):
        steps = "\n".join(f"- {paragraph(8, 'step')}" for _ in range(4))
        text = f"{paragraph(words)}\n\nThe steps are as follows:\n\n{steps}\n\nIn closing\n\n{paragraph(words, 'then')}"
        for chunk in RecursiveChunker(100).chunk(Document("d", text)):
            assert not chunk.text.endswith(("follows:", "closing")), words


@pytest.mark.parametrize("level", [2, 5])
def test_a_heading_stays_with_its_section(level: int) -> None:
    lines = ["A", "B", "C", "D"]
    headings = [[3 * n, n + 1, line] for n, line in enumerate(lines)]
    for words in range(20, 100):
        before = "\n\n".join([*lines, paragraph(words)])
        text = f"{before}\n\nWho may leave?\n==============\n\nWhen?\n\n{paragraph(60, 'then')}"
        headings[4:] = [[text.index("Who"), level, "Who may leave?"], [text.index("When"), level + 1, "When?"]]
        for chunk in RecursiveChunker(100).chunk(Document("d", text, meta={"headings": headings})):
            assert not chunk.text.endswith(("?", "=")), words


@pytest.mark.parametrize("paragraphs", range(2, 8))
def test_no_slivers(paragraphs: int) -> None:
    text = "\n\n".join(["An even paragraph of exactly so many letters: 50."] * paragraphs) + "\n\nBye now."
    for size in range(64, 260, 7):
        chunks = RecursiveChunker(size, counter=CharacterCounter()).chunk(Document("d", text))
        assert min(chunk.tokens for chunk in chunks) >= size // 4, size


def test_overlap_repeats_whole_sentences() -> None:
    text = " ".join(f"Sentence number {n} has some words." for n in range(60))
    chunks = RecursiveChunker(100, 30).chunk(Document("d", text))
    assert len(chunks) > 4
    starts = {start for start, _ in split_sentences(text)}
    for first, second in pairwise(chunks):
        shared = text[second.start : first.end]
        assert second.start in starts
        assert 15 <= default_counter().count(shared) <= 30


def test_accents_stay_with_their_letters() -> None:
    text = "e\u0301" * 500
    for chunk in RecursiveChunker(20, counter=CharacterCounter()).chunk(Document("d", text)):
        assert chunk.text.startswith("e")


def test_the_version_names_what_changes_the_output() -> None:
    assert RecursiveChunker().version == "recursive-256-64-cl100k-v4"
    assert RecursiveChunker(64, 8, CharacterCounter()).version == "recursive-64-8-characters-v4"
    assert FixedChunker(64, 8).version == "fixed-64-8-cl100k-v3"
    assert StructureChunker().version == "structure-256-cl100k-v3"
    assert CodeChunker().version == "code-256-cl100k-v3"


@pytest.mark.parametrize(("size", "overlap"), [(7, 0), (-1, 0), (100, 51), (100, -1)])
def test_bad_parameters(size: int, overlap: int) -> None:
    for chunker in (RecursiveChunker, FixedChunker):
        with pytest.raises(InvalidArgument):
            chunker(size, overlap)
    for chunker in (StructureChunker, CodeChunker):
        with pytest.raises(InvalidArgument):
            chunker(7)


def test_a_counter_that_no_character_fits() -> None:
    class Greedy(CharacterCounter):
        def count(self, text: str) -> int:
            return 100 * len(text)

        def count_batch(self, texts: Sequence[str]) -> list[int]:
            return [self.count(text) for text in texts]

    with pytest.raises(InvalidArgument, match="one character"):
        RecursiveChunker(50, counter=Greedy()).chunk(Document("d", "abc"))


def test_windows_hold_as_many_whole_words_as_fit() -> None:
    text = " ".join(f"Sentence number {n} has some words." for n in range(200))
    chunks = FixedChunker(100).chunk(Document("d", text))
    assert min(chunk.tokens for chunk in chunks[:-1]) >= 95
    assert " ".join(chunk.text for chunk in chunks) == text


def test_windows_of_text_without_spaces_are_full_too() -> None:
    chunks = FixedChunker(100).chunk(Document("d", "今日は晴れです。" * 200))
    assert min(chunk.tokens for chunk in chunks[:-1]) > 80


def test_windows_overlap_by_whole_words() -> None:
    text = " ".join(f"Sentence number {n} has some words." for n in range(200))
    for first, second in pairwise(FixedChunker(100, 20).chunk(Document("d", text))):
        shared = text[second.start : first.end]
        assert text[second.start - 1] == " "
        assert 15 <= default_counter().count(shared) <= 20


def test_outermost_sections_never_share_a_chunk_and_small_ones_under_one_heading_do() -> None:
    chunks = StructureChunker(150).chunk(handbook())
    assert [(chunk.text.split("\n")[0], chunk.meta["heading"]) for chunk in chunks] == [
        ("# Handbook", "Handbook"),
        ("## Leaving", "Leaving"),
        ("### Return of keys", "Return of keys"),
        ("## Holidays", "Holidays"),
        ("## Dress", "Dress"),
        ("## Lunch", "Lunch"),
    ]
    # what stands before the first of them is too little for a chunk of 512
    wide = StructureChunker(512).chunk(handbook())
    assert [chunk.text.split("\n")[0] for chunk in wide] == ["# Handbook", "## Holidays", "## Dress", "## Lunch"]


@pytest.mark.parametrize(("words", "starts"), [(26, ["One", "E", "Two"]), (40, ["One", "A", "B", "C", "E", "Two"])])
def test_only_small_sections_of_one_parent_are_merged(words: int, starts: list[str]) -> None:
    text, headings = "", []
    for level, title in [(1, "One"), (2, "A"), (2, "B"), (2, "C"), (2, "E"), (1, "Two"), (2, "D")]:
        headings.append([len(text), level, title])
        text += f"{title}\n\n{paragraph(words, title.lower())}\n\n"
    chunks = StructureChunker(120).chunk(Document("d", text, meta={"headings": headings}))
    assert [chunk.text.split("\n")[0] for chunk in chunks] == starts


SHAPES = """\
import math


# What has an area.
# It is in square metres.
class Shape:
    \"\"\"Anything flat.\"\"\"

    sides = 0

    @property
    def area(self):
        \"\"\"Of the shape, by the usual formula.\"\"\"
        side = self.side()

        return side * side * math.pi / self.sides

    def side(self):
        lengths = [side.length for side in self.parts]

        return max(lengths) + min(lengths)


def largest(shapes):
    ordered = sorted(shapes, key=lambda shape: shape.area)

    return ordered[-1]
"""


@pytest.mark.parametrize("named", [True, False])
def test_definitions_stay_whole_with_what_stands_above_them(named: bool) -> None:
    lines = {"class Shape": 1, "    @property": 2, "    def side": 2, "def largest": 1}
    headings = [[SHAPES.index(line), level, line] for line, level in lines.items()] if named else []
    document = Document("shapes.py", SHAPES, meta={"headings": headings})

    def ends(size: int) -> list[tuple[str, str]]:
        lines = [chunk.text.splitlines() for chunk in CodeChunker(size).chunk(document)]
        return [(own[0].strip(), own[-1].strip()) for own in lines]

    area = "return side * side * math.pi / self.sides"
    longest = "return max(lengths) + min(lengths)"
    assert ends(80) == [
        ("import math", area),  # the header of the class with its first method
        ("def side(self):", longest),
        ("def largest(shapes):", "return ordered[-1]"),
    ]
    assert ends(64) == [("import math", "sides = 0"), ("@property", area), *ends(80)[1:]]
    assert ends(110) == [("import math", longest), ("def largest(shapes):", "return ordered[-1]")]


def test_a_definition_takes_along_the_comments_and_decorators_above_it() -> None:
    text = "a = 1\nb = 2\n# Says hello.\n# Twice.\n@twice\ndef hello(name):\n    print(name)\n    return (name)\n"
    document = Document("d", text, meta={"headings": [[text.index("@"), 1, "hello"]]})
    chunks = CodeChunker(32).chunk(document)
    assert [chunk.text.split("\n")[0] for chunk in chunks] == ["a = 1", "# Says hello."]


def test_code_of_other_languages_is_cut_at_its_braces() -> None:
    function = (
        "int f{n}(int a) {{\n    int b = a + {n};\n\n    if (b > {n}) {{\n        b = 0;\n    }}\n    return b;\n}}\n"
    )
    text = "".join(function.format(n=n) for n in range(20))
    for chunk in CodeChunker(100).chunk(Document("f.c", text)):
        assert chunk.text.startswith("int f")
        assert chunk.text.endswith("return b;\n}")


@pytest.mark.parametrize("name", CHUNKERS)
@pytest.mark.parametrize("pattern", ["x", "word ", "a.\n", "好", "# a\n\nb\n\n", "\n", "}\n\n a;\n"])
def test_time_is_linear(name: str, pattern: str) -> None:
    def seconds(size: int) -> float:
        text = pattern * (size // len(pattern))
        headings = [[at, 1, "a"] for at in range(0, size, 7)] if pattern[0] == "#" else []
        document = Document("d", text, meta={"headings": headings})
        best = float("inf")
        for _ in range(2):
            began = time.process_time()
            CHUNKERS[name](256, 32, None).chunk(document)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(80_000) < 9 * seconds(20_000) + 0.1
