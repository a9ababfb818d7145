"""What is said when no answer can be stood by: why, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from ragdiet.types import Citation

if TYPE_CHECKING:
    from ragdiet.types import Hit

Reason: TypeAlias = Literal[
    "nothing found", "not supported", "out of time", "over budget", "models failed", "refused", "guard failed"
]

_TEMPLATES: dict[Reason, str] = {
    "nothing found": "The documents do not seem to hold an answer to this.",
    "not supported": "I found no answer to this that the documents clearly support.",
    "out of time": "I could not finish an answer in the time given.",
    "over budget": "An answer to this would cost more than is allowed.",
    "models failed": "The models that could answer this are not available at the moment.",
    "refused": "This cannot be answered here.",
    "guard failed": "A check that every question has to pass is not available at the moment.",
}


def safe_reply(reason: Reason, hits: Sequence[Hit], *, sources: int = 3) -> tuple[str, tuple[Citation, ...]]:
    """A reply that claims nothing, with the nearest sources (one a document) as its citations."""
    nearest = list({hit.document_id: hit for hit in reversed(hits)}.values())[::-1][:sources]
    cited = tuple(
        Citation(
            n=number,
            document_id=hit.document_id,
            chunk_id=hit.chunk_id,
            text=hit.text,
            uri=hit.uri,
            start=hit.start,
            end=hit.end,
        )
        for number, hit in enumerate(nearest, 1)
    )
    names = ", ".join(f"{hit.title or hit.document_id} [{number}]" for number, hit in enumerate(nearest, 1))
    return (f"{_TEMPLATES[reason]} Nearest: {names}" if names else _TEMPLATES[reason]), cited
