"""Which document is a copy of which: among those stored, and those of this run that are not written yet."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from queue import Queue
from typing import TYPE_CHECKING, Any

from ragdiet.quality import REPEATED_IN, Fingerprint, are_near
from ragdiet.store import FingerprintStore
from ragdiet.types import STRUCTURE_KEYS

if TYPE_CHECKING:
    from ragdiet.analysis import Analyzer
    from ragdiet.quality import Edge

_ALL_UNWRITTEN = -1
"""The batch of all documents that a dry run will never write."""

_FROM_THE_TEXT = STRUCTURE_KEYS | {"format", "lang", "sensitive"}


@dataclass(frozen=True, slots=True)
class Original:
    """A document that others may be copies of. ``document_id`` is None while it is not written; then ``text``
    tells its words, if it is still at hand."""

    external_id: str
    fingerprint: Fingerprint
    meta_hash: bytes
    edges: tuple[int, ...] = ()
    document_id: int | None = None
    text: str = ""


class _Index:
    """Documents by their text and by the bands of their signature."""

    def __init__(self, documents: Iterable[Original] = ()) -> None:
        self._by_key: defaultdict[bytes | int, dict[str, Original]] = defaultdict(dict)
        for document in documents:
            self.add(document)

    def add(self, document: Original) -> None:
        for key in _keys(document.fingerprint):
            self._by_key[key][document.external_id] = document

    def remove(self, document: Original) -> None:
        for key in _keys(document.fingerprint):
            self._by_key[key].pop(document.external_id, None)
            if not self._by_key[key]:
                del self._by_key[key]

    def same_text(self, own: Original) -> Iterator[Original]:
        """Other documents of the same text and metadata."""
        return _others(self._by_key.get(own.fingerprint.text_hash, {}), own)

    def near(self, own: Original) -> Iterator[Original]:
        """Other documents of nearly the same text and of the same metadata, numbers and negations."""
        for band in own.fingerprint.bands:
            for other in _others(self._by_key.get(band, {}), own):
                if are_near(own.fingerprint, other.fingerprint):
                    yield other


class Copies:
    """Knows the fingerprints of one corpus while it is being filled.

    A copy says nothing new: it has the same text (white space aside), or nearly the same one with the same
    numbers and negations and no word of its own. It also has the same metadata, or a filter would find one
    and not the other, and an original that does not expire before it.
    """

    def __init__(
        self, store: FingerprintStore, words: Analyzer, corpus_id: int | None, expires_at: datetime | None
    ) -> None:
        self._store = store
        self._analyzer = words
        self._corpus_id = corpus_id
        self._expires_at = expires_at
        self._stored = _Index()
        self._unwritten = _Index()
        self._batches: dict[int, dict[str, Original]] = {}
        self._written: Queue[int] = Queue()
        self._renamed: set[str] = set()

    def look_up(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Read what the store has that may be an original of one of these."""
        self._forget_written()
        self._stored = _Index(self._alike(fingerprints))

    def original(self, own: Original) -> Original | None:
        """What ``own`` is a copy of: a document with the same text before one with nearly the same."""
        exact = chain(self._stored.same_text(own), self._unwritten.same_text(own))
        near = chain(self._stored.near(own), self._unwritten.near(own))
        return next(exact, None) or next((other for other in near if self._holds(other, own)), None)

    def repeated(self, batch: Sequence[Sequence[Edge]]) -> set[int]:
        """The lines among these documents' edges that stand at the edge of enough documents to be boilerplate."""
        self._forget_written()
        counts: Counter[int] = Counter(edge for edges in batch for edge in {each.hash for each in edges})
        own = list(counts)
        for document in self._all_unwritten():
            counts.update(edge for edge in document.edges if edge in counts)
        if self._corpus_id is not None:
            few = [edge for edge in own if counts[edge] < REPEATED_IN]
            counts.update(self._store.repeated(self._corpus_id, few, REPEATED_IN))
        return {edge for edge in own if counts[edge] >= REPEATED_IN}

    def add(self, batch: int, document: Original) -> None:
        """Note a document that is going to be written with ``batch``."""
        self._batches.setdefault(batch, {})[document.external_id] = document
        self._unwritten.add(document)

    def rename(self, external_id: str) -> None:
        """Note that a stored document is going to have another name: it is no other's original any more."""
        self._renamed.add(external_id)

    def written(self, batch: int) -> None:
        """From now on the store knows the documents of ``batch``. May be called from another thread."""
        self._written.put(batch)

    def forget_texts(self, batch: int) -> None:
        """Let go of the texts of a batch that will not be written."""
        for document in self._batches.pop(batch, {}).values():
            self.add(_ALL_UNWRITTEN, replace(document, text=""))

    def _forget_written(self) -> None:
        while not self._written.empty():
            for document in self._batches.pop(self._written.get(), {}).values():
                self._unwritten.remove(document)

    def _all_unwritten(self) -> Iterator[Original]:
        return chain.from_iterable(batch.values() for batch in self._batches.values())

    def _alike(self, fingerprints: Sequence[Fingerprint]) -> list[Original]:
        if self._corpus_id is None or not fingerprints:
            return []
        found = self._store.alike(
            self._corpus_id,
            [each.text_hash for each in fingerprints],
            [band for each in fingerprints for band in each.bands],
        )
        # What this run is about to replace counts as it will be.
        replaced = self._renamed | {document.external_id for document in self._all_unwritten()}
        return [
            Original(
                external_id=each.external_id,
                fingerprint=Fingerprint(
                    text_hash=each.row.text_hash,
                    signature=each.row.signature,
                    bands=each.row.bands,
                    facts=each.row.facts,
                ),
                meta_hash=each.row.meta_hash,
                document_id=each.document_id,
            )
            for each in found
            if each.external_id not in replaced and self._lasts(each.expires_at)
        ]

    def _holds(self, other: Original, own: Original) -> bool:
        """Whether every word of ``own`` stands in ``other`` as well, as far as that can be told."""
        if other.document_id is not None and self._corpus_id is not None:
            words = self._store.terms(self._corpus_id, other.document_id)
        elif other.text:
            words = set(self._analyzer.numbers(other.text))
        else:
            return True
        return words.issuperset(self._analyzer.numbers(own.text))

    def _lasts(self, other: datetime | None) -> bool:
        return other is None or (self._expires_at is not None and other >= self._expires_at)


def meta_hash(meta: Mapping[str, Any]) -> bytes:
    """Hash of the metadata that a filter may ask for and the text does not tell."""
    own = {key: value for key, value in meta.items() if key not in _FROM_THE_TEXT}
    return hashlib.blake2b(json.dumps(own, sort_keys=True).encode(), digest_size=16).digest()


def _keys(fingerprint: Fingerprint) -> tuple[bytes | int, ...]:
    return (fingerprint.text_hash, *fingerprint.bands)


def _others(documents: Mapping[str, Original], own: Original) -> Iterator[Original]:
    for other in documents.values():
        if other.external_id != own.external_id and other.meta_hash == own.meta_hash:
            yield other
