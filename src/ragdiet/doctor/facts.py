"""What the checks are told. Sizes are bytes, ages seconds, unless the name says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Facts that could not be read, why, and what would let this role read them."""

    reason: str
    mend: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server, and what this role is to it.

    ``aurora`` is its version there. ``vector`` is pgvector's version in this database, ``vector_available`` the
    newest that the server has files of. ``counted_days``: for how long at least the server has counted uses.
    ``bypasses_policies``: a superuser, or a role with BYPASSRLS. ``sees_activity``: what other roles do too.
    """

    version: str
    version_number: int
    aurora: str | None
    vector: str | None
    vector_available: str | None
    shared_buffers: int
    effective_cache_size: int
    maintenance_work_mem: int
    max_connections: int
    reserved_connections: int
    connections: int
    autovacuum: bool
    counted_days: float
    role: str
    bypasses_policies: bool
    sees_activity: bool

    @property
    def cache(self) -> int:
        """The memory that keeps pages: on Aurora the buffers alone, elsewhere the system's cache too."""
        return self.shared_buffers if self.aurora else max(self.shared_buffers, self.effective_cache_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody else's transaction in this database. ``idle`` is None where it is at work; ``prepared`` names one
    of two-phase commit, which has no process. ``holds_back``: no vacuum removes what it may still see."""

    pid: int
    role: str
    age: float
    idle: float | None = None
    holds_back: bool = False
    prepared: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceTables:
    """An embedding space as it is noted, and what there is of its tables. ``column`` dimensions; None without."""

    name: str
    model: str
    dimensions: int
    state: str
    has_vectors: bool
    has_sentences: bool
    column: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """``revision`` is None before the first migration. ``owner`` owns the tables; ``is_owner``: this role may act
    as that one."""

    revision: str | None
    owner: str = ""
    is_owner: bool = False
    spaces: tuple[SpaceTables, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """One tenant's collection, as noted."""

    id: int
    tenant: str
    collection: str
    chunks: int
    total_length: int
    average_length: float | None

    def __str__(self) -> str:
        return f"{self.tenant}/{self.collection}" if self.tenant else self.collection


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpora:
    """The largest collections, how many there are in all, their chunks and their tenants."""

    largest: tuple[Corpus, ...]
    count: int
    chunks: int
    tenants: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """An index that is there. ``opclass`` is that of its first column, ``options`` those in numbers that it was built
    with; ``scans`` are the uses counted."""

    name: str
    table: str
    method: str
    columns: tuple[str, ...]
    opclass: str
    options: Mapping[str, int]
    is_valid: bool
    is_unique: bool
    is_building: bool
    size: int
    scans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredIndex:
    """An index that the statements need. ``opclass`` is None where any default serves; a ``is_constraint`` one
    may have any name."""

    name: str
    table: str
    method: str
    columns: tuple[str, ...]
    opclass: str | None
    options: Mapping[str, int]
    create: str
    is_constraint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """The upkeep of a table, as the server's counters have it. ``autovacuum`` is the table's own setting;
    ``is_unprotected``: it has a policy, but row-level security is switched off."""

    name: str
    live: int
    dead: int
    is_analyzed: bool
    vacuumed: float | None
    autovacuum: bool
    heap_hits: int
    heap_reads: int
    index_hits: int
    index_reads: int
    is_unprotected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTable:
    """The embedding cache: rows as the planner believes them, bytes, and the age of its oldest row in days."""

    rows: int
    size: int
    oldest_days: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """A collection counted anew. ``chunks`` have text, ``indexed`` ones terms; ``embedded``: by space, those with
    a vector. ``wrong_frequencies`` of ``terms_counted`` are not as counted; ``wrong_weights`` of
    ``weights_counted`` chunks have weights that were not made with the noted average length."""

    corpus: Corpus
    chunks: int
    indexed: int
    total_length: int
    embedded: tuple[tuple[str, int], ...]
    terms_counted: int
    wrong_frequencies: int
    weights_counted: int
    wrong_weights: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the searches of some collections are run: the indexes used, and tables read from end to end."""

    by_index: bool
    corpora: tuple[Corpus, ...]
    indexes: frozenset[str]
    scanned: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Recall at 10 of the HNSW index against exact search, over ``questions`` vectors of the collection."""

    corpus: Corpus
    questions: int
    recall: float
    ef_search: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Calls that were begun over an hour ago and never settled, and what they may have cost in USD."""

    unsettled: int
    worst_cost: str
