"""What every verb of a RAG stands on: its store, its tenant, and whether the database can serve it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol, Self

from ragdiet.account import PostgresLedger
from ragdiet.answers import Answers
from ragdiet.arguments import checked_name, checked_tags, checked_tenant
from ragdiet.ask import Asker, Scope
from ragdiet.confidence import Corpus, LogisticConfidence, Setup
from ragdiet.errors import InvalidArgument
from ragdiet.failures import Failures
from ragdiet.filters import as_filter
from ragdiet.guard import check_tenant
from ragdiet.ingest import Ingestor
from ragdiet.named import Named
from ragdiet.observe import Trace, checked_id, new_id
from ragdiet.outgoing import Outgoing
from ragdiet.store import Collections, Database, check_schema, check_searchable, find_corpus

if TYPE_CHECKING:
    from ragdiet.account import Ledger
    from ragdiet.filters import FilterLike
    from ragdiet.protocols import Confidence, Embedder, Retriever
    from ragdiet.types import Space


_MOST_REMEMBERED = 10_000  # collections known to be searchable


class Closeable(Protocol):
    def close(self) -> None: ...


class Door:
    """Checks what a verb is given, once for all verbs. ``RAG`` sets the pieces."""

    store: Database
    embedder: Embedder
    space: Space
    ledger: Ledger
    failures: Failures
    confidence: Confidence
    collection: str
    tenant: str
    _setup: Setup
    _tenants: frozenset[str] | None
    _owned: list[Closeable]
    _schema_checked: bool
    _searchable: set[tuple[str, str]]
    _allow_building: bool
    _named: Named
    _pieces: dict[str, Any]
    _outgoing: Outgoing
    _ingestor: Callable[..., Ingestor]
    _collections: Collections
    _retriever: Retriever
    _asker: Asker

    def close(self) -> None:
        """Close the connections; the last user of an embedded server stops it. Safe to call again."""
        with ExitStack() as all_of_them:  # the others too where one fails
            for owned in reversed(self._owned):
                all_of_them.callback(owned.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_schema(self) -> None:
        if not self._schema_checked:
            self.store.run(lambda connection: check_schema(connection, self.space), tenant=None, read_only=True)
            self._schema_checked = True

    def _check_search(self, scope: Scope) -> None:
        """Once for each collection that has anything: whether its chunks have vectors of this embedder."""
        self._check_schema()
        key = (scope.tenant, scope.collection)
        if self._allow_building or not self._retriever.needs_vector or key in self._searchable:
            return
        if self.store.run(
            lambda connection: check_searchable(
                connection, self.space, tenant=scope.tenant, collection=scope.collection
            ),
            tenant=scope.tenant,
            read_only=True,
        ):
            if len(self._searchable) >= _MOST_REMEMBERED:
                self._searchable.clear()
            self._searchable.add(key)
            if isinstance(self.confidence, LogisticConfidence) and self.confidence.certified:
                self.confidence.judging(self._setup_with(scope.collection, scope.tenant))

    def _setup_with(self, collection: str, tenant: str) -> Setup:
        corpus = find_corpus(self.store, tenant=tenant, collection=collection)
        if corpus is None:
            return self._setup
        state = Corpus(tenant=tenant, collection=collection, version=corpus.version, chunks=corpus.chunks)
        return self._setup.model_copy(update={"corpus": state})

    def _answers_of(self, tenant: str) -> Answers:
        flush = self.ledger.flush if isinstance(self.ledger, PostgresLedger) else lambda: None
        return Answers(self.store, tenant=tenant, flush=flush)

    def _corpus_id(self, collection: str, tenant: str) -> int:
        corpus = find_corpus(self.store, tenant=tenant, collection=checked_name(collection, "collection"))
        if corpus is None:
            raise InvalidArgument(f"there is no collection {collection!r} yet: ingest into it first")
        return corpus.id

    def _trace(self, tenant: str | None, tags: Mapping[str, str] | None, prompt_id: str | None) -> Trace:
        return Trace(
            prompt_id=new_id() if prompt_id is None else checked_id(prompt_id),
            tenant=self._tenant(tenant),
            tags=checked_tags(tags),
        )

    def _tenant(self, tenant: str | None) -> str:
        return check_tenant(self.tenant if tenant is None else checked_tenant(tenant), self._tenants)

    def _scope(self, trace: Trace, collection: str | None, filter: FilterLike | None, k: int) -> Scope:
        return Scope(
            tenant=trace.tenant,
            collection=checked_name(collection or self.collection, "collection"),
            filter=as_filter(filter),
            k=k,
        )


def token_model(embedder: Embedder) -> Embedder:
    """The model whose token vectors late interaction compares: MiniLM, beside another embedder where need be."""
    from ragdiet.embed import MiniLM

    return embedder if isinstance(embedder, MiniLM) else MiniLM()
