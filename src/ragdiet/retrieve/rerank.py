"""Hits in the order of a reranker, held to what it promises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragdiet.errors import BadReply, InvalidArgument
from ragdiet.types import Hits

if TYPE_CHECKING:
    from ragdiet.protocols import Reranker
    from ragdiet.types import Hit


def reranked(reranker: Reranker, question: str, hits: Sequence[Hit], k: int) -> Hits:
    """The reranker's best ``k`` of ``hits``; without hits it is not asked.

    Raises BadReply where what came back is not some of these hits, each once, each with a number for a score.
    """
    if k < 1:
        raise InvalidArgument(f"k is {k}: ask for 1 hit or more")
    if not hits:
        return Hits()
    given = {hit.chunk_id: hit for hit in hits}
    found = Hits(reranker.rerank(question, hits, k=k))
    name = getattr(reranker, "name", type(reranker).__name__)
    if len(found) > k:
        raise BadReply(f"{name} gave {len(found)} hits where at most {k} were asked for: mend the reranker")
    if len({hit.chunk_id for hit in found}) < len(found):
        raise BadReply(f"{name} gave a hit twice: mend the reranker")
    for hit in found:
        if not math.isfinite(hit.score):
            raise BadReply(f"{name} gave chunk {hit.chunk_id} the score {hit.score}: mend the reranker")
        own = given.get(hit.chunk_id)
        if own is None or replace(own, score=hit.score) != hit:
            raise BadReply(
                f"{name} gave a hit, chunk {hit.chunk_id}, that is none of the {len(hits)} it was given: a reranker "
                "may order hits and set their score, and nothing else"
            )
    return found
