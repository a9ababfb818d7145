"""How long an ask holds the database, and what it reads there: carried by a context variable to where that is seen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class DatabaseUse:
    """``seconds`` of transactions; ``blocks`` read from storage by searches, None where nothing has counted them."""

    seconds: float = 0.0
    blocks: int | None = None


_use: ContextVar[DatabaseUse | None] = ContextVar("ragdiet_database_use", default=None)


@contextmanager
def database_use() -> Iterator[DatabaseUse]:
    """What happens inside the block adds to the use it is given."""
    use = DatabaseUse()
    token = _use.set(use)
    try:
        yield use
    finally:
        _use.reset(token)


@contextmanager
def held() -> Iterator[None]:
    """A transaction."""
    use = _use.get()
    if use is None:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        use.seconds += time.perf_counter() - began


def blocks_read(count: int) -> None:
    """A search has read so many blocks from storage."""
    if use := _use.get():
        use.blocks = (use.blocks or 0) + count
