"""InvokeGuardrailChecks: scores without a guardrail resource, by phrases and patterns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ragdiet.testing.bedrock.guard.guardrail import UNIT
from ragdiet.testing.bedrock.guard.personal import personal
from ragdiet.testing.bedrock.refusal import invalid
from ragdiet.testing.bedrock.tokens import words

# A phrase and how severe it is. The words are mild: they only have to be told apart.
_PHRASES: Mapping[str, Mapping[str, float]] = {
    "VIOLENCE": {"kill": 0.9, "stab": 0.8, "beat up": 0.7},
    "HATE": {"subhuman": 0.9, "vermin": 0.7},
    "SEXUAL": {"explicit sex": 0.9},
    "MISCONDUCT": {"build a bomb": 0.95, "launder money": 0.8, "steal": 0.5},
    "INSULTS": {"idiot": 0.8, "stupid": 0.6},
    "JAILBREAK": {"you are now dan": 0.95, "without any restrictions": 0.8, "pretend you have no rules": 0.9},
    "PROMPT_INJECTION": {
        "ignore all previous instructions": 0.98,
        "ignore previous instructions": 0.95,
        "disregard the above": 0.9,
        "new instructions": 0.6,
    },
    "PROMPT_LEAKAGE": {"your system prompt": 0.85, "repeat the words above": 0.9, "print your instructions": 0.9},
}


def check(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    """The reply and its text units by check. Refused where no check is asked for."""
    checks, texts = given["checks"], list(_texts(given["messages"]))
    if not checks:
        raise invalid("At least one check must be configured.")
    size = math.ceil(sum(len(text) for _, _, text in texts) / UNIT)
    folded = f" {' '.join(word for _, _, text in texts for word in words(text))} "
    results: dict[str, Any] = {}
    for name in ("contentFilter", "promptAttack"):
        if name in checks:
            results[name] = {
                "results": [
                    {"category": part["category"], "severityScore": _severity(folded, part["category"])}
                    for part in checks[name]["categories"]
                ]
            }
    if "sensitiveInformation" in checks:
        kinds = [part["type"] for part in checks["sensitiveInformation"]["entities"]]
        results["sensitiveInformation"] = {"results": list(_entities(texts, kinds)), "truncated": False}
    return {"results": results, "usage": {name: {"textUnits": size} for name in results}}, dict.fromkeys(results, size)


def _texts(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, int, str]]:
    for number, message in enumerate(messages):
        for place, block in enumerate(message["content"]):
            yield number, place, block["text"]


def _severity(folded: str, category: str) -> float:
    found = [score for phrase, score in _PHRASES[category].items() if f" {phrase} " in folded]
    return max(found, default=0.0)


def _entities(texts: Sequence[tuple[int, int, str]], kinds: Sequence[str]) -> Iterator[dict[str, Any]]:
    for number, place, text in texts:
        for found in personal(text, kinds):
            yield {
                "type": found.kind,
                "confidenceScore": 0.99,
                "beginOffset": found.start,
                "endOffset": found.end,
                "messageIndex": number,
                "contentIndex": place,
            }
