"""Documents, their chunks, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    pass


Span: TypeAlias = tuple[int, int]


STRUCTURE_KEYS = frozenset({"headings", "pages"})
"""Keys of ``Document.meta`` that tell a chunker where sections and pages begin; they are not stored."""


@dataclass(frozen=True, slots=True)
class Document:
    """One source text. ``id`` is unique within its collection and stable between runs."""

    id: str
    text: str
    title: str | None = None
    uri: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A slice of a document: ``document.text[start:end] == text``.

    ``context`` is the line (title, headings) indexed and embedded before the text but never billed
    into a prompt with it. ``sentences`` are spans within ``text``, in order and without overlap; a chunker
    may leave them out, the ingest then finds them.
    """

    ordinal: int
    text: str
    start: int
    end: int
    tokens: int
    context: str = ""
    sentences: tuple[Span, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def indexed_text(self) -> str:
        """What is embedded and searched: the context line, then the text."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """What was not ingested, and why: a source or a document, or the part of one from ``start`` to ``end``.

    ``error`` is a name out of ``ragdiet.errors``. ``by_policy``: a quality gate kept it out, as it was told
    to; the others are faults of the source.
    """

    uri: str
    reason: str
    error: str
    by_policy: bool = False
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What an ingest did. Counts are of documents, but ``chunks`` (written) and ``tokens`` (embedded).

    ``dry_run``: nothing was written or spent; the counts are what would be, ``tokens`` by our own counter
    and ``cost`` by the price book.
    """

    added: int
    updated: int
    unchanged: int
    deleted: int
    rejected: tuple[Rejection, ...]
    chunks: int
    tokens: int
    seconds: float
    cost: Decimal
    dry_run: bool = False

    def _repr_html_(self) -> str:
        from ragdiet.display import report_html

        return report_html(self)
