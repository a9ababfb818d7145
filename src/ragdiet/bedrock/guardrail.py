"""What a guardrail's replies hold, wherever it is asked: the units that are billed, and what it found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ragdiet.bedrock.usage import is_count
from ragdiet.errors import BadReply, InvalidArgument

GUARDRAIL_UNIT = 1_000
"""Characters of a text unit, by which a guardrail is billed."""

# As botocore's service model has them.
_IDENTIFIER = re.compile(r"[a-z0-9]+|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+")
_VERSION = re.compile(r"[1-9][0-9]{0,7}|DRAFT")

_POLICIES = (
    "topicPolicyUnits",
    "contentPolicyUnits",
    "wordPolicyUnits",
    "sensitiveInformationPolicyUnits",
    "sensitiveInformationPolicyFreeUnits",
    "contextualGroundingPolicyUnits",
)
GUARDRAIL_PRICES: Mapping[str, str] = {policy: f"guardrail/{policy}" for policy in _POLICIES}
"""The rows of the price book that a guardrail is billed by, for each policy."""


def guardrail_name(identifier: str, version: str) -> str:
    """A guardrail in the ledger and in errors. Raises InvalidArgument for what is no id or ARN, or no version.

    >>> guardrail_name("arn:aws:bedrock:us-east-1:123456789012:guardrail/abc123", "1")
    'guardrail abc123:1'
    """
    if not _IDENTIFIER.fullmatch(identifier):
        raise InvalidArgument(f"{identifier!r} is neither a guardrail's id nor its ARN: copy it from the console")
    if not _VERSION.fullmatch(version):
        raise InvalidArgument(f"{version!r} is no version of a guardrail: give a number as text, or 'DRAFT'")
    return f"guardrail {identifier.rpartition('/')[2]}:{version}"


def billed_units(usage: object, name: str) -> dict[str, int]:
    """The units of each policy; BadReply where they are missing or no counts."""
    if not isinstance(usage, Mapping) or not usage:
        raise BadReply(f"{name}: the reply holds no usage. The ledger holds the worst case.", code="MissingUsage")
    units = {policy: count for policy, count in usage.items() if policy.endswith("Units") or policy == "textUnits"}
    for policy, count in units.items():
        if not is_count(count):
            raise BadReply(f"{name}: {policy} is {count!r}, not a count. The ledger holds the worst case.")
    return units


def findings(assessments: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each policy's parts: a filter, a topic, a word, a kind of personal data, with its action."""
    for assessment in assessments:
        for policy, content in assessment.items():
            if policy.endswith("Policy") and isinstance(content, Mapping):
                for parts in content.values():
                    yield from ((policy, part) for part in parts if isinstance(part, Mapping))


def named(policy: str, part: Mapping[str, Any]) -> str:
    """A part in words, such as "topic investments"."""
    what = part.get("name") or part.get("type") or "a word of the list"
    kind = {
        "topicPolicy": "topic",
        "contentPolicy": "content",
        "wordPolicy": "word",
        "sensitiveInformationPolicy": "personal data",
        "contextualGroundingPolicy": "grounding",
    }.get(policy, policy)
    if policy == "contextualGroundingPolicy":
        return f"{str(what).lower()} {part.get('score')} under {part.get('threshold')}"
    return f"{kind} {what}"


def traced_assessments(trace: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The assessments in a Converse reply's trace: of what was said to the model, and of what it said."""
    guardrail = trace.get("guardrail") or {}
    before = tuple((guardrail.get("inputAssessment") or {}).values())
    after = (guardrail.get("outputAssessments") or {}).values()
    return before + tuple(assessment for several in after for assessment in several)


def traced_units(trace: Mapping[str, Any], name: str) -> dict[str, int] | None:
    """The units of each policy that a Converse reply's trace tells of; None where it tells of none."""
    total: dict[str, int] = {}
    assessments = traced_assessments(trace)
    for assessment in assessments:
        usage = (assessment.get("invocationMetrics") or {}).get("usage")
        if usage is None:
            return None
        for policy, count in billed_units(usage, name).items():
            total[policy] = total.get(policy, 0) + count
    return total if assessments else None


def traced_reason(trace: Mapping[str, Any]) -> str:
    """What a guardrail blocked or masked in a Converse request, in words; '' where the trace does not say."""
    found = [
        named(policy, part)
        for policy, part in findings(traced_assessments(trace))
        if part.get("action") in ("BLOCKED", "ANONYMIZED")
    ]
    return ", ".join(dict.fromkeys(found))
