"""What a played model is to the rest of the stand-in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ragdiet.testing.bedrock.tokens import Tokenizer

_TIERS = frozenset({"default", "priority", "flex"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatModel:
    """A model for Converse and ConverseStream.

    ``reply`` is given the text of the last user message and returns what the model says; None copies the best
    sentence of the sources. It may take its time: it runs in a thread. ``smallest_cached`` is the shortest prefix
    in tokens that is cached, None where the model does not cache. ``context`` and ``most_output`` are tokens.
    ``first_token`` and ``per_token`` are seconds. ``counted`` says whether CountTokens knows the model,
    ``on_demand`` whether it can be called without an inference profile.
    """

    reply: Callable[[str], str] | None = None
    tokenizer: Tokenizer = field(default_factory=Tokenizer)
    smallest_cached: int | None = 1_024
    context: int = 200_000
    most_output: int = 64_000
    first_token: float = 0.0
    per_token: float = 0.0
    counted: bool = False
    on_demand: bool = True
    tiers: frozenset[str] = _TIERS


class Invoked(Protocol):
    """A model for InvokeModel: JSON in, JSON and the tokens billed out. Raises Refused."""

    def invoke(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], int]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankModel:
    """A model for Rerank. One query of the bill is up to ``per_query`` documents.

    A document that has more than ``part_tokens`` tokens together with the query counts as several. ``score`` gives a
    document's relevance in [0, 1] by the query and its text; by default it is the share of the words that they have
    in common.
    """

    tokenizer: Tokenizer = field(default_factory=Tokenizer)
    per_query: int = 100
    part_tokens: int = 500
    score: Callable[[str, str], float] | None = None


Model = ChatModel | Invoked | RerankModel
