"""What the linter says: where tokens are wasted, how many, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from ragdiet.diet.lint.parts import Part

Kind: TypeAlias = Literal[
    "repeated",
    "already said",
    "filler",
    "contradiction",
    "white space",
    "identifier",
    "near-identical examples",
    "long example",
    "unstable",
]

ASKS = 1_000
"""Prices are told for so many asks, since one of them wastes fractions of a cent."""

LONGEST_EXCERPT = 80  # characters
_MOST_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Tokens that say nothing, or cost more than they need to.

    ``place`` is such as "system, line 3" or "example 2, sources"; ``excerpt`` is what stands there, verbatim,
    at most 80 characters of it. ``tokens`` go with every ask; for "unstable" they are the whole prefix, where
    it is long enough to be read from the provider's cache and cannot be. ``cost`` is USD in 1,000 asks, None
    without a price for it.
    """

    kind: Kind
    place: str
    tokens: int
    advice: str
    excerpt: str
    cost: Decimal | None = None

    def __str__(self) -> str:
        price = "" if self.cost is None else f", ${self.cost:.4f} in {ASKS:,} asks"
        shown = " ".join(self.excerpt.split())
        return f"{self.place}: {self.kind}, {self.tokens:,} tokens{price}\n    {shown}\n    {self.advice}"


class Findings(tuple[Finding, ...]):
    """Findings, the costliest first; ``str`` of them is a report."""

    __slots__ = ()

    def __str__(self) -> str:
        if not self:
            return "nothing found"
        more = [f"and {len(self) - _MOST_SHOWN:,} more"] if len(self) > _MOST_SHOWN else []
        return "\n".join([*map(str, self[:_MOST_SHOWN]), *more])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A finding before its tokens are counted: those of ``before`` less those of ``after``."""

    kind: Kind
    place: str
    excerpt: str
    advice: str
    before: str
    after: str = ""
    whole: str
    """The text it stands in, which has no fewer tokens."""


def fault(kind: Kind, part: Part, start: int, end: int, advice: str, *, shown_to: int | None = None) -> Fault:
    """One whose tokens are those of ``part.text[start:end]``; the excerpt goes on to ``shown_to``."""
    return Fault(
        kind=kind,
        place=part.place(start),
        excerpt=part.text[start : min(shown_to or end, start + LONGEST_EXCERPT)],
        advice=advice,
        before=part.text[start:end],
        whole=part.text,
    )


def shortened(part: Part, start: int, before: str, after: str, advice: str) -> Fault:
    """White space whose tokens are those that ``before`` has more than ``after``; the excerpt is its first line."""
    begin = part.text.rfind("\n", 0, start) + 1
    end = part.text.find("\n", start)
    return Fault(
        kind="white space",
        place=part.place(start),
        excerpt=part.text[begin : min(end if end >= 0 else len(part.text), begin + LONGEST_EXCERPT)],
        advice=advice,
        before=before,
        after=after,
        whole=part.text,
    )
