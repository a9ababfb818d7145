"""Rows in PostgreSQL's binary COPY format, built by struct and numpy.

psycopg adapts each value by itself, which for a row of ten columns costs more than the server takes to
store it. Here a row is a few packed heads with the variable parts between them, and what is numeric is
built for a whole batch at once. Formats: PostgreSQL's documentation of COPY and of each type's ``*_recv``;
pgvector's ``halfvec_recv`` and ``sparsevec_recv``. All numbers are big-endian.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg.adapt import Dumper
from psycopg.pq import Format

if TYPE_CHECKING:
    import psycopg
    from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_INT4 = 23
_BLOCK = 1 << 18
"""Bytes handed to the driver at a time."""

_length = Struct(">i").pack
_int8 = Struct(">iq").pack
_int4 = Struct(">ii").pack


def blocks(rows: Iterable[bytes]) -> Iterator[bytes]:
    """A whole binary COPY in pieces of about 256 KiB."""
    pending = [HEADER]
    size = 0
    for row in rows:
        pending.append(row)
        size += len(row)
        if size >= _BLOCK:
            yield b"".join(pending)
            pending, size = [], 0
    pending.append(TRAILER)
    yield b"".join(pending)


def field(value: bytes) -> bytes:
    """A value of any type, already in its binary form."""
    return _length(len(value)) + value


def int8(value: int) -> bytes:
    return _int8(8, value)


def int4(value: int) -> bytes:
    return _int4(4, value)


def text(value: str | None) -> bytes:
    return NULL if value is None else field(value.encode())


def timestamp(value: datetime | None) -> bytes:
    """A timestamptz: microseconds since 2000-01-01 UTC."""
    if value is None:
        return NULL
    since = value - _EPOCH
    return _int8(8, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def jsonb(value: Mapping[str, Any]) -> bytes:
    return field(b"\x01" + json.dumps(value, ensure_ascii=False).encode()) if value else _EMPTY_JSON


_EMPTY_JSON = field(b"\x01{}")


@lru_cache(maxsize=4_096)
def _int4_array_of(size: int) -> Struct:
    return Struct(">6i" + 2 * size * "i")


def int4_array(values: Sequence[int]) -> bytes:
    """A one-dimensional int4[]."""
    size = len(values)
    if not size:
        return _EMPTY_INT4_ARRAY
    items = [4] * (2 * size)
    items[1::2] = values
    return _int4_array_of(size).pack(20 + 8 * size, 1, 0, _INT4, size, 1, *items)


_EMPTY_INT4_ARRAY = field(Struct(">3i").pack(0, 0, _INT4))


def int8_array(values: Sequence[int]) -> bytes:
    """A one-dimensional int8[]."""
    if not values:
        return field(Struct(">3i").pack(0, 0, 20))
    items = b"".join(map(int8, values))
    return field(Struct(">5i").pack(1, 0, 20, len(values), 1) + items)


def halfvecs(vectors: NDArray[np.floating[Any]]) -> list[bytes]:
    """Each row of (n, dimensions) as a halfvec, its length before it."""
    items = _halfvec_items(vectors)
    return [row.tobytes() for row in items]


def halfvec_array(vectors: NDArray[np.floating[Any]], halfvec_oid: int) -> bytes:
    """The rows of (n, dimensions), n above 0, as one halfvec[]."""
    items = _halfvec_items(vectors)
    return field(Struct(">5i").pack(1, 0, halfvec_oid, len(items), 1) + items.tobytes())


def _halfvec_items(vectors: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """uint8, (n, 8 + 2 dimensions): the length, the halfvec's own head, and its numbers."""
    count, dimensions = vectors.shape
    items = np.empty((count, 8 + 2 * dimensions), np.uint8)
    head = Struct(">ihh").pack(4 + 2 * dimensions, dimensions, 0)
    items[:, :8] = np.frombuffer(head, np.uint8)
    items[:, 8:] = vectors.astype(">f2").view(np.uint8).reshape(count, 2 * dimensions)
    return items


SPARSEVEC_HEAD = 12
"""Bytes before the indices of a sparsevec, which are as many as the values behind them."""


class Sparsevecs(list[bytes]):
    """Sparsevecs in their binary form, to be sent as one array."""


def register_sparsevecs(connection: psycopg.Connection) -> None:
    """Let a connection send ``Sparsevecs``."""
    info = connection.adapters.types.get("sparsevec")
    assert info is not None  # registered when the connection was opened
    array_oid, element_oid = info.array_oid, info.oid
    head = Struct(">5i")

    class SparsevecsDumper(Dumper):
        format = Format.BINARY
        oid = array_oid

        def dump(self, obj: Sparsevecs) -> bytes:
            return head.pack(1, 0, element_oid, len(obj), 1) + b"".join(map(field, obj))

    connection.adapters.register_dumper(Sparsevecs, SparsevecsDumper)


def term_rows(
    terms: NDArray[np.int32], weights: NDArray[np.float32], ends: NDArray[np.int64], dimensions: int
) -> Iterator[tuple[bytes, bytes]]:
    """For each row the int4[] of its terms and the sparsevec of their weights.

    ``terms`` and ``weights`` hold the rows one after the other, a row's terms in ascending order from 1;
    ``ends`` says where each row ends. A sparsevec counts its indices from 0 on the wire.
    """
    array_items = np.empty((len(terms), 2), ">i4")
    array_items[:, 0] = 4
    array_items[:, 1] = terms
    indices = (terms - 1).astype(">i4")
    values = weights.astype(">f4")
    array_head, sparse_head = Struct(">6i").pack, Struct(">4i").pack
    start = 0
    for end in ends.tolist():
        size = end - start
        if size:
            array = array_head(20 + 8 * size, 1, 0, _INT4, size, 1) + array_items[start:end].tobytes()
        else:
            array = _EMPTY_INT4_ARRAY
        sparse = sparse_head(12 + 8 * size, dimensions, size, 0)
        yield array, sparse + indices[start:end].tobytes() + values[start:end].tobytes()
        start = end
