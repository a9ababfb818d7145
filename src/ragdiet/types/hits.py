"""What a search finds, and how a question is searched for again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


from ragdiet.types.documents import Document, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A retrieved chunk. A rank counts from 1 and is None where that leg did not bring the chunk.

    ``dense_score`` is the cosine with the question, ``keyword_score`` the BM25 score, ``score`` the
    fused one that orders hits. ``sentences`` are spans within ``text``; ``sentence_vectors`` is
    float16, (sentences, dimensions), unit length, or None when none were stored.
    """

    chunk_id: int
    document_id: str
    text: str
    score: float
    dense_rank: int | None = None
    keyword_rank: int | None = None
    title: str | None = None
    uri: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    start: int = 0
    end: int = 0
    dense_score: float = 0.0
    keyword_score: float = 0.0
    tokens: int = 0
    sentences: tuple[Span, ...] = ()
    sentence_vectors: NDArray[np.float16] | None = field(default=None, compare=False, repr=False)

    def _repr_html_(self) -> str:
        from ragdiet.display import hits_html

        return hits_html((self,))


class Hits(tuple[Hit, ...]):
    """A tuple of hits that shows itself as a table in a notebook.

    ``found``: how many candidates each leg brought, ``{"keyword": ..., "dense": ...}``. ``version`` counts the changes
    of the collection up to the search, which at a replica may be fewer than there are; None where that is not known.
    """

    found: Mapping[str, int]
    version: int | None

    def __new__(
        cls, hits: Iterable[Hit] = (), *, found: Mapping[str, int] | None = None, version: int | None = None
    ) -> Self:
        made = super().__new__(cls, hits)
        made.found = dict(found or {})
        made.version = version
        return made

    def _repr_html_(self) -> str:
        from ragdiet.display import hits_html

        return hits_html(self)


Passage: TypeAlias = Hit | Document | str


@dataclass(frozen=True, slots=True)
class Change:
    """What was written in a question, and the corpus's word for it."""

    written: str
    corrected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A question as a second search is to ask it.

    ``question`` is for the embedder and for "did you mean"; ``keywords``, which holds it with its phrases and
    exclusions, for the keyword leg. ``reasons`` say what was done, for the record of the attempt.
    """

    question: str
    keywords: str
    changes: tuple[Change, ...] = ()
    reasons: tuple[str, ...] = ()
