"""A guardrail as an account has it: its policies, and what they make of a text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ragdiet.testing.bedrock.guard.personal import personal
from ragdiet.testing.bedrock.refusal import invalid
from ragdiet.testing.bedrock.tokens import words

UNIT = 1_000  # characters of a text unit
MOST_QUERY, MOST_SOURCE, MOST_RESPONSE = 1_000, 100_000, 5_000  # characters that grounding is checked with

_ACTIONS = {"BLOCK": "BLOCKED", "ANONYMIZE": "ANONYMIZED", "NONE": "NONE"}
_UNITS = (
    "topicPolicyUnits",
    "contentPolicyUnits",
    "wordPolicyUnits",
    "sensitiveInformationPolicyUnits",
    "sensitiveInformationPolicyFreeUnits",
    "contextualGroundingPolicyUnits",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """Policies by words and patterns, so that what they do can be told beforehand.

    ``words`` are blocked. ``topics`` and ``content`` (a filter such as ``PROMPT_ATTACK``) name the phrases that set
    them off. ``personal`` gives a kind of personal data, ``regexes`` a name and a pattern, each its action: BLOCK,
    ANONYMIZE or NONE. ``grounding`` and ``relevance`` are thresholds in [0, 1], None not to check. ``grounded`` gives
    the score of a response, by its sources and the query; by default it is the share of its words that they hold.
    """

    version: str = "1"
    words: Sequence[str] = ()
    topics: Mapping[str, Sequence[str]] = field(default_factory=dict)
    content: Mapping[str, Sequence[str]] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)
    regexes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    grounding: float | None = None
    relevance: float | None = None
    grounded: Callable[[str, str, str], float] | None = None
    blocked_input: str = "Sorry, the model cannot answer this question."
    blocked_output: str = "Sorry, the model cannot answer this question."


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a guardrail made of a text. ``texts`` are what may be shown: masked, or the blocked message."""

    blocked: bool
    masked: bool
    texts: tuple[str, ...]
    assessment: dict[str, Any]
    units: dict[str, int]

    @property
    def intervened(self) -> bool:
        """Whether the texts are others now."""
        return self.blocked or self.masked


def judge(guardrail: Guardrail, blocks: Sequence[Mapping[str, Any]], *, source: str, full: bool = False) -> Judged:
    """``blocks`` are ``{"text": ..., "qualifiers": [...]}``; ``source`` is INPUT or OUTPUT; ``full`` tells all.

    A block that is qualified as a source or a query only is context: it is not judged itself.
    """
    guarded = [block["text"] for block in blocks if _is_guarded(block)]
    whole = "\n".join(guarded)
    folded = f" {' '.join(words(whole))} "
    units = dict.fromkeys(_UNITS, 0)
    size = sum(math.ceil(len(text) / UNIT) for text in guarded)
    assessment: dict[str, Any] = {}

    def filled(policy: str, content: dict[str, list[dict[str, Any]]], counted: str) -> None:
        units[counted] = size
        if full or any(content.values()):
            assessment[policy] = content

    if guardrail.topics:
        topics = [
            {"name": name, "type": "DENY"} | _state(_says(folded, phrases))
            for name, phrases in guardrail.topics.items()
        ]
        filled("topicPolicy", {"topics": _shown(topics, full)}, "topicPolicyUnits")
    if guardrail.content:
        filters = [
            {"type": kind, "confidence": "HIGH" if _says(folded, phrases) else "NONE"} | _state(_says(folded, phrases))
            for kind, phrases in guardrail.content.items()
        ]
        filled("contentPolicy", {"filters": _shown(filters, full)}, "contentPolicyUnits")
    if guardrail.words:
        found = [{"match": word} | _state(True) for word in guardrail.words if _says(folded, [word])]
        filled("wordPolicy", {"customWords": found, "managedWordLists": []}, "wordPolicyUnits")
    texts = list(guarded)
    if guardrail.personal or guardrail.regexes:
        entities, regexes, texts = _sensitive(guardrail, guarded)
        filled(
            "sensitiveInformationPolicy",
            {"piiEntities": entities, "regexes": regexes},
            "sensitiveInformationPolicyUnits" if guardrail.personal else "sensitiveInformationPolicyFreeUnits",
        )
    if source == "OUTPUT" and (grounding := _grounding(guardrail, blocks, whole)):
        units["contextualGroundingPolicyUnits"] = math.ceil(sum(len(block["text"]) for block in blocks) / UNIT)
        if shown := _shown(grounding, full):
            assessment["contextualGroundingPolicy"] = {"filters": shown}
    actions = _actions(assessment)
    blocked, masked = "BLOCKED" in actions, "ANONYMIZED" in actions
    if blocked:
        texts = [guardrail.blocked_input if source == "INPUT" else guardrail.blocked_output]
    return Judged(blocked=blocked, masked=masked, texts=tuple(texts), assessment=assessment, units=units)


def _is_guarded(block: Mapping[str, Any]) -> bool:
    qualifiers = block.get("qualifiers") or ["guard_content"]
    return "guard_content" in qualifiers


def _says(folded: str, phrases: Sequence[str]) -> bool:
    return any(f" {' '.join(words(phrase))} " in folded for phrase in phrases)


def _state(hit: bool) -> dict[str, Any]:
    return {"action": "BLOCKED" if hit else "NONE", "detected": hit}


def _shown(parts: list[dict[str, Any]], full: bool) -> list[dict[str, Any]]:
    return [part for part in parts if full or part["detected"]]


def _sensitive(
    guardrail: Guardrail, texts: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    entities, regexes, masked = [], [], []
    for text in texts:
        spans = []
        for found in personal(text, guardrail.personal):
            action = _ACTIONS[guardrail.personal[found.kind]]
            entities.append({"match": found.text, "type": found.kind, "action": action, "detected": True})
            spans.append((found.start, found.end, found.kind, action))
        for name, (pattern, wanted) in guardrail.regexes.items():
            for match in re.finditer(pattern, text):
                part = {"name": name, "match": match[0], "regex": pattern}
                regexes.append({**part, "action": _ACTIONS[wanted], "detected": True})
                spans.append((match.start(), match.end(), name, _ACTIONS[wanted]))
        masked.append(_masked(text, spans))
    return entities, regexes, masked


def _masked(text: str, spans: Sequence[tuple[int, int, str, str]]) -> str:
    """From the end, so that offsets stay right; a span within another one is masked with it."""
    begun = len(text) + 1
    for start, end, kind, action in sorted(spans, key=lambda span: (-span[1], span[0])):
        if action == "ANONYMIZED" and end <= begun:
            text, begun = f"{text[:start]}{{{kind}}}{text[end:]}", start
    return text


def _grounding(guardrail: Guardrail, blocks: Sequence[Mapping[str, Any]], response: str) -> list[dict[str, Any]]:
    """Both filters, by the share of words: of the response in the sources, of the query in the response."""
    if guardrail.grounding is None and guardrail.relevance is None:
        return []
    sources = " ".join(block["text"] for block in blocks if "grounding_source" in (block.get("qualifiers") or ()))
    query = " ".join(block["text"] for block in blocks if "query" in (block.get("qualifiers") or ()))
    if not sources or not query:
        return []
    for name, text, most in (
        ("query", query, MOST_QUERY),
        ("grounding source", sources, MOST_SOURCE),
        ("content to guard", response, MOST_RESPONSE),
    ):
        if len(text) > most:
            raise invalid(f"The {name} has {len(text)} characters; contextual grounding takes at most {most}.")
    filters = []
    grounded = guardrail.grounded(response, sources, query) if guardrail.grounded else _overlap(response, sources)
    for kind, threshold, score in (
        ("GROUNDING", guardrail.grounding, grounded),
        ("RELEVANCE", guardrail.relevance, _overlap(query, f"{response} {sources}")),
    ):
        if threshold is not None:
            filters.append({"type": kind, "threshold": threshold, "score": score} | _state(score < threshold))
    return filters


def _overlap(text: str, other: str) -> float:
    """The share of ``text``'s longer words that are in ``other``; 1 where it has none."""
    asked = {word for word in words(text) if len(word) > 3 or word.isdigit()}
    return round(len(asked & set(words(other))) / len(asked), 4) if asked else 1.0


def _actions(assessment: Mapping[str, Any]) -> set[str]:
    return {part["action"] for policy in assessment.values() for parts in policy.values() for part in parts}
