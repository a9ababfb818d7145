"""A source in batches, which do not depend on how far an earlier run of it came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragdiet.errors import InvalidArgument
from ragdiet.load import Item, Source, find
from ragdiet.types import Rejection

if TYPE_CHECKING:
    from ragdiet.ingest.tally import Tally

_DOCUMENTS = 128
_CHARACTERS = 400_000


@dataclass(slots=True)
class Batch:
    """Some items of the source, and what could not be read on the way to them; ``seen`` counts both."""

    number: int
    items: list[Item] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return len(self.items) + len(self.rejected)


def read_batches(
    source: Source, tally: Tally, known: Callable[[Sequence[str]], Mapping[str, bytes | None]]
) -> Iterator[Batch]:
    """All of ``source``; what is read, and what cannot be, is noted in ``tally``. A second item of one id is
    rejected.

    ``known`` gives the source hashes that files had when they were last ingested, see `ragdiet.load.find`.
    """
    batch = Batch(0)
    characters = 0

    def reject(rejection: Rejection) -> None:
        batch.rejected.append(rejection)
        tally.unread.add(rejection.uri.rstrip("/"))

    for item in find(source, rejected=reject, known=known):
        if item.id in tally.ids:
            batch.rejected.append(_same_id(item))
            continue
        tally.ids.add(item.id)
        batch.items.append(item)
        characters += len(item.document.text) if item.document else 0
        if len(batch.items) == _DOCUMENTS or characters >= _CHARACTERS:
            yield batch
            batch, characters = Batch(batch.number + 1), 0
        del item  # or it would still be held while the next one is read
    if batch.seen:
        yield batch


def _same_id(item: Item) -> Rejection:
    return Rejection(
        uri=item.uri or item.id,
        reason="another document has this id: ingest the folder that holds both, or give ids of your own",
        error=InvalidArgument.__name__,
    )
