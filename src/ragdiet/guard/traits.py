"""What a text that gives orders to a model has about it: cheap traits, each there or not.

Words alone tell little: "ignore" and "prompt" stand in any manual. A trait is a verb together with what it is done to,
such as leaving rules aside, asking for the prompt, giving the model another part to play, or saying what a reply is to
hold. Its pattern is tried only where its words stand in the text, so most texts cost one look at their words.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata

from ragdiet.guard.characters import visible
from ragdiet.guard.orders import orders

MOST_CHARACTERS = 20_000
"""Of a longer text only so much is looked at, half of it from its end."""

_WORD = re.compile(r"[^\W\d_]\w*")
# Letters of Cyrillic and Greek that look like Latin ones, in words that mix the scripts.
_MIXED = re.compile(r"\b(?=\w{0,63}[a-z])(?=\w{0,63}[\u0370-\u03ff\u0400-\u04ff])\w{1,64}\b")
_LOOKALIKES = str.maketrans("аеорсухіѕјԁһκοαιτυνρ", "aeopcyxisjdhkoaituvp")
_SPACED = re.compile(r"(?<!\w)\w(?:[ .*_-]\w(?!\w)){3,}")
_BASE64 = re.compile(r"(?<![\w+/=])[A-Za-z0-9+/]{24,4096}+={0,2}(?![\w+/=])")


def folded(text: str) -> str:
    """``text`` in small letters as a model reads it all the same: unseen characters gone, look-alike letters and
    letters set apart made plain, and what base64 holds put after it.

    >>> folded("I g n o r e the \\u0440rompt")
    'ignore the prompt'
    """
    if len(text) > MOST_CHARACTERS:
        text = f"{text[: MOST_CHARACTERS // 2]} {text[-MOST_CHARACTERS // 2 :]}"
    hidden = [decoded for match in _BASE64.findall(text) if (decoded := _decoded(match))]
    text = " ".join((visible(text), *hidden)).casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
        text = _MIXED.sub(lambda match: match[0].translate(_LOOKALIKES), text)
    text = _SPACED.sub(lambda match: re.sub(r"[ .*_-]", "", match[0]), text)
    return " ".join(text.split())


def trait_names() -> tuple[str, ...]:
    return tuple(orders().traits)


def traits(text: str) -> frozenset[str]:
    """The names of the traits that the text has."""
    known = orders()
    plain = folded(text)
    words = frozenset(_WORD.findall(plain))
    likely = {name for word in words & known.first_words for name in known.by_word[word]}
    if not plain.isascii():
        likely.add("speaks_another_language")  # whose words need not stand apart
    return frozenset(
        name
        for name in likely
        if not any(each.isdisjoint(words) for each in known.traits[name].words[1:])
        and known.traits[name].pattern.search(plain)
    )


def _decoded(text: str) -> str:
    """The words that a base64 string holds, if it is one and they are words."""
    if not (re.search("[A-Z]", text) and re.search("[a-z]", text)):
        return ""
    try:
        decoded = base64.b64decode(f"{text}{'=' * (-len(text) % 4)}", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded if decoded.isprintable() and " " in decoded else ""
