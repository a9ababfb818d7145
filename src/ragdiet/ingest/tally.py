"""What an ingest has done so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ragdiet.errors import QualityRejected, RagdietError
from ragdiet.types import Document, Rejection


@dataclass(slots=True, kw_only=True)
class Progress:
    """Where an ingest is. Counts are of documents, ``chunks`` of chunks written so far; ``total`` is the
    number of files and Documents that the source names, None when it cannot be known before the end."""

    total: int | None = None
    seen: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    chunks: int = 0


@dataclass(slots=True)
class Tally:
    """The counts and rejections of one ingest.

    ``ids`` are those of all documents that could be read, ``unread`` the names of what could not: files,
    and folders with all in them. Both are filled by the reading thread, all else by the writing one.
    """

    rejected: list[Rejection] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    tokens: int = 0
    deleted: int = 0
    progress: Progress = field(default_factory=Progress)

    def reject(self, rejection: Rejection) -> None:
        self.rejected.append(rejection)
        if rejection.start is None:
            self.progress.rejected += 1

    def is_unread(self, name: str) -> bool:
        """Whether this id or uri, or a folder that holds it, could not be read: it may still be there."""
        return any(name[:end] in self.unread for end in (*_slashes(name), len(name)))

    def is_gone(self, external_id: str) -> bool:
        """Whether the source, once all of it was seen, does not have this document."""
        return external_id not in self.ids and not self.is_unread(external_id)


def _slashes(name: str) -> Iterator[int]:
    place = name.find("/")
    while place >= 0:
        yield place
        place = name.find("/", place + 1)


def rejection(document: Document, error: RagdietError) -> Rejection:
    """``error`` as the reason why a document is not ingested."""
    return Rejection(
        uri=document.uri or document.id,
        reason=str(error),
        error=type(error).__name__,
        by_policy=isinstance(error, QualityRejected),
    )
