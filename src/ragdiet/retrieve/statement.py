"""The SQL of a search, put together from the files beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias
from typing import Literal as OneOf

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

if TYPE_CHECKING:
    import psycopg

    from ragdiet.types import Space

Way: TypeAlias = OneOf["index", "exact", "chosen"]
"""How the legs find their chunks: by HNSW and GIN, every vector of the corpus, or out of a list of chunks."""

# Up to here every vector is compared: exact, and over 5,000 chunks as fast as HNSW, with less to go wrong.
_EXACT_UP_TO = 10_000
# A corpus that is a small share of its table: HNSW would walk through everybody else's vectors.
_EXACT_SHARE, _EXACT_SHARE_UP_TO = 0.05, 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a search has to know of a collection. ``all_vectors`` are those of its space, in every collection."""

    id: int
    chunks: int
    language: str
    some_expired: bool
    dense_weight: float | None
    has_index: bool
    all_vectors: float

    @property
    def way(self) -> Way:
        """How to search all of it."""
        share = self.chunks / max(self.all_vectors, 1)
        is_small = self.chunks <= _EXACT_UP_TO or (share < _EXACT_SHARE and self.chunks <= _EXACT_SHARE_UP_TO)
        return "exact" if is_small or not self.has_index else "index"


def find_collection(
    connection: psycopg.Connection, space: Space, *, tenant: str, collection: str, ef_search: int
) -> Collection | None:
    """The collection of that name, if anything was ever ingested into it. Settles the transaction for a search."""
    row = connection.execute(
        _read("collection.sql"),
        {
            "space": space.name,
            "index": f"ragdiet.vector_{space.name}_hnsw",
            "vectors": f"ragdiet.vector_{space.name}",
            "tenant": tenant,
            "collection": collection,
            "ef_search": str(ef_search),
        },
    ).fetchone()
    if row is None:
        return None
    return Collection(
        id=row[0],
        chunks=row[1],
        language=row[2],
        some_expired=row[3],
        dense_weight=row[4],
        has_index=row[5],
        all_vectors=row[6],
    )


def statement(
    space: Space, way: Way, *, depth: int, dense: bool = True, restricted: tuple[Composable, Composable] | None = None
) -> Composed:
    """The hybrid search, of ``depth`` candidates a leg; without ``dense`` by keywords alone.

    ``restricted``: conditions on ``l.chunk_id`` and on ``v.chunk_id``, each begun with AND.
    """
    vectors = Identifier("ragdiet", f"vector_{space.name}")
    lexical = Identifier("ragdiet", "searchable_lexical")
    of_keyword, of_dense = restricted or (SQL(""), SQL(""))
    keyword = _part("keyword_chosen.sql" if way == "chosen" else "keyword.sql")
    return _part("hybrid.sql").format(
        keyword=keyword.format(lexical=lexical, restriction=of_keyword, depth=Literal(depth)),
        dense=_part(f"dense_{way if dense else 'none'}.sql").format(
            vectors=vectors, restriction=of_dense, depth=Literal(depth)
        ),
        vectors=vectors,
        lexical=lexical,
        sentences=Identifier("ragdiet", f"sentence_{space.name}"),
    )


@cache
def _part(name: str) -> SQL:
    return SQL(_read(name))


@cache
def _read(name: str) -> str:
    return files("ragdiet.retrieve").joinpath(name).read_text("utf-8")
