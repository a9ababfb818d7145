"""Bedrock's guardrail checks as a Guard: scores for a text, without a guardrail being made in the account."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from ragdiet.account import Ledger, PriceBook, UnitPrices, metered
from ragdiet.bedrock import GUARDRAIL_UNIT, BedrockClient, billed_units
from ragdiet.errors import BadReply, InvalidArgument
from ragdiet.observe import current, tracing
from ragdiet.types import GuardVerdict, Usage

ATTACKS = ("JAILBREAK", "PROMPT_INJECTION", "PROMPT_LEAKAGE")
CONTENT = ("VIOLENCE", "HATE", "SEXUAL", "MISCONDUCT", "INSULTS")


class BedrockGuardrailChecks:
    """InvokeGuardrailChecks: a text whose severity for an attack or for content is at or over the threshold, in
    [0, 1], is blocked; None does not ask. ``personal`` are kinds of personal data by Bedrock's names, such as
    "EMAIL", that are masked as ``{EMAIL}``. It has no check of grounding.

    What it costs is not in the packaged prices: give rows of the kind "guard" named ``guardrail-checks/promptAttack``,
    ``guardrail-checks/contentFilter`` and ``guardrail-checks/sensitiveInformation``, those that are asked, or
    UnknownPrice is raised.
    """

    name = "guardrail checks"

    def __init__(
        self,
        *,
        region: str,
        ledger: Ledger,
        prices: PriceBook,
        attack: float | None = 0.5,
        content: float | None = None,
        personal: Sequence[str] = (),
        client: BedrockClient | None = None,
    ) -> None:
        for what, threshold in (("attack", attack), ("content", content)):
            if threshold is not None and not 0 < threshold <= 1:
                raise InvalidArgument(f"{what} is {threshold}: give a threshold above 0, at most 1, or None")
        if client is not None and client.region != region:
            raise InvalidArgument(f"the client is of the region {client.region}, the checks of {region}: name one")
        self.ledger = ledger
        self._region = region
        self._thresholds = {"promptAttack": attack, "contentFilter": content}
        self._checks: dict[str, Any] = {}
        if attack is not None:
            self._checks["promptAttack"] = {"categories": [{"category": name} for name in ATTACKS]}
        if content is not None:
            self._checks["contentFilter"] = {"categories": [{"category": name} for name in CONTENT]}
        if personal:
            self._checks["sensitiveInformation"] = {"entities": [{"type": kind} for kind in personal]}
        if not self._checks:
            raise InvalidArgument("nothing is to be checked: give a threshold for attack or content, or personal=[...]")
        self._prices = UnitPrices.of(prices, {name: f"guardrail-checks/{name}" for name in self._checks}, region)
        self._client = client or BedrockClient(region)

    def check_input(self, text: str) -> GuardVerdict:
        """What the checks make of a question."""
        return self._check(text, "user")

    def check_output(self, text: str) -> GuardVerdict:
        """What they make of a reply."""
        return self._check(text, "assistant")

    def check_grounding(self, text: str, *, question: str, sources: str) -> GuardVerdict:
        """Allows: there is no such check."""
        return GuardVerdict()

    def most(self, *characters: int) -> Decimal:
        """What judging a question or a reply, the first of these, may cost, USD, with every try that may be billed."""
        size = max(1, -(-characters[0] // GUARDRAIL_UNIT))
        return self._client.retry.billed_attempts * self._prices.price(dict.fromkeys(self._checks, size)).total

    def _check(self, text: str, role: Literal["user", "assistant"]) -> GuardVerdict:
        request = {"messages": [{"role": role, "content": [{"text": text}]}], "checks": self._checks}
        size = max(1, -(-len(text) // GUARDRAIL_UNIT))
        with tracing(current()):  # one prompt_id for all tries, also outside of an ask
            reply = self._client.run(self.name, lambda: self._try(request, size))
        return self._verdict(text, reply.get("results") or {})

    def _try(self, request: Mapping[str, Any], size: int) -> Mapping[str, Any]:
        worst = dict.fromkeys(self._checks, size)
        with metered(
            self.ledger,
            stage="guard",
            model=self.name,
            price=self._prices.price(worst),
            worst=Usage(units=sum(worst.values())),
            region=self._region,
        ) as call:
            reply = self._client.call("bedrock-runtime", "invoke_guardrail_checks", request, model=self.name)
            usage = reply.get("usage") or {}
            units = {name: billed_units(usage.get(name), self.name)["textUnits"] for name in self._checks}
            call.settle(Usage(units=sum(units.values())), price=self._prices.price(units))
            return reply

    def _verdict(self, text: str, results: Mapping[str, Any]) -> GuardVerdict:
        scores: dict[str, float] = {}
        severe: list[str] = []
        for check, threshold in self._thresholds.items():
            for entry in self._entries(results, check) if threshold is not None else ():
                name, score = str(entry.get("category")).lower(), entry.get("severityScore")
                if not isinstance(score, int | float) or not math.isfinite(score):
                    raise self._bad(f"gave {name} the score {score!r}")
                scores[name] = float(score)
                if threshold is not None and score >= threshold:
                    severe.append(f"{name.replace('_', ' ')} {score:.2f} at or over {threshold:.2f}")
        if severe:
            return GuardVerdict(action="block", reason=f"{self.name}: {', '.join(severe)}", scores=scores)
        masked, kinds = self._masked(text, results)
        if kinds:
            reason = f"{self.name} masked {', '.join(dict.fromkeys(kinds))}"
            return GuardVerdict(action="mask", reason=reason, scores=scores, text=masked)
        return GuardVerdict(scores=scores)

    def _masked(self, text: str, results: Mapping[str, Any]) -> tuple[str, list[str]]:
        """The text with the name of each kind in place of what was found."""
        if "sensitiveInformation" not in self._checks:
            return text, []
        if results.get("sensitiveInformation", {}).get("truncated"):
            raise self._bad("found more personal data than it tells of")
        spans: list[tuple[int, int, str]] = []
        for entry in self._entries(results, "sensitiveInformation"):
            start, end, kind = entry.get("beginOffset"), entry.get("endOffset"), str(entry.get("type"))
            if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= len(text):
                raise self._bad(f"found {kind} from {start} to {end} in {len(text)} characters")
            spans.append((start, end, kind))
        shown, done = [], 0
        for start, end, kind in sorted(spans):
            if start >= done:
                shown += [text[done:start], f"{{{kind}}}"]
            done = max(done, end)  # what overlaps is hidden under the name of the first
        return "".join([*shown, text[done:]]), [kind for _, _, kind in sorted(spans)]

    def _entries(self, results: Mapping[str, Any], check: str) -> Sequence[Mapping[str, Any]]:
        entries = (results.get(check) or {}).get("results")
        if not isinstance(entries, list):
            raise self._bad(f"gave no result for {check}")
        return entries

    def _bad(self, what: str) -> BadReply:
        return BadReply(f"{self.name} {what}. Ask again.", code="InvalidChecks")
