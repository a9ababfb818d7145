"""Names of the indexes that serve declared filter keys: ``migrate`` makes them, filters look for them."""

from __future__ import annotations

import hashlib
from typing import Literal

INDEXED_BYTES = 2_000
"""A longer value is left out of its key's index: a btree refuses rows of more than 2,704 bytes."""


def index_name(table: Literal["document", "chunk"], key: str) -> str:
    """Of the index over the values of ``key``: a key may be longer than a name, and in any script."""
    return f"{table}_filter_{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}"
