"""What is kept of an ask, so that somebody can see later what it saw and did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragdiet.ask.state import AskState
    from ragdiet.types import Answer

_MOST_HITS = 50
"""Hits that are kept, the best ones."""


def record_of(
    state: AskState, answer: Answer, versions: dict[str, Any], for_record: Callable[[str], str]
) -> dict[str, Any]:
    """As JSON: texts only through ``for_record``; of hits and sentences where they stand, not what they say. The
    context is written out where there is no answer, since documents may have changed when somebody looks."""
    context = answer.context
    return {
        "searched": for_record(state.searched),
        "answer": for_record(answer.text),
        "k": state.scope.k,
        "budget": state.budget,
        "filtered": state.scope.filter is not None,
        "hits": [
            {
                "chunk_id": hit.chunk_id,
                "document_id": hit.document_id,
                "start": hit.start,
                "end": hit.end,
                "score": round(hit.score, 4),
                "dense_rank": hit.dense_rank,
                "keyword_rank": hit.keyword_rank,
            }
            for hit in state.hits[:_MOST_HITS]
        ],
        "kept": [
            {"document_id": sentence.document_id, "start": sentence.start, "end": sentence.end}
            for sentence in (context.kept if context else ())
        ],
        "context": for_record(context.text) if context and answer.outcome != "answered" else None,
        "attempts": [
            asdict(attempt) | {"reason": for_record(attempt.reason), "cost": str(attempt.cost)}
            for attempt in answer.attempts
        ],
        "versions": versions,
    }
