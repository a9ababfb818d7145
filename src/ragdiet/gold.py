"""Whether a text says what is known to be right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_CITED = re.compile(r"\[\d+\]")
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def holds(text: str, answers: Iterable[str]) -> bool:
    """Whether one of the answers stands in the text as whole words, both without citations, punctuation, articles and
    the difference of small and capital letters, as SQuAD's evaluation has it (Rajpurkar and others 2016). In scripts
    without spaces between words it may stand anywhere.

    >>> holds("It is Three months [1].", ["the three months"]), holds("It is thirty months.", ["three months"])
    (True, False)
    """
    words = f" {normalised(text)} "
    return any(_stands(f" {form} ", words) for answer in answers if (form := normalised(answer)))


def normalised(text: str) -> str:
    """The text's words alone, in small letters, a space between them."""
    bare = unicodedata.normalize("NFKC", _CITED.sub(" ", text)).casefold()
    kept = "".join(
        character for character in bare if not unicodedata.category(character).startswith("P") or character == "%"
    )
    return " ".join(_ARTICLE.sub(" ", kept).split())


def _stands(form: str, words: str) -> bool:
    return (form.strip() in words) if _UNSPACED.search(form) else (form in words)
