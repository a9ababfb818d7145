"""A Bedrock guardrail as a Guard: what is configured there judges questions, replies, and how replies are grounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from ragdiet.account import Ledger, PriceBook, UnitPrices, metered
from ragdiet.bedrock import (
    GUARDRAIL_PRICES,
    GUARDRAIL_UNIT,
    BedrockClient,
    billed_units,
    findings,
    guardrail_name,
    named,
)
from ragdiet.errors import BadReply, InvalidArgument, ModelInputError
from ragdiet.observe import current, tracing
from ragdiet.types import GuardVerdict, Usage

# What contextual grounding takes, in characters.
_MOST_QUESTION, _MOST_SOURCES, _MOST_REPLY = 1_000, 100_000, 5_000
_GROUNDING = "contextualGroundingPolicyUnits"


class BedrockGuardrail:
    """The guardrail of this id or ARN and version, through ApplyGuardrail.

    A question is one request. A reply and its grounding are one together, made by ``check_grounding``, as the rest
    of the policies read the same text. Where the guardrail masks, the verdict's text is what it left; where any of
    its policies blocks, the verdict blocks and says which. ``scores`` holds its "grounding" and "relevance", in
    [0, 1]; their thresholds are the guardrail's own.

    Each policy is billed by the text unit of 1,000 characters; the ledger's row adds them up.
    """

    def __init__(
        self,
        identifier: str,
        version: str,
        *,
        region: str,
        ledger: Ledger,
        prices: PriceBook,
        client: BedrockClient | None = None,
    ) -> None:
        if client is not None and client.region != region:
            raise InvalidArgument(f"the client is of the region {client.region}, the guardrail of {region}: name one")
        self.name = guardrail_name(identifier, version)
        self.ledger = ledger
        self._guardrail = {"guardrailIdentifier": identifier, "guardrailVersion": version, "outputScope": "FULL"}
        self._region = region
        self._prices = UnitPrices.of(prices, GUARDRAIL_PRICES, region)
        self._client = client or BedrockClient(region)
        self._billed: frozenset[str] = frozenset()

    def check_input(self, text: str) -> GuardVerdict:
        """What the guardrail makes of a question."""
        return self._apply("INPUT", [{"text": {"text": text}}])

    def check_output(self, text: str) -> GuardVerdict:
        """Allows: ``check_grounding`` judges the reply by all policies in one request."""
        return GuardVerdict()

    def check_grounding(self, text: str, *, question: str, sources: str) -> GuardVerdict:
        """What the guardrail makes of a reply, given the question and the sources that it was made from.

        Raises ModelInputError where one of them has more characters than contextual grounding takes: 1,000 of the
        question, 100,000 of the sources, 5,000 of the reply.
        """
        for what, given, most in (
            ("question", question, _MOST_QUESTION),
            ("sources", sources, _MOST_SOURCES),
            ("reply", text, _MOST_REPLY),
        ):
            if len(given) > most:
                raise ModelInputError(
                    f"{self.name}: contextual grounding takes {most:,} characters of the {what}, not {len(given):,}: "
                    "ask for less, or judge such replies by another guard",
                    code="TooLong",
                )
        blocks = [
            {"text": {"text": sources, "qualifiers": ["grounding_source"]}},
            {"text": {"text": question, "qualifiers": ["query"]}},
            {"text": {"text": text, "qualifiers": ["guard_content"]}},
        ]
        # An empty block is refused; without sources there is nothing to be grounded in, and the others are judged.
        return self._apply("OUTPUT", [block for block in blocks if block["text"]["text"]])

    def most(self, *characters: int) -> Decimal:
        """What judging texts of so many characters may cost, USD: by every policy, in every try that may be billed."""
        size = sum(map(_units, characters))
        return self._client.retry.billed_attempts * self._prices.price(dict.fromkeys(GUARDRAIL_PRICES, size)).total

    def expected(self, *characters: int) -> Decimal:
        """What judging them is likely to cost, USD: the first by the policies that were billed so far, and all of them
        together, where there are several, by contextual grounding; in one try."""
        units = dict.fromkeys(self._billed - {_GROUNDING}, _units(characters[0]))
        if len(characters) > 1:
            units[_GROUNDING] = _units(sum(characters))
        return self._prices.price(units).total

    def _apply(self, source: Literal["INPUT", "OUTPUT"], blocks: Sequence[Mapping[str, Any]]) -> GuardVerdict:
        size = sum(_units(len(block["text"]["text"])) for block in blocks)
        request = {**self._guardrail, "source": source, "content": list(blocks)}
        with tracing(current()):  # one prompt_id for all tries, also outside of an ask
            reply = self._client.run(self.name, lambda: self._try(request, size))
        return self._verdict(reply)

    def _try(self, request: Mapping[str, Any], size: int) -> Mapping[str, Any]:
        worst = dict.fromkeys(GUARDRAIL_PRICES, size)
        with metered(
            self.ledger,
            stage="guard",
            model=self.name,
            price=self._prices.price(worst),
            worst=Usage(units=sum(worst.values())),
            region=self._region,
        ) as call:
            reply = self._client.call("bedrock-runtime", "apply_guardrail", request, model=self.name)
            units = billed_units(reply.get("usage"), self.name)
            call.settle(Usage(units=sum(units.values())), price=self._prices.price(units))
            self._billed |= {policy for policy, count in units.items() if count}
            return reply

    def _verdict(self, reply: Mapping[str, Any]) -> GuardVerdict:
        found = list(findings(reply.get("assessments") or ()))
        scores = {
            str(part["type"]).lower(): float(part["score"])
            for policy, part in found
            if policy == "contextualGroundingPolicy"
        }
        action = reply.get("action")
        if action == "NONE":
            return GuardVerdict(scores=scores)
        if action != "GUARDRAIL_INTERVENED":
            raise BadReply(
                f"{self.name}: it decided {action!r}, which is not known. Upgrade ragdiet.", code="NewAction"
            )
        masked = [named(policy, part) for policy, part in found if part.get("action") == "ANONYMIZED"]
        blocked = [named(policy, part) for policy, part in found if part.get("action") == "BLOCKED"]
        texts = [output.get("text", "") for output in reply.get("outputs") or ()]
        if masked and not blocked and any(texts):
            reason = f"{self.name} masked {', '.join(dict.fromkeys(masked))}"
            return GuardVerdict(action="mask", reason=reason, scores=scores, text="\n".join(texts))
        # An intervention that does not say why is taken for a block.
        because = ", ".join(dict.fromkeys(blocked)) or reply.get("actionReason") or "for a reason it did not give"
        return GuardVerdict(action="block", reason=f"{self.name}: {because}", scores=scores)


def _units(characters: int) -> int:
    return -(-characters // GUARDRAIL_UNIT)
