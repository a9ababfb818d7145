"""What comes back: generations, attempts, citations, answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

if TYPE_CHECKING:
    pass

from ragdiet.types.prompts import Context
from ragdiet.types.usage import Usage

GuardAction: TypeAlias = Literal["allow", "mask", "block"]


Outcome: TypeAlias = Literal["answered", "clarify", "abstained", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One reply of a generator. ``model`` was asked for, ``served`` is what answered.

    ``stop_reason`` is in Converse's words: "end_turn" where the reply is whole, and "stop_sequence"; "max_tokens" where
    it was cut off. ``stop_detail`` says more of it, such as what a guardrail found. ``first_token_seconds`` is the time
    to the first text of a stream.
    """

    text: str
    model: str
    served: str
    usage: Usage
    stop_reason: str
    cost: Decimal
    seconds: float
    stop_detail: str = ""
    first_token_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardVerdict:
    """What a guard says of a text. ``text`` is what to go on with where ``action`` is "mask", and empty otherwise.

    ``scores`` are those it decided by, each in [0, 1], such as ``{"injection": 0.97}`` or ``{"grounding": 0.4}``;
    ``cost`` is what the check cost, USD. ``judged`` is false where nothing could be said of a text that is let pass.
    """

    action: GuardAction = "allow"
    reason: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    text: str = ""
    cost: Decimal = Decimal(0)
    judged: bool = True


class Replaced(str):
    """Among the pieces of a streamed answer: what came before it is void, for ``reason``, and what follows takes its
    place. As text it is an empty line, so that a program that only prints keeps the two apart."""

    __slots__ = ("reason",)

    reason: str

    def __new__(cls, reason: str) -> Self:
        made = super().__new__(cls, "\n\n")
        made.reason = reason
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A source the answer names as ``[n]``: ``text`` is ``source[start:end]``."""

    n: int
    document_id: str
    chunk_id: int | None
    text: str
    uri: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One step of the chain: what it tried, whether that was accepted, and why. ``settles``: it was not, and yet no
    further step is tried, since a model's word that the sources hold no answer was believed."""

    step: str
    accepted: bool
    reason: str
    confidence: float | None = None
    model: str | None = None
    cost: Decimal = Decimal(0)
    seconds: float = 0.0
    settles: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The end of an ask. ``confidence`` is in [0, 1]; ``cost`` is the sum of its ledger rows.

    ``choices``, up to four, are there where ``outcome`` is "clarify": questions and phrases of which the asker is to
    choose one, each of which can be asked as it stands. ``text`` says the same in words.

    ``database_cost`` is an estimate and no part of ``cost``: the ask's share of a bill for Aurora Serverless v2, USD,
    by the time that it held the database and the blocks that its searches read from storage.
    """

    text: str
    citations: tuple[Citation, ...]
    confidence: float
    outcome: Outcome
    cost: Decimal
    attempts: tuple[Attempt, ...]
    prompt_id: str
    context: Context | None
    choices: tuple[str, ...] = ()
    database_cost: Decimal | None = None

    def _repr_html_(self) -> str:
        from ragdiet.display import answer_html

        return answer_html(self)
