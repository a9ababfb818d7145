"""What is hidden of a text before it leaves: values become marks, and marks in a reply become values again."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ragdiet.errors import InvalidArgument
from ragdiet.sensitive import PERSONAL, SECRETS, find

Finder: TypeAlias = Callable[[str], Iterable[tuple[int, int, str]]]
"""Finds what is sensitive in a text: its start, its end, and the name of its kind."""

_MARK = re.compile(r"[A-Za-z][A-Za-z_]*_(\d{1,6})(?!\d)")
_WORD = re.compile(r"[^\s()\[\]\"'`|]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """Which kinds are hidden of what goes to ``models`` (question, history and sources, for rerankers and guards as
    well), to ``embedders`` (chunks and questions), and into ``records`` (logs and whatever else is kept of a
    question). Pieces that work in this process get the texts as they are.

    The kinds are those of ``ragdiet.sensitive`` (``SECRETS``, ``PERSONAL``), and those that ``finders`` of your own
    name. What models are given can be told apart and is shown again in the reply: ``<EMAIL_1>``; else it is gone.

    Secrets are hidden everywhere, since no model needs one to find or to quote it. Personal data is not hidden of
    what models and embedders get unless asked for: it is often what the question is about (the support desk's
    address), it is found by its form, and a model that sees a mark can say nothing of its value.
    """

    models: Collection[str] = SECRETS
    embedders: Collection[str] = SECRETS
    records: Collection[str] = SECRETS | PERSONAL
    finders: tuple[Finder, ...] = ()

    def __post_init__(self) -> None:
        for name in ("models", "embedders", "records"):
            kinds = getattr(self, name)
            if isinstance(kinds, str) or not all(isinstance(kind, str) for kind in kinds):
                raise InvalidArgument(f"masking: {name} is {kinds!r}: give a set of kinds, such as SECRETS | PERSONAL")
            unknown = frozenset(kinds) - SECRETS - PERSONAL
            if unknown and not self.finders:
                raise InvalidArgument(
                    f"masking: {name} has kinds that nothing finds: {', '.join(sorted(unknown))}. Those that are found "
                    f"are: {', '.join(sorted(SECRETS | PERSONAL))}"
                )
            object.__setattr__(self, name, frozenset(kinds))

    @classmethod
    def off(cls) -> Masking:
        """Hides nothing."""
        return cls(models=(), embedders=(), records=())

    def for_models(self, texts: Sequence[str]) -> Masked:
        """Texts that go out together; a value has one mark in all of them."""
        return _masked(texts, [self._spans(text, self.models) for text in texts])

    def for_embedder(self, text: str) -> Blotted:
        """A text to be embedded: marks without a number, so that the same text is the same again."""
        return _blotted(text, self._spans(text, self.embedders))

    def for_record(self, text: str) -> str:
        """A text to be kept."""
        return _blotted(text, self._spans(text, self.records)).text

    def _spans(self, text: str, kinds: Collection[str]) -> list[tuple[int, int, str]]:
        """What is to be hidden, in order and apart; of what overlaps the whole is one."""
        if not kinds:
            return []
        own = ((finding.start, finding.end, str(finding.kind)) for finding in find(text))
        others = ((max(0, start), min(end, len(text)), kind) for f in self.finders for start, end, kind in f(text))
        spans: list[tuple[int, int, str]] = []
        for start, end, kind in sorted((*own, *others), key=lambda span: (span[0], -span[1])):
            if kind not in kinds or end <= start:
                continue
            if spans and start < spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]), spans[-1][2])
            else:
                spans.append((start, end, kind))
        return spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """``texts`` with a mark for each hidden value; ``values`` by mark. Empty where nothing had to be hidden."""

    texts: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)

    def hide(self, text: str) -> str:
        """The same values hidden in a part of one of the texts."""
        for mark, value in sorted(self.values.items(), key=lambda item: -len(item[1])):
            if len(text) > 8 and text in value:
                return f"<{mark}>"
            text = text.replace(value, f"<{mark}>")
        return text

    def restore(self, reply: str) -> str:
        """``reply`` with the values in place of the marks, with or without their brackets.

        Not within an address or path that the texts do not have: whoever gets a model to write one would have it
        carry the value to him as soon as the reply is shown.
        """
        if not self.values:
            return reply
        marks = "|".join(sorted(map(re.escape, self.values), key=len, reverse=True))
        pattern = re.compile(rf"(?:<|&lt;|\\<)?(?<![A-Za-z0-9_])({marks})(?![A-Za-z0-9_])(?:>|&gt;|\\>)?")

        def shown(word: re.Match[str]) -> str:
            written = word[0].rstrip(".,;:!?")
            is_address = "/" in written and ("." in written or "//" in written)
            if is_address and not any(written in text for text in self.texts):
                return word[0]
            return pattern.sub(lambda match: self.values[match[1]], word[0])

        return _WORD.sub(shown, reply)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blotted:
    """``text`` without the values. ``moves`` are (offset in the original, offset in ``text``), where a value began
    and ended."""

    text: str
    moves: tuple[tuple[int, int], ...] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """What stood from ``start`` to ``end``, with the whole mark of a value that it cut through."""
        return self._moved(start, to_end=False), self._moved(end, to_end=True)

    def _moved(self, offset: int, *, to_end: bool) -> int:
        passed = bisect_right(self.moves, (offset, -1 if to_end else sys.maxsize))
        if not passed:
            return offset
        old, new = self.moves[passed - 1]
        if passed % 2:  # within a value
            return self.moves[passed][1] if to_end else new
        return new + offset - old


def _masked(texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int, str]]]) -> Masked:
    if not any(spans):
        return Masked(texts=tuple(texts))
    taken = {int(number) for text in texts for number in _MARK.findall(text)}
    marks: dict[tuple[str, str], str] = {}
    counts: dict[str, int] = {}
    written: list[str] = []
    for text, found in zip(texts, spans, strict=True):
        parts: list[str] = []
        position = 0
        for start, end, kind in found:
            name, value = _name(kind), text[start:end]
            if (name, value) not in marks:
                number = counts.get(name, 0) + 1
                while number in taken:
                    number += 1
                counts[name] = number
                marks[name, value] = f"{name}_{number}"
            parts += text[position:start], f"<{marks[name, value]}>"
            position = end
        written.append("".join((*parts, text[position:])))
    return Masked(texts=tuple(written), values={mark: value for (_, value), mark in marks.items()})


def _blotted(text: str, spans: Sequence[tuple[int, int, str]]) -> Blotted:
    parts: list[str] = []
    moves: list[tuple[int, int]] = []
    position = length = 0
    for start, end, kind in spans:
        mark = f"<{_name(kind)}>"
        parts += text[position:start], mark
        length += start - position
        moves += (start, length), (end, length + len(mark))
        length += len(mark)
        position = end
    return Blotted(text="".join((*parts, text[position:])), moves=tuple(moves))


def _name(kind: str) -> str:
    return re.sub(r"[^A-Z]+", "_", kind.upper()).strip("_") or "VALUE"
