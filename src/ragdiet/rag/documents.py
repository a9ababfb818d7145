"""The verbs of a RAG that fill its store and keep it in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ragdiet.account import PostgresLedger
from ragdiet.answers import sweep_answers
from ragdiet.arguments import checked_expiry, checked_name
from ragdiet.errors import InvalidArgument
from ragdiet.ingest import backfill_token_bits
from ragdiet.observe import tracing
from ragdiet.rag.door import Door, token_model
from ragdiet.store import find_corpus, migrate, rebuild_statistics
from ragdiet.store.tenancy import act_for

if TYPE_CHECKING:
    import psycopg

    from ragdiet.doctor import Diagnosis
    from ragdiet.ingest import Progress, Source
    from ragdiet.types import IngestReport


_RECORDS_KEPT = timedelta(days=30)


class Documents(Door):
    """Schema, documents and collections."""

    def migrate(self, *, filter_keys: Iterable[str] = (), runtime_role: str | None = None) -> str:
        """Create or upgrade the schema, with tables for this embedder's vectors; returns its version.

        The only step that runs DDL. Safe to call again, and from several processes at once. ``filter_keys``:
        keys of metadata to index beside those that are, for ranges and long lists of values; equality finds
        its documents without. Writers wait while such an index is built. ``runtime_role`` is an existing role
        that is to do all the rest: it gets the rights to read and write rows, those of one tenant at a time.
        Raises RuntimeRoleError where the role could not be held to that.
        """
        version = migrate(self.store.connect, self.space, filter_keys=filter_keys, runtime_role=runtime_role)
        self.store.forget_connections()
        self._schema_checked = True
        return version

    def ingest(
        self,
        source: Source,
        *,
        collection: str | None = None,
        tenant: str | None = None,
        sync: bool = False,
        dry_run: bool = False,
        expires_at: datetime | timedelta | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> IngestReport:
        """Files, folders, globs or Documents into the collection; what is unchanged is skipped.

        ``sync`` then deletes what the source no longer has; a source with nothing in it is refused.
        ``dry_run`` writes and spends nothing: the report says what would happen and what it would cost.
        ``expires_at``: the moment, or the time from now, after which these documents are found no more.
        What cannot be read, and what ``quality`` keeps out, is in ``report.rejected`` with its reason.
        ``progress`` is called after each batch. Raises LanguageMismatch where the collection was made in another
        ``language``.
        """
        self._check_schema()
        trace = self._trace(tenant, tags, None)
        with tracing(trace):
            report = self._ingestor(tenant=trace.tenant).ingest(
                source,
                collection=checked_name(collection or self.collection, "collection"),
                sync=sync,
                dry_run=dry_run,
                expires_at=checked_expiry(expires_at),
                progress=progress,
            )
            return (
                report if dry_run else replace(report, cost=self.ledger.cost_of(trace.prompt_id, tenant=trace.tenant))
            )

    def swap(self, one: str, other: str, *, tenant: str | None = None) -> None:
        """Let two collections change names, in one transaction.

        So a collection is made anew without a gap: ingest into another one (with another chunker, or a RAG
        with another embedder), look at its answers, swap, and drop the old one when it is no longer wanted.
        """
        self._check_schema()
        names = (checked_name(one, "collection"), checked_name(other, "collection"))
        self._collections.swap(*names, tenant=self._tenant(tenant))

    def drop(self, collection: str, *, tenant: str | None = None) -> int:
        """Delete a collection with all that is in it; returns how many documents it had."""
        self._check_schema()
        return self._collections.drop(checked_name(collection, "collection"), tenant=self._tenant(tenant))

    def sweep(self) -> int:
        """Delete the documents of every collection whose time has come; returns how many there were. What asks saw and
        did more than 30 days ago is forgotten too, but for the cases in ``failures``, and so are kept answers that are
        out of date.

        As the runtime role, of every collection of this RAG's tenant. An ingest does so for its own collection.
        Searches do not find them in any case. Also marks the calls that a crash left open: ``PostgresLedger.sweep``.
        """
        self._check_schema()
        self.failures.forget(_RECORDS_KEPT)
        if isinstance(self.ledger, PostgresLedger):
            self.ledger.sweep(tenant=self.tenant)
        self.store.run(self._sweep_answers, tenant=None, repeatable=True)
        return self._collections.sweep(tenant=self.tenant)

    def _sweep_answers(self, connection: psycopg.Connection) -> None:
        act_for(connection, self.tenant)
        sweep_answers(connection)

    def backfill_tokens(self, *, collection: str | None = None, tenant: str | None = None) -> int:
        """Give chunks that were ingested without ``late_interaction`` their token bits; returns how many got them."""
        self._check_schema()
        trace = self._trace(tenant, None, None)
        return backfill_token_bits(
            self.store,
            token_model(self.embedder),
            tenant=trace.tenant,
            collection=checked_name(collection or self.collection, "collection"),
        )

    def rebuild_statistics(self, collection: str | None = None, *, tenant: str | None = None) -> None:
        """Count what BM25 needs of a collection anew, exactly; for when ``doctor`` finds that it is not as noted.

        Ingests of the collection wait meanwhile, searches go on. Raises InvalidArgument where there is none of
        that name.
        """
        self._check_schema()
        name = checked_name(collection or self.collection, "collection")
        owner = self._tenant(tenant)
        corpus = find_corpus(self.store, tenant=owner, collection=name)
        if corpus is None:
            raise InvalidArgument(f"there is no collection {name!r}: ingest into it first")
        rebuild_statistics(self.store, corpus.id, tenant=owner)

    def doctor(self) -> Diagnosis:
        """What is wrong with the database, and the commands that mend it. Changes nothing, and may be called at any
        time: it takes some seconds, and no statement of it more than 10.

        Looks at the writer as the role that this RAG connects as. A role under row-level security sees the
        collections of this RAG's tenant alone.
        """
        from ragdiet.doctor import diagnose

        return diagnose(self.store, self.space, tenant=self.tenant)
