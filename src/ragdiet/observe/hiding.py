"""What is hidden of a log line before it is kept: personal data and secrets, in whatever it holds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol, TypeAlias

from ragdiet.sensitive import find

Shown: TypeAlias = "str | int | float | bool | list[Shown] | dict[str, Shown] | None"

LONGEST = 8_192
"""Characters of a text that are kept."""

_MARGIN = 512
_MOST_ITEMS = 100
_DEEPEST = 4
# Escapes of a text that is quoted in another, as in a body of JSON: they hide where a value begins.
_ESCAPE = re.compile(r"""\\+(?:u(?P<code>[0-9a-fA-F]{4})|(?P<quote>["'])|[nrtfv](?=[\w+(]))""")
_SECRET_NAME = re.compile(
    r"(?i)passw|passphrase|pwd|secret|credential|authorization|cookie|api[_-]?key|(?:access|private|auth)[_-]?key|token\Z"
)


class Masks(Protocol):
    """What hides the values of a text that is to be kept, such as ``ragdiet.guard.Masking``."""

    def for_record(self, text: str) -> str: ...


class Everything:
    """Hides all that ``ragdiet.sensitive`` finds."""

    def for_record(self, text: str) -> str:
        parts: list[str] = []
        position = 0
        for finding in find(text):
            if finding.start >= position:
                parts += text[position : finding.start], f"<{finding.kind.upper()}>"
            position = max(position, finding.end)
        return "".join((*parts, text[position:]))


class Hiding:
    """Makes values fit to be kept. Whatever ``masks`` raises is raised."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self.name = lru_cache(2_048)(self.text)
        """``text`` for what many lines hold: tenants, models, names of asks."""

    def text(self, text: str) -> str:
        """``text`` without its values, and cut where it is too long: never within a value, as half a number would no
        longer be found."""
        plain = text[: LONGEST + _MARGIN]
        if "\\" in plain:
            plain = _ESCAPE.sub(_unescaped, plain)
        if "%40" in plain:
            plain = plain.replace("%40", "@")
        hidden = self._masks.for_record(plain)
        if len(text) <= LONGEST + _MARGIN:
            return hidden
        words = hidden[:-_MARGIN].rsplit(maxsplit=1)
        return f"{words[0] if len(words) == 2 else ''} ... ({len(text):,} characters)"

    def field(self, name: str, value: object, depth: int = 0) -> Shown:
        """The value of a field. Its name counts: a number is a telephone's where it is called so, and what is called a
        password is one."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)  # which JSON has no number for
        if isinstance(value, int):
            return value if self._named(name, str(value)) == str(value) else self._named(name, str(value))
        if isinstance(value, Mapping) and depth < _DEEPEST:
            items = list(value.items())[:_MOST_ITEMS]
            return {self.text(str(key)): self.field(str(key), each, depth + 1) for key, each in items}
        if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray) and depth < _DEEPEST:
            return [self.field(name, each, depth + 1) for each in value[:_MOST_ITEMS]]
        text = bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | bytearray) else str(value)
        return "<CREDENTIAL>" if text and _SECRET_NAME.search(name) else self._named(name, text)

    def _named(self, name: str, text: str) -> str:
        before = f"{name}: "
        hidden = self.text(before + text)
        return hidden.removeprefix(before) if hidden.startswith(before) else self.text(text)


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match["code"], 16)) if match["code"] else match["quote"] or f"{match[0]} "
