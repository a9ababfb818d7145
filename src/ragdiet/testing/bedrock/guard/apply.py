"""ApplyGuardrail, and guardrails inside Converse: the guardrail is found, asked, and its reply and units given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragdiet.testing.bedrock.guard.guardrail import Guardrail, Judged, judge
from ragdiet.testing.bedrock.refusal import Refused, invalid


def find(guardrails: Mapping[str, Guardrail], identifier: str, version: str, account: str) -> tuple[str, Guardrail]:
    """The guardrail and its id, by id or ARN. Refused where there is none of that version."""
    *arn, name = identifier.split("/")
    if arn and f":{account}:" not in identifier:
        raise Refused("AccessDeniedException", f"You are not authorized to use the guardrail {identifier}.")
    found = guardrails.get(name)
    if found is None or version not in (found.version, "DRAFT"):
        raise Refused(
            "ResourceNotFoundException", f"The guardrail {identifier} of version {version or 'none'} does not exist."
        )
    return name, found


def apply(given: Mapping[str, Any], guardrail: Guardrail) -> tuple[dict[str, Any], dict[str, int]]:
    """The reply of ApplyGuardrail and its units by policy."""
    blocks = []
    for number, block in enumerate(given["content"]):
        if "text" not in block:
            raise invalid(f"This guardrail doesn't support the content block at content.{number}.")
        blocks.append(block["text"])
    if not blocks:
        raise invalid("Value at 'content' failed to satisfy constraint: at least one block of content is required")
    judged = judge(guardrail, blocks, source=given["source"], full=given.get("outputScope") == "FULL")
    size = sum(len(block["text"]) for block in blocks)
    coverage = {"textCharacters": {"guarded": size, "total": size}}
    reply = {
        "usage": judged.units,
        "action": "GUARDRAIL_INTERVENED" if judged.intervened else "NONE",
        "outputs": [{"text": text} for text in judged.texts] if judged.intervened else [],
        "assessments": [_measured(judged)],
        "guardrailCoverage": coverage,
    }
    if judged.intervened:
        reply["actionReason"] = "Guardrail blocked." if judged.blocked else "Guardrail masked."
    return reply, judged.units


@dataclass(slots=True, kw_only=True)
class Watch:
    """A guardrail over one request of Converse."""

    name: str
    guardrail: Guardrail
    traced: bool
    before: Judged | None = None
    after: Judged | None = None

    def judge_input(self, blocks: Sequence[Mapping[str, Any]]) -> Judged:
        """Where guardContent is among the blocks it alone is judged, else all text."""
        marked = [block["guardContent"]["text"] for block in blocks if "guardContent" in block]
        self.before = judge(self.guardrail, marked or [block for block in blocks if "text" in block], source="INPUT")
        return self.before

    def judge_output(self, text: str, blocks: Sequence[Mapping[str, Any]]) -> Judged:
        """The answer against what was marked as source and query."""
        context = [block["guardContent"]["text"] for block in blocks if "guardContent" in block]
        context = [block for block in context if set(block.get("qualifiers", ())) & {"grounding_source", "query"}]
        context = [
            block | {"qualifiers": [kind for kind in block["qualifiers"] if kind != "guard_content"]}
            for block in context
        ]
        self.after = judge(self.guardrail, [*context, {"text": text}], source="OUTPUT")
        return self.after

    @property
    def units(self) -> dict[str, int]:
        """Of both judgements together."""
        total: dict[str, int] = {}
        for judged in (self.before, self.after):
            for policy, units in judged.units.items() if judged else ():
                total[policy] = total.get(policy, 0) + units
        return total

    def trace(self, said: str) -> dict[str, Any]:
        """The reply's trace, {} where none was asked for."""
        if not self.traced:
            return {}
        found: dict[str, Any] = {}
        if self.before:
            found["inputAssessment"] = {self.name: _measured(self.before)}
        if self.after:
            found |= {"modelOutput": [said], "outputAssessments": {self.name: [_measured(self.after)]}}
        if any(judged and judged.intervened for judged in (self.before, self.after)):
            found["actionReason"] = "Guardrail blocked."
        return {"trace": {"guardrail": found}}


def _measured(judged: Judged) -> dict[str, Any]:
    return judged.assessment | {"invocationMetrics": {"usage": judged.units}}
