"""What a Converse reply costs, and the Generation that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ragdiet.account import OpenCall, PriceBook, PriceRow, UnitPrice, UnitPrices
from ragdiet.bedrock import (
    GUARDRAIL_PRICES,
    GUARDRAIL_UNIT,
    converse_usage,
    traced_reason,
    traced_units,
)
from ragdiet.errors import BadReply, UnknownPrice
from ragdiet.generate.converse_request import ConverseGuardrail
from ragdiet.types import Generation, Usage

_LONGEST_TOKEN = 8
"""Characters of a token, at most, over a whole reply: a guardrail is billed by them, and of a worst case has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithGuardrail:
    """The price of a request that a guardrail is run over: the model's tokens and the guardrail's units."""

    row: PriceRow
    units: UnitPrice

    @property
    def reference(self) -> str:
        return f"{self.row.reference}; guardrail: {self.units.reference}"

    def cost(self, usage: Usage, *, tier: str = "") -> Decimal:
        return self.row.cost(usage, tier=tier) + self.units.total


@dataclass(frozen=True, slots=True, kw_only=True)
class ConverseBill:
    """Prices of a generator's requests. ``model`` was asked for, ``priced`` is the exact id that ``row`` is for."""

    model: str
    priced: str
    region: str
    prices: PriceBook
    row: PriceRow
    tier: str = ""
    guardrail: ConverseGuardrail | None = None
    policies: UnitPrices = field(default_factory=lambda: UnitPrices(rows={}))

    @classmethod
    def of(
        cls, model: str, priced: str, *, region: str, prices: PriceBook, tier: str, guardrail: ConverseGuardrail | None
    ) -> ConverseBill:
        """Raises UnknownPrice where the model, the tier or a policy of a guardrail has no price."""
        row = prices.price(priced, region)
        if tier and tier != "default" and tier not in row.tiers:
            listed = ", ".join(row.tiers) or "none"
            raise UnknownPrice(f"{model} has no price for the tier {tier!r}; listed are: {listed}. Choose one.")
        return cls(
            model=model,
            priced=priced,
            region=region,
            prices=prices,
            row=row,
            tier=tier,
            guardrail=guardrail,
            policies=UnitPrices.of(prices, GUARDRAIL_PRICES if guardrail else {}, region),
        )

    def worst(self, usage: Usage, texts: Sequence[str]) -> PriceRow | WithGuardrail:
        """The price of ``usage`` at most, with every policy of a guardrail over ``texts`` and the longest reply."""
        row = self.row.covering(usage, tier=self.tier)
        return WithGuardrail(row=row, units=self._all_policies(usage, texts)) if self.guardrail else row

    def settle(self, call: OpenCall, reply: Mapping[str, Any], texts: Sequence[str]) -> None:
        """Price the reply by the tier it echoes and, behind a prompt router, by the model that served; a guardrail by
        the units in the trace, or at the worst case where it tells of none. Raises BadReply for a usage that cannot
        be, and, once it is priced, where there is no message or its text is none."""
        usage = converse_usage(reply, model=self.model)
        tier = (reply.get("serviceTier") or {}).get("type") or self.tier
        trace = reply.get("trace") or {}
        invoked = (trace.get("promptRouter") or {}).get("invokedModelId")
        served = str(invoked).rpartition("/")[2] if invoked else self.priced  # an ARN, the id behind its last slash
        row = self.row
        if served != self.priced:
            try:
                row = self.prices.price(served, self.region)
            except UnknownPrice:
                row = row.noted(f"no row for {served}: priced as {self.priced}")
        row = row.covering(usage, tier=tier)
        price: PriceRow | WithGuardrail = row
        if self.guardrail:
            units = traced_units(trace, self.guardrail.name)
            priced = self._all_policies(usage, texts) if units is None else self.policies.price(units)
            price = WithGuardrail(row=row, units=priced)
            call.guardrail = self.guardrail.name
        call.settle(usage, served=served, tier=tier, price=price)
        call.finish_reason = str(reply.get("stopReason") or "")
        message = (reply.get("output") or {}).get("message")
        if message is None:
            raise BadReply(f"{self.model} sent no message. Try again, or another model.", code="MissingMessage")
        if not all(isinstance(block.get("text", ""), str) for block in message.get("content") or ()):
            raise BadReply(f"{self.model} sent text that is none. Try again, or another model.", code="InvalidMessage")

    def generation(self, call: OpenCall, reply: Mapping[str, Any], first: float | None = None) -> Generation:
        """The reply of a settled call whose row is written. ``first`` is the seconds until its first text."""
        content = reply["output"]["message"].get("content") or ()
        return Generation(
            text="".join(block["text"] for block in content if "text" in block),
            model=self.model,
            served=call.call.served,
            usage=call.call.usage,
            stop_reason=reply.get("stopReason", ""),
            stop_detail=traced_reason(reply.get("trace") or {}),
            cost=call.call.cost,
            seconds=call.call.seconds,
            first_token_seconds=first,
        )

    def _all_policies(self, usage: Usage, texts: Sequence[str]) -> UnitPrice:
        read = sum(-(-len(text) // GUARDRAIL_UNIT) for text in texts)
        written = -(-usage.output_tokens * _LONGEST_TOKEN // GUARDRAIL_UNIT)
        return self.policies.price(dict.fromkeys(GUARDRAIL_PRICES, read + written), "estimated: all policies")
