"""Both cl100k counters give the same counts, and those add up where the chunkers rely on it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ragdiet.protocols import TokenCounter
from ragdiet.tokens import Cl100kCounter, FastCl100kCounter, adds_up_at_spaces, default_counter
from tests.data import dataset

SLOW, FAST = Cl100kCounter(), FastCl100kCounter()

WORDS = [
    "Word",
    " it's",
    "I'LL",
    "  x",
    "好的。",
    "۵٦",
    "🙂",
    "👩‍👩‍👧",
    "e\u0301",
    "\0",
    "\ud800",
    "\udc00",
    "<|endoftext|>",
]
MARKS = [
    "\n",
    "\r\n",
    "\t",
    " " * 600,
    "!" * 513,
    "a" * 1_100,
    "1234567",
    ".\n\n",
    "\u2028",
    "\u00a0",
    "\ufeff",
    "\x85",
]
TEXTS = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(codec=None), max_size=80),  # lone surrogates too
    st.lists(st.sampled_from(WORDS + MARKS), max_size=30).map("".join),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(TEXTS, max_size=4))
@example(["\ufeffa\ud800", "plain", ""])
def test_the_fast_counter_counts_as_tiktoken_does(texts: list[str]) -> None:
    counts = FAST.count_batch(texts)
    assert counts == SLOW.count_batch(texts)
    assert counts == [FAST.count(text) for text in texts] == [len(SLOW.encode(text)) for text in texts]
    assert FAST.count_batch(texts * 100) == counts * 100  # large batches go another way


def test_the_fast_counter_counts_real_files_as_tiktoken_does() -> None:
    root = dataset("real_docs")
    texts = [path.read_bytes().decode("latin-1") for path in sorted(root.rglob("*.pdf"))]
    texts = [text[start : start + 20_000] for text in texts for start in (0, len(text) // 2)]  # binary noise
    texts += [
        path.read_text("utf-8", "surrogateescape")
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".pdf"
    ]
    assert len(texts) > 100
    assert FAST.count_batch(texts) == SLOW.count_batch(texts)


def test_the_fast_counter_counts_the_standard_library_as_tiktoken_does() -> None:
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = [source.read_text("utf-8", "surrogateescape") for source in sources]
    lines = [line for text in texts[::10] for line in text.splitlines(keepends=True)]
    assert len(texts) > 100
    assert FAST.count_batch(texts) == SLOW.count_batch(texts)
    assert FAST.count_batch(lines) == SLOW.count_batch(lines)


@settings(max_examples=500, deadline=None)
@given(TEXTS, st.sampled_from([" ", "\t", "\n", "\r\n", "\n\n", ".\n", "x\n \n"]), TEXTS)
def test_counts_add_up_where_white_space_begins_or_a_line_ends(before: str, between: str, after: str) -> None:
    before, after = before.rstrip() or "x", after.lstrip() or "x"
    if between.isspace() and between[-1] not in "\r\n":
        after = between + after
    else:
        before += between
    assert FAST.count(before + after) == FAST.count(before) + FAST.count(after)


def test_what_adds_up_is_said_by_the_counter() -> None:
    class Plain:
        name = "plain"

    assert adds_up_at_spaces(SLOW)
    assert adds_up_at_spaces(FAST)
    assert not adds_up_at_spaces(Plain())


def test_the_default_is_the_fast_one_under_the_same_name() -> None:
    assert isinstance(default_counter(), FastCl100kCounter)
    assert isinstance(default_counter(), TokenCounter)
    assert default_counter() is default_counter()
    assert FAST.name == SLOW.name == "cl100k"


@pytest.mark.parametrize("counter", [SLOW, FAST])
@pytest.mark.parametrize("pattern", ["x", " ", "!", "好", "a ", "\n"])
def test_time_is_linear(counter: TokenCounter, pattern: str) -> None:
    def seconds(size: int) -> float:
        text = pattern * (size // len(pattern))
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            counter.count(text)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(400_000) < 9 * seconds(100_000) + 0.05


def test_without_the_extra_tiktoken_counts() -> None:
    script = """
import sys
class WithoutToktok:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name == "toktok" else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [WithoutToktok(finder) for finder in sys.meta_path]
from ragdiet.tokens import FastCl100kCounter, default_counter
print(type(default_counter()).__name__, default_counter().count("hello world"))
try:
    FastCl100kCounter()
except ImportError as error:
    print(error)
"""
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, second = shown.stdout.splitlines()
    assert first == "Cl100kCounter 2"
    assert "pip install 'ragdiet[fast]'" in second
