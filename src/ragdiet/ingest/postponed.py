"""Items put aside until the whole source was seen, on disk when they are many."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Self

from ragdiet.load import Item

_IN_MEMORY = 8 << 20  # bytes


class Postponed:
    """Keeps items in their order. A context manager: what it spooled goes at the end."""

    def __init__(self) -> None:
        self._spool = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by __exit__
        self._count = 0

    def add(self, items: Iterable[Item]) -> None:
        for item in items:
            pickle.dump(item, self._spool, protocol=pickle.HIGHEST_PROTOCOL)
            self._count += 1

    def __iter__(self) -> Iterator[Item]:
        self._spool.seek(0)
        for _ in range(self._count):
            item: Item = pickle.load(self._spool)  # noqa: S301 - written by this very object
            yield item
            del item

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()
