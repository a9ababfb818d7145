"""The tokenizer of the played models: one token a word, times a ratio, so that it is nobody else's."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words of a text in lower case.

    >>> words("When is lunch?")
    ['when', 'is', 'lunch']
    """
    return [word.lower() for word in _WORD.findall(text)]


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """``ratio`` tokens a word, rounded up for the whole text; at least one where there is any text.

    >>> Tokenizer().count("When is lunch?"), Tokenizer(1.25).count("When is lunch?"), Tokenizer().count(" ")
    (3, 4, 0)
    """

    ratio: float = 1.0

    def count(self, text: str) -> int:
        """The tokens of ``text``."""
        return max(1, math.ceil(len(_WORD.findall(text)) * self.ratio)) if text.strip() else 0

    def first(self, text: str, most: int) -> str:
        """The longest beginning of ``text`` that has at most ``most`` tokens.

        >>> Tokenizer().first("Lunch is at noon.", 2)
        'Lunch is'
        """
        if self.count(text) <= most:
            return text
        fit = max(1, int(most / self.ratio))  # a model that may say anything says one word
        ends = [found.end() for found in _WORD.finditer(text)]
        return text[: ends[fit - 1]] if ends else text[:1]

    def last(self, text: str, most: int) -> str:
        """The longest end of ``text`` that has at most ``most`` tokens.

        >>> Tokenizer().last("Lunch is at noon.", 2)
        'at noon.'
        """
        if self.count(text) <= most:
            return text
        fit = max(1, int(most / self.ratio))
        starts = [found.start() for found in _WORD.finditer(text)]
        return text[starts[-fit] :] if starts else text[-1:]
