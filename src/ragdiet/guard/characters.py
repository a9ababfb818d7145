"""Characters that nobody sees, which can hide words from people and show them to models."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_IN_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Soft hyphen, grapheme joiner, marks and overrides of direction (UAX 9), zero-width space, word joiner, fillers,
# interlinear marks, and the tag characters, which mirror ASCII and are read by models.
_UNSEEN = re.compile(
    "[\xad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e00ff]"
)
# Persian, Indic scripts and emoji need joiners; between letters of Latin, Greek or Cyrillic they only split words.
_NEEDLESS_JOINER = re.compile("(?<![\u0590-\U0010ffff])[\u200c\u200d]+|(?<=[\u200c\u200d])[\u200c\u200d]+")
# One selects the form of the character before it. A run of them selects nothing, and can carry a text.
_VARIATION_RUN = re.compile("(?<=[\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f\U000e0100-\U000e01ef]+")


def visible(text: str, *, lines: bool = False) -> str:
    """``text`` without characters that are not seen; controls become spaces, line ends and tabs too unless ``lines``.

    >>> visible("Ig\\u200bnore \\u202ethis\\u202c\\n")
    'Ignore this '
    """
    text = (_CONTROL_IN_LINES if lines else _CONTROL).sub(" ", text)
    if text.isascii():
        return text
    return _VARIATION_RUN.sub("", _NEEDLESS_JOINER.sub("", _UNSEEN.sub("", text)))
