"""Rerank: scores by the words that a document shares with the query."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ragdiet.testing.bedrock.models.model import RerankModel
from ragdiet.testing.bedrock.refusal import invalid
from ragdiet.testing.bedrock.tokens import words


def rerank(given: Mapping[str, Any], model: RerankModel) -> tuple[dict[str, Any], int]:
    """The reply and how many queries are billed. Refused where a source lacks what its type says."""
    query = given["queries"][0]["textQuery"].get("text", "")
    texts = [_text(source["inlineDocumentSource"], number) for number, source in enumerate(given["sources"], 1)]
    most = given["rerankingConfiguration"]["bedrockRerankingConfiguration"].get("numberOfResults", len(texts))
    if most > len(texts):
        raise invalid(f"The number of results {most} is above the number of sources {len(texts)}.")
    scored = model.score or score
    scores = [scored(query, text) for text in texts]
    order = sorted(range(len(texts)), key=lambda place: (-scores[place], place))[:most]
    asked = model.tokenizer.count(query)
    parts = sum(max(1, math.ceil((asked + model.tokenizer.count(text)) / model.part_tokens)) for text in texts)
    results = [{"index": place, "relevanceScore": scores[place]} for place in order]
    return {"results": results}, math.ceil(parts / model.per_query)


def score(query: str, text: str) -> float:
    """In [0, 1]: the share of the query's words that the text has, a little less the longer the text is.

    >>> score("lunch time", "lunch is at noon") > score("lunch time", "the train leaves")
    True
    """
    asked, held = set(words(query)), words(text)
    if not asked or not held:
        return 0.0
    return len(asked & set(held)) / len(asked) * (1 - 0.1 * min(1.0, len(held) / 1_000))


def _text(document: Mapping[str, Any], number: int) -> str:
    kind = document["type"]
    part = document.get("textDocument" if kind == "TEXT" else "jsonDocument")
    if part is None:
        raise invalid(f"Source {number} is of type {kind} and has no such document.")
    return str(part.get("text", "")) if kind == "TEXT" else json.dumps(part, ensure_ascii=False)
