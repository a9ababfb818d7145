"""How an embedding model on Bedrock is asked, what it takes, and how texts are cut to what it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragdiet.bedrock import halves
from ragdiet.embed.decode import EmbeddingType

if TYPE_CHECKING:
    from ragdiet.types import EmbedKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One model's request and reply.

    ``texts`` fit into one request, and ``most_request_tokens`` of all of them together, by our estimate. A text
    may have ``most_characters`` and ``most_tokens``; a longer one is embedded in up to ``most_parts``. The first of
    ``dimensions`` and ``types`` is the default. ``body`` makes the JSON that is sent, ``vectors`` takes the list of
    vectors out of a reply, ``tokens`` the count billed for it where the reply has one.
    """

    model: str
    space: str
    dimensions: tuple[int, ...]
    types: tuple[EmbeddingType, ...]
    most_characters: int
    most_tokens: int
    body: Callable[[Sequence[str], EmbedKind, int, EmbeddingType], dict[str, Any]]
    vectors: Callable[[Mapping[str, Any], EmbeddingType], Any]
    tokens: Callable[[Mapping[str, Any]], Any] = lambda _: None
    texts: int = 1
    most_parts: int = 1
    most_request_tokens: int = 1_000_000


def pieces(text: str, form: Form, count: Callable[[str], int]) -> list[str]:
    """The text, or the parts of it that each keep within the model's limits.

    >>> from ragdiet.embed.cohere import ENGLISH_V3
    >>> [len(part) for part in pieces("word " * 800, ENGLISH_V3, lambda text: len(text) // 4)]
    [1999, 1999]
    """
    if len(text) <= form.most_characters and count(text) <= form.most_tokens:
        return [text]
    return [part for half in halves(text.strip()) for part in pieces(half, form, count)]


def requests(tokens: Sequence[int], form: Form) -> Iterator[range]:
    """The places of the texts that go together, of about equal number: as few requests as the model allows.

    >>> from ragdiet.embed.cohere import ENGLISH_V3
    >>> [len(places) for places in requests([20] * 100, ENGLISH_V3)]
    [50, 50]
    """
    if not tokens:
        return
    size = -(-len(tokens) // -(-len(tokens) // form.texts))
    start, held = 0, 0
    for place, own in enumerate(tokens):
        if place > start and (place - start == size or held + own > form.most_request_tokens):
            yield range(start, place)
            start, held = place, 0
        held += own
    yield range(start, len(tokens))
