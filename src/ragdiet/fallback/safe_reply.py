"""What is said when no answer can be stood by: why, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragdiet.fallback.steps import SafeReply
from ragdiet.fallback.templates import Reason, filled, template
from ragdiet.types import Citation

if TYPE_CHECKING:
    from ragdiet.types import Hit


def safe_reply(
    reason: Reason, hits: Sequence[Hit], step: SafeReply | None = None, *, language: str = "english"
) -> tuple[str, tuple[Citation, ...]]:
    """A reply that claims nothing, with the nearest sources (one a document) as its citations."""
    step = step or SafeReply()
    nearest = list({hit.document_id: hit for hit in reversed(hits)}.values())[::-1][: step.sources]
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
    return filled(step.templates.get(reason) or template(reason, step.language or language), names), cited
