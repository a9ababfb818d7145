"""Plans into the store, several small ones in one transaction, and the tally of what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ragdiet.errors import StoreError
from ragdiet.ingest.ahead import Ahead, Room
from ragdiet.ingest.tally import rejection
from ragdiet.store import StaleChange

if TYPE_CHECKING:
    from ragdiet.ingest.copies import Copies
    from ragdiet.ingest.plan import Plan, Planner
    from ragdiet.ingest.tally import Progress, Tally
    from ragdiet.ingest.vectors import ChunkEmbedder
    from ragdiet.store import DocumentStore, Indexes

_TRIES = 5
_TOGETHER = 2_000
"""Chunks from which on a transaction is worth its cost: one for each few chunks halves the speed."""


class Writer:
    """Writes the plans of one run into one corpus."""

    def __init__(
        self,
        documents: DocumentStore,
        indexes: Indexes,
        embedder: ChunkEmbedder,
        planner: Planner,
        copies: Copies,
        tally: Tally,
        room: Room,
        corpus_id: int,
    ) -> None:
        self._documents = documents
        self._indexes = indexes
        self._embedder = embedder
        self._planner = planner
        self._copies = copies
        self._tally = tally
        self._room = room
        self._corpus_id = corpus_id

    def embedded(self, plans: Iterable[Plan]) -> Iterator[Plan]:
        """Each plan with the vectors of its new chunks; documents that get none are rejected."""
        for plan in plans:
            self._embed(plan)
            yield plan
            del plan

    def write_all(self, plans: Ahead[Plan], progress: Callable[[Progress], None] | None) -> None:
        """Write plans as they come, those that are waiting already together."""
        for plan in plans:
            together = [plan]
            chunks = len(plan.new_chunks)
            while chunks < _TOGETHER and (another := plans.ready()) is not None:
                together.append(another)
                chunks += len(another.new_chunks)
            self._write(together)
            self._room.leave(sum(each.weight for each in together))
            if progress:
                progress(self._tally.progress)
            del plan, together

    def _embed(self, plan: Plan) -> None:
        new = plan.new_chunks
        done = self._embedder.fill(new)
        plan.tokens += done.tokens
        if not done.failed:
            return
        failed = {id(new[place]): error for place, error in done.failed.items()}
        documents = {item.id: item.document for item in plan.batch.items}
        for change in list(plan.changes):
            error = next((failed[id(chunk)] for chunk in change.new if id(chunk) in failed), None)
            document = documents[change.external_id]
            if error is not None and document is not None:
                plan.changes.remove(change)
                plan.rejected.append(rejection(document, error))

    def _write(self, plans: list[Plan]) -> None:
        self._expect(plans)
        try:
            self._store(plans)
        except StaleChange:
            for plan in plans:
                self._write_anew(plan)
            return
        for plan in plans:
            self._count(plan)

    def _write_anew(self, plan: Plan) -> None:
        """Plan a batch on what other writers have made of its documents meanwhile, until none comes between."""
        tokens = plan.tokens
        for _ in range(_TRIES):
            self._copies.written(plan.batch.number)
            plan = self._planner.plan(plan.batch, all_seen=plan.all_seen, may_postpone=False)
            self._embed(plan)
            tokens += plan.tokens
            try:
                self._store([plan])
            except StaleChange:
                continue
            plan.tokens = tokens
            self._count(plan)
            return
        raise StoreError("another process keeps changing the same documents: let it end, then ingest again")

    def _store(self, plans: list[Plan]) -> None:
        changes = [change for plan in plans for change in plan.changes]
        if changes:
            self._documents.write(self._corpus_id, changes)
        for plan in plans:
            if plan.removals:
                self._tally.deleted += self._documents.delete(self._corpus_id, plan.removals)
            if plan.touched:
                self._documents.touch(self._corpus_id, plan.touched)
            self._copies.written(plan.batch.number)

    def _count(self, plan: Plan) -> None:
        count_plan(self._tally, plan)
        self._tally.tokens += plan.tokens

    def _expect(self, plans: list[Plan]) -> None:
        progress = self._tally.progress
        chunks = progress.chunks + sum(len(plan.new_chunks) for plan in plans)
        seen = progress.seen + sum(plan.batch.seen for plan in plans)
        share = min(1.0, seen / progress.total) if progress.total else 1.0
        self._indexes.expect(round(chunks / share) if share else chunks)


def count_plan(tally: Tally, plan: Plan) -> None:
    """Add what a plan does, or would do, to the tally."""
    progress = tally.progress
    for each in plan.rejected:
        tally.reject(each)
    progress.seen += plan.batch.seen
    progress.unchanged += plan.unchanged
    progress.added += sum(change.known is None for change in plan.changes)
    progress.updated += sum(change.known is not None for change in plan.changes)
    progress.chunks += sum(len(change.new) for change in plan.changes)
