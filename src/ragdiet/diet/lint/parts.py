"""The texts of a prompt that are linted, and their statements: sentences that tell a model something."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from ragdiet.diet.lines import FENCE
from ragdiet.sentences import split_sentences

SYSTEM = "system"

# A row of a table, JSON, markup, a line of a dialogue or an example: repeated and worded as it must be.
_NO_STATEMENT = re.compile(
    r"""[|<]|.*(?:"\s*:|[{};]\Z)|(?:Q|A|User|Assistant|Human|Question|Answer|Input|Output|Example)[ ]?\d*:""",
    re.IGNORECASE | re.DOTALL,
)
_ITEM = re.compile(r"(?:[-*+•◦▪‣–]|\(?\d{1,3}[.)])\s+")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|[^\W_]+")
_NOT = re.compile(r"n['’]t\b", re.IGNORECASE)
_OWNS = re.compile(r"['’]s\b", re.IGNORECASE)
# They ask, please and point, and take no part in what is said.
_EMPTY = frozenset(
    "the a an please kindly also always must should shall do you your to be is are it and that ensure make sure "
    "remember note important".split()
)
_FEWEST_WORDS = 3  # of a line that gives the wording below it, rather than a heading
_SAME = {"never": ("not",), "cannot": ("can", "not"), "ca": ("can",), "wo": ("will",)}


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of ``part``, without the mark of its list item. ``words`` are its words in lower case, ``key`` those
    that carry meaning, "never" as "not". It stands under ``heading``, and in the list that ``lead`` leads to."""

    part: Part
    start: int
    end: int
    words: tuple[str, ...]
    key: tuple[str, ...]
    heading: str
    lead: str

    @property
    def text(self) -> str:
        return self.part.text[self.start : self.end]

    @property
    def place(self) -> str:
        return self.part.place(self.start)


@dataclass(frozen=True)
class Part:
    """One text of a prompt. ``name`` is such as "example 2, sources"."""

    name: str
    text: str

    @cached_property
    def _lines(self) -> list[int]:
        return [match.end() for match in re.finditer("\n", self.text)]

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """In order; none within a code fence, nor the wording that a line ending with a colon gives."""
        found: list[Statement] = []
        is_fenced = is_list = False
        heading = lead = ""
        for start, end in split_sentences(self.text):
            text = self.text[start:end]
            if FENCE.match(text):
                is_fenced = not is_fenced
            if is_fenced:
                continue
            if text.startswith("#"):
                heading, lead = text, ""
                continue
            if item := _ITEM.match(text):
                start, text, is_list = start + item.end(), text[item.end() :], True
            elif is_list:
                lead, is_list = "", False
            words = words_of(text)
            is_given = not item and len(words_of(lead)) >= _FEWEST_WORDS
            if words and not is_given and not _NO_STATEMENT.match(text):
                found.append(Statement(self, start, end, words, _key(words), heading, lead))
            if not item:
                lead = text if text.endswith((":", "：")) else ""
        return tuple(found)

    def place(self, offset: int) -> str:
        """Where a character stands: the line too, where there may be more than one."""
        if self.name != SYSTEM and not self._lines:
            return self.name
        return f"{self.name}, line {bisect_right(self._lines, offset) + 1}"


def words_of(text: str) -> tuple[str, ...]:
    """Words in lower case, "don't" as "do not" and "user's" as "user"; each character of scripts without spaces."""
    said = _WORD.findall(_OWNS.sub("", _NOT.sub(" not", text)).lower())
    return tuple(same for word in said for same in _SAME.get(word, (word,)))


def _key(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in _EMPTY)


def is_quoted(text: str, start: int) -> bool:
    """Whether an odd number of quotes or backticks stands before ``start``: what follows is somebody's wording."""
    before = text[:start]
    return any(before.count(mark) % 2 for mark in '"`') or before.count("“") > before.count("”")
