"""An answer's text in pieces, and what of a model's must not be shown before it is known what it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ragdiet.generate.prompt import REFUSAL

_WORD = re.compile(r"\s*\S+\s*$|\s*\S+")


def pieces(text: str) -> list[str]:
    """``text`` word by word, each with the space before it.

    >>> pieces("Three months. [1]")
    ['Three', ' months.', ' [1]']
    """
    return _WORD.findall(text)


def without_refusal(texts: Iterable[str]) -> Iterator[str]:
    """The texts, but a reply that is a refusal: as long as what has come could begin one, it is held back.

    >>> list(without_refusal(["NO", "T FOU", "ND"])), list(without_refusal(["NO", "W it", " is"]))
    ([], ['NOW it', ' is'])
    """
    held: str | None = ""
    for text in texts:
        if held is None:
            yield text
        elif not REFUSAL.startswith((held + text).strip()) and not (held + text).strip().startswith(REFUSAL):
            yield held + text
            held = None
        else:
            held += text
    if held and not held.strip().startswith(REFUSAL):
        yield held
