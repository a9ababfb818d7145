"""What a search has to know of a collection, and the way it then goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ragdiet.retrieve.statements import statement

if TYPE_CHECKING:
    import psycopg

    from ragdiet.types import Space

Way: TypeAlias = Literal["index", "exact", "chosen"]
"""How the legs find their chunks: by HNSW and GIN, every vector of the corpus, or out of a list of chunks."""

# Up to here every vector is compared: exact, and over 5,000 chunks as fast as HNSW, with less to go wrong.
_EXACT_UP_TO = 10_000
# A corpus that is a small share of its table: HNSW would walk through everybody else's vectors.
_EXACT_SHARE, _EXACT_SHARE_UP_TO = 0.05, 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a search has to know of a collection. ``all_vectors`` are those of its space, in every collection;
    ``ef_search`` is how far HNSW is to look. ``version`` counts the changes of its content."""

    id: int
    chunks: int
    language: str
    some_expired: bool
    dense_weight: float | None
    has_index: bool
    all_vectors: float
    ef_search: int
    version: int

    @property
    def way(self) -> Way:
        """How to search all of it."""
        share = self.chunks / max(self.all_vectors, 1)
        is_small = self.chunks <= _EXACT_UP_TO or (share < _EXACT_SHARE and self.chunks <= _EXACT_SHARE_UP_TO)
        return "exact" if is_small or not self.has_index else "index"


def find_collection(
    connection: psycopg.Connection, space: Space, *, tenant: str, collection: str, ef_search: int, filtered: bool
) -> Collection | None:
    """The collection of that name, if anything was ever ingested into it. Settles the transaction for a search.

    ``ef_search`` is for a graph of up to 20,000 vectors; in a larger one it grows, up to 1,000.
    """
    row = connection.execute(
        statement("collection.sql"),
        {
            "space": space.name,
            "index": f"ragdiet.vector_{space.name}_hnsw",
            "vectors": f"ragdiet.vector_{space.name}",
            "tenant": tenant,
            "collection": collection,
            "ef_search": ef_search,
            "plan": "force_custom_plan" if filtered else "force_generic_plan",
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
        ef_search=row[7],
        version=row[8],
    )
