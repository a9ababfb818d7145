"""What has to be written for a batch: each document against what the store and the policy say of it.

Nothing is written here and nothing is spent. What must wait until the whole source was seen is postponed:
a document that looks like the copy of one this run has not met yet may in truth be that one, renamed.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ragdiet.embed import text_hash
from ragdiet.errors import InvalidArgument, QualityRejected, SourceError
from ragdiet.ingest.copies import Copies, Original, meta_hash
from ragdiet.ingest.tally import rejection
from ragdiet.quality import Quality, Screened, check_duplicates, screen, screen_chunks, strip_boilerplate
from ragdiet.sentences import split_sentences
from ragdiet.store import DocumentChange, DocumentStore, FingerprintRow, KnownChunk, KnownDocument, NewChunk
from ragdiet.types import STRUCTURE_KEYS, Chunk, Document, Rejection

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragdiet.analysis import Analyzer
    from ragdiet.ingest.batches import Batch
    from ragdiet.load import Item
    from ragdiet.protocols import Chunker

_MOST_CHARACTERS = 20_000_000
_MOST_TERMS = 16_000  # a sparsevec holds no more entries


@dataclass(slots=True)
class Plan:
    """What is to become of a batch.

    ``removals`` are stored documents that the policy now keeps out, ``touched`` unchanged ones whose source
    hash or expiry is another now. ``postponed`` items are planned again when all of the source was seen,
    which ``all_seen`` says of this plan. ``tokens`` were embedded for it. ``weight`` is the room it takes, in
    chunks, as long as it is under way.
    """

    batch: Batch
    all_seen: bool = False
    changes: list[DocumentChange] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)
    touched: list[tuple[int, bytes | None, datetime | None]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    postponed: list[Item] = field(default_factory=list)
    unchanged: int = 0
    tokens: int = 0
    weight: int = 0

    @property
    def new_chunks(self) -> list[NewChunk]:
        return [new for change in self.changes for new in change.new]


class Planner:
    """Plans batches of one corpus. ``corpus_id`` is None for a dry run into one that does not exist.

    ``seen(external_id)``: whether this run met that document; ``is_gone``: whether, all of the source being
    seen, that document is to be deleted.
    """

    def __init__(
        self,
        documents: DocumentStore,
        copies: Copies,
        chunker: Chunker,
        words: Analyzer,
        policy: Quality,
        *,
        corpus_id: int | None,
        pipeline: str,
        expires_at: datetime | None,
        seen: Callable[[str], bool],
        is_gone: Callable[[str], bool],
    ) -> None:
        self._documents = documents
        self._copies = copies
        self._chunker = chunker
        self._analyzer = words
        self._policy = policy
        self._corpus_id = corpus_id
        self._pipeline = pipeline
        self._expires_at = expires_at
        self._seen = seen
        self._is_gone = is_gone
        self._lock = Lock()
        self._awaited: set[str] = set()  # changed documents of the batch in hand that are still to be planned

    def source_hashes(self, external_ids: Sequence[str]) -> dict[str, bytes | None]:
        """The source hashes of those documents that were made as this run makes them."""
        return {
            external_id: known.source_hash
            for external_id, known in self._known(external_ids).items()
            if known.pipeline == self._pipeline
        }

    def plan(self, batch: Batch, *, all_seen: bool = False, may_postpone: bool = True) -> Plan:
        """What is to become of a batch. ``all_seen``: all ids of the source are known, so that a document may
        prove to be another one renamed, and nothing is postponed any more. May be called from any thread."""
        with self._lock:
            return self._plan(batch, all_seen=all_seen, may_postpone=may_postpone and not all_seen)

    def _plan(self, batch: Batch, *, all_seen: bool, may_postpone: bool) -> Plan:
        plan = Plan(batch, all_seen=all_seen, rejected=list(batch.rejected))
        known = self._known([item.id for item in batch.items])
        changed = []
        for item in batch.items:
            if self._is_unchanged(item, known.get(item.id)):
                self._note_unchanged(plan, item, known.get(item.id))
            else:
                changed.append(item)
        screened = self._screened(plan, changed, known)
        self._copies.look_up([each.fingerprint for _, each in screened if each.fingerprint])
        stored = self._documents.known_chunks([known[item.id].id for item, _ in screened if item.id in known])
        self._awaited = {item.id for item, _ in screened} if may_postpone else set()
        for item, each in screened:
            before = known.get(item.id)
            if before is not None:
                before = replace(before, chunks=stored.get(before.id, ()))
            with _rejecting(plan, item, known):
                self._plan_one(plan, item, each, before, may_postpone=may_postpone)
            self._awaited.discard(item.id)
        return plan

    def _known(self, external_ids: Sequence[str]) -> dict[str, KnownDocument]:
        return {} if self._corpus_id is None else self._documents.known(self._corpus_id, external_ids)

    def _is_unchanged(self, item: Item, before: KnownDocument | None) -> bool:
        if item.document is None:
            return True
        return before is not None and (before.content_hash, before.pipeline) == (
            content_hash(item.document),
            self._pipeline,
        )

    def _note_unchanged(self, plan: Plan, item: Item, before: KnownDocument | None) -> None:
        plan.unchanged += 1
        if before and (before.source_hash, before.expires_at) != (item.source_hash, self._expires_at):
            plan.touched.append((before.id, item.source_hash, self._expires_at))

    def _screened(
        self, plan: Plan, items: Sequence[Item], known: Mapping[str, KnownDocument]
    ) -> list[tuple[Item, Screened]]:
        """Documents past the gates that need no other document, without the lines that many share."""
        screened: list[tuple[Item, Screened]] = []
        for item in items:
            assert item.document is not None
            with _rejecting(plan, item, known):
                _check_length(item.document)
                screened.append((item, screen(item.document, self._policy)))
        repeated = self._copies.repeated([each.edges for _, each in screened])
        stripped: list[tuple[Item, Screened]] = []
        for item, each in screened:
            with _rejecting(plan, item, known):
                stripped.append((item, strip_boilerplate(each, repeated)))
        return stripped

    def _plan_one(
        self, plan: Plan, item: Item, screened: Screened, before: KnownDocument | None, *, may_postpone: bool
    ) -> None:
        own = _as_original(item, screened)
        other = self._copies.original(own) if own else None
        if own and other:
            if may_postpone and (other.external_id in self._awaited or not self._seen(other.external_id)):
                plan.postponed.append(item)
                return
            if before is None and plan.all_seen and self._is_gone(other.external_id):
                before = self._renamed(other.external_id)
                self._copies.rename(other.external_id)
            elif own.fingerprint.bands:
                check_duplicates(own.fingerprint, [(other.external_id, other.fingerprint)], self._policy)
        change = self._change(plan, item, screened, before, own)
        if own:
            self._copies.add(plan.batch.number, own)
        plan.changes.append(change)

    def _renamed(self, external_id: str) -> KnownDocument | None:
        """The stored document that is no longer in the source under its name, with the texts of its chunks."""
        known = self._known([external_id]).get(external_id)
        if known is None:
            return None
        return replace(known, chunks=self._documents.known_chunks([known.id], texts=True).get(known.id, ()))

    def _change(
        self, plan: Plan, item: Item, screened: Screened, before: KnownDocument | None, own: Original | None
    ) -> DocumentChange:
        document = screened.document
        assert item.document is not None
        change = DocumentChange(
            external_id=document.id,
            uri=document.uri,
            title=document.title,
            content_hash=content_hash(item.document),
            pipeline=self._pipeline,
            meta={key: value for key, value in document.meta.items() if key not in STRUCTURE_KEYS},
            source_hash=item.source_hash,
            expires_at=self._expires_at,
            fingerprint=_row(own) if own else None,
            known=before,
        )
        chunks, left_out = screen_chunks(self._chunker.chunk(document), screened, self._policy)
        stored = _Stored(before.chunks if before else ())
        for chunk in chunks:
            sentences = chunk.sentences or split_sentences(chunk.text)
            self._add_chunk(change, replace(chunk, sentences=sentences), stored)
        plan.rejected += [
            Rejection(
                uri=document.uri or document.id,
                reason=each.reason,
                error=each.error,
                by_policy=True,
                start=each.start,
                end=each.end,
            )
            for each in (*screened.left_out, *left_out)
        ]
        return change

    def _add_chunk(self, change: DocumentChange, chunk: Chunk, stored: _Stored) -> None:
        digest = text_hash(chunk.indexed_text)
        known = stored.of_hash(digest)
        if known and known.embedded:
            change.keep.append((known.id, chunk))
            return
        renamed = None if known else stored.of_text(chunk.text)
        new = NewChunk(
            chunk=chunk,
            hash=digest,
            terms=self._terms(chunk),
            chunk_id=known.id if known else renamed.id if renamed else None,
        )
        (change.renamed if renamed else change.new).append(new)

    def _terms(self, chunk: Chunk) -> NDArray[np.int32]:
        terms = np.array(self._analyzer.numbers(chunk.indexed_text), np.int32)
        if len(terms) > _MOST_TERMS and (distinct := len(np.unique(terms))) > _MOST_TERMS:
            raise InvalidArgument(
                f"a chunk holds {distinct:,} different words, the index takes {_MOST_TERMS:,}: use smaller chunks"
            )
        return terms


class _Stored:
    """The stored chunks of a document, each to be taken once: by hash, or, in a renamed one, by its text."""

    def __init__(self, chunks: Sequence[KnownChunk]) -> None:
        self._by_hash: defaultdict[bytes, deque[KnownChunk]] = defaultdict(deque)
        self._by_text: defaultdict[str, deque[KnownChunk]] = defaultdict(deque)
        self._taken: set[int] = set()
        for chunk in chunks:
            self._by_hash[chunk.hash].append(chunk)
            if chunk.text and chunk.embedded:
                self._by_text[chunk.text].append(chunk)

    def of_hash(self, digest: bytes) -> KnownChunk | None:
        return self._take(self._by_hash.get(digest))

    def of_text(self, text: str) -> KnownChunk | None:
        return self._take(self._by_text.get(text))

    def _take(self, chunks: deque[KnownChunk] | None) -> KnownChunk | None:
        while chunks:
            chunk = chunks.popleft()
            if chunk.id not in self._taken:
                self._taken.add(chunk.id)
                return chunk
        return None


@contextmanager
def _rejecting(plan: Plan, item: Item, known: Mapping[str, KnownDocument]) -> Iterator[None]:
    """Turn what is wrong with a document into its rejection. What the policy keeps out now goes if it was stored."""
    assert item.document is not None
    try:
        yield
    except (InvalidArgument, SourceError) as error:
        plan.rejected.append(rejection(item.document, error))
        if isinstance(error, QualityRejected) and item.id in known:
            plan.removals.append(item.id)


def _check_length(document: Document) -> None:
    if len(document.text) > _MOST_CHARACTERS:
        raise InvalidArgument(
            f"the document has {len(document.text):,} characters, the most is {_MOST_CHARACTERS:,}: split it"
        )


def _as_original(item: Item, screened: Screened) -> Original | None:
    if screened.fingerprint is None:
        return None
    return Original(
        external_id=item.id,
        fingerprint=screened.fingerprint,
        meta_hash=meta_hash(screened.document.meta),
        edges=tuple(sorted({edge.hash for edge in screened.edges})),
        text=screened.document.text,
    )


def _row(own: Original) -> FingerprintRow:
    return FingerprintRow(
        text_hash=own.fingerprint.text_hash,
        meta_hash=own.meta_hash,
        signature=own.fingerprint.signature if own.fingerprint.bands else b"",
        facts=own.fingerprint.facts,
        bands=own.fingerprint.bands,
        edges=own.edges,
    )


def content_hash(document: Document) -> bytes:
    """Of all that the caller gave: what tells a changed document from an unchanged one."""
    whole: Mapping[str, Any] = {
        "text": document.text,
        "title": document.title,
        "uri": document.uri,
        "meta": dict(document.meta),
    }
    return text_hash(json.dumps(whole, sort_keys=True, ensure_ascii=False))
