"""More of the document around a hit: the chunks beside it, or the section that it stands in.

Each result is a ``Hit`` with the rank and scores of the hit it grew from, and ``text``, ``start``, ``end``,
``sentences`` and their vectors of all that was joined. ``tokens`` is the sum
of the chunks', what they share counted by its length. What two chunks share stands once. Between chunks that do
not touch a chunker left white space out, which is not stored: as many line breaks stand there, so that every
sentence is still a slice of the document at its offset.

No chunk stands twice in the result: hits keep their own, and one beside two hits goes to the better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from psycopg.sql import Identifier

from ragdiet.errors import InvalidArgument
from ragdiet.retrieve.statements import statement
from ragdiet.types import Hits

if TYPE_CHECKING:
    import psycopg
    from numpy.typing import NDArray

    from ragdiet.types import Hit, Space, Span

_MOST_NEIGHBOURS = 100
_WIDEST_GAP = 200
"""Characters. A chunker that leaves out more than white space breaks the text in two here."""


@dataclass(frozen=True, slots=True)
class _Near:
    """A stored chunk; ``vectors`` of its sentences, float16, (sentences, dimensions), None where none are stored."""

    id: int
    ordinal: int
    text: str
    start: int
    end: int
    tokens: int
    sentences: tuple[Span, ...]
    vectors: NDArray[np.float16] | None


def growth(space: Space, neighbours: int, section_tokens: int | None) -> Callable[..., Hits] | None:
    """What joins to hits the text around them, given a connection and ``hits``; None where nothing is asked for."""
    if neighbours and section_tokens is not None:
        raise InvalidArgument("neighbours and section_tokens are two ways to grow a hit: give one of them")
    if not 0 <= neighbours <= _MOST_NEIGHBOURS:
        raise InvalidArgument(f"neighbours is {neighbours}: ask for 0 to {_MOST_NEIGHBOURS}")
    if section_tokens is not None:
        if section_tokens < 1:
            raise InvalidArgument(f"section_tokens is {section_tokens}: give at least 1")
        return partial(parent_section, space=space, most_tokens=section_tokens)
    return partial(with_neighbours, space=space, before=neighbours, after=neighbours) if neighbours else None


def with_neighbours(
    connection: psycopg.Connection, hits: Sequence[Hit], space: Space, *, before: int = 1, after: int = 1
) -> Hits:
    """Each hit with up to ``before`` and ``after`` chunks of its document joined to it."""
    for name, number in (("before", before), ("after", after)):
        if not 0 <= number <= _MOST_NEIGHBOURS:
            raise InvalidArgument(f"{name} is {number}: ask for 0 to {_MOST_NEIGHBOURS} neighbours")
    around = _read(connection, "neighbours.sql", hits, space, before, after)
    taken = {hit.chunk_id for hit in hits}
    return Hits(_joined(hit, _run(around.get(place, []), hit, taken)) for place, hit in enumerate(hits, 1))


def parent_section(connection: psycopg.Connection, hits: Sequence[Hit], space: Space, *, most_tokens: int) -> Hits:
    """Each hit grown to the section under its innermost heading, nearest chunks first, while it has no more than
    ``most_tokens``; a hit that stands in a better one's section is left out, one without a heading stays as it is.
    """
    if most_tokens < 1:
        raise InvalidArgument(f"most_tokens is {most_tokens}: give at least 1")
    around = _read(connection, "section.sql", hits, space, _MOST_NEIGHBOURS, _MOST_NEIGHBOURS)
    taken: set[int] = set()
    grown: list[Hit] = []
    for place, hit in enumerate(hits, 1):
        if hit.chunk_id not in taken:
            taken.add(hit.chunk_id)
            grown.append(_joined(hit, _run(around.get(place, []), hit, taken, most_tokens)))
    return Hits(grown)


def _read(
    connection: psycopg.Connection, name: str, hits: Sequence[Hit], space: Space, before: int, after: int
) -> dict[int, list[_Near]]:
    """The stored chunks around each hit, by its place from 1."""
    rows = connection.cursor(binary=True).execute(
        statement(name).format(sentences=Identifier("ragdiet", f"sentence_{space.name}")),
        {"chunks": [hit.chunk_id for hit in hits], "before": before, "after": after},
    )
    found: dict[int, list[_Near]] = {}
    for place, chunk_id, ordinal, text, start, end, tokens, spans, vectors in rows:
        found.setdefault(place, []).append(
            _Near(
                id=chunk_id,
                ordinal=ordinal,
                text=text,
                start=start,
                end=end,
                tokens=tokens,
                sentences=tuple(zip(spans[::2], spans[1::2], strict=True)),
                vectors=None if vectors is None else np.stack([vector.to_numpy() for vector in vectors]),
            )
        )
    return found


def _run(around: Sequence[_Near], hit: Hit, taken: set[int], most_tokens: int | None = None) -> list[_Near]:
    """The chunks to join, in the document's order, which are then taken: without a break on from the hit's own."""
    own = next((index for index, near in enumerate(around) if near.id == hit.chunk_id), None)
    if own is None:  # replaced or deleted since it was found
        return []
    first = last = own
    tokens = around[own].tokens
    growing = [True, True]
    while any(growing):
        for side, step in enumerate((1, -1)):
            index = last + 1 if step > 0 else first - 1
            if not growing[side]:
                continue
            edge = around[last if step > 0 else first]
            growing[side] = (
                0 <= index < len(around)
                and around[index].id not in taken
                and _follows(edge, around[index], step)
                and (most_tokens is None or tokens + around[index].tokens <= most_tokens)
            )
            if growing[side]:
                tokens += around[index].tokens
                taken.add(around[index].id)
                first, last = min(first, index), max(last, index)
    return list(around[first : last + 1])


def _follows(edge: _Near, other: _Near, step: int) -> bool:
    one, two = (edge, other) if step > 0 else (other, edge)
    return one.ordinal + 1 == two.ordinal and one.start <= two.start and two.start - one.end <= _WIDEST_GAP


def _joined(hit: Hit, run: Sequence[_Near]) -> Hit:
    if len(run) < 2:
        return hit
    start, end = run[0].start, run[0].start
    text = ""
    tokens = 0
    spans: list[Span] = []
    vectors: list[NDArray[np.float16]] = []
    for near in run:
        fresh = max(0, end - near.start)  # characters of it that stand there already
        if fresh >= len(near.text):
            continue
        text += "\n" * max(0, near.start - end) + near.text[fresh:]
        tokens += near.tokens - round(near.tokens * fresh / len(near.text))
        for number, (opens, closes) in enumerate(near.sentences):
            if closes > fresh:
                offset = near.start - start
                opens = max(opens, closes - len(near.text[fresh:closes].lstrip()))
                spans.append((offset + opens, offset + closes))
                if near.vectors is not None:
                    vectors.append(near.vectors[number])
        end = near.end
    return replace(
        hit,
        text=text,
        start=start,
        end=end,
        tokens=tokens,
        sentences=tuple(spans),
        sentence_vectors=np.stack(vectors) if vectors and len(vectors) == len(spans) else None,
    )
