"""A text that a model does not take whole: how its refusal is known, and the text in two."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragdiet.errors import ModelError

# Bedrock has one code, ValidationException, for all that is wrong with a request; these are the words of Titan
# ("Too many input tokens"), of Cohere's models ("expected maxLength: 2048", "Input is too long for requested model")
# and of vLLM ("This model's maximum context length is 512 tokens").
_TOO_LONG = re.compile(
    r"too (many|long)|maxlength|max(imum)?\s+((input|context)\s+)?(tokens|length)|exceed", re.IGNORECASE
)
_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[.!?。！？]\s*"), re.compile(r"\s+"))


def is_too_long(error: ModelError) -> bool:
    """Whether a model refused a request since a text in it is too long, as far as its words tell."""
    return _TOO_LONG.search(str(error)) is not None


def halves(text: str) -> tuple[str, str]:
    """The text in two, cut near its middle: at a paragraph, a line, a sentence or a word's end, whichever of these
    is found first within the middle half. Only white space at the cut is lost.

    >>> halves("The first one. The second one.")
    ('The first one.', 'The second one.')
    >>> halves("abcdef")
    ('abc', 'def')
    """
    low, middle, high = len(text) // 4, len(text) // 2, -(-3 * len(text) // 4)
    for found in (list(pattern.finditer(text, low, high)) for pattern in _BREAKS):
        if found:
            end = min((match.end() for match in found), key=lambda end: abs(end - middle))
            if text[:end].strip() and text[end:].strip():
                return text[:end].rstrip(), text[end:].lstrip()
    return text[:middle], text[middle:]
