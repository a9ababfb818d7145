"""Any Bedrock chat model, through the Converse API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragdiet.account import Ledger, OpenCall, PriceBook, metered
from ragdiet.bedrock import ESTIMATE_MARGIN, BedrockClient, converse_usage, estimated_tokens
from ragdiet.errors import BadReply, InvalidArgument, InvalidQuestion, UnknownPrice
from ragdiet.generate.prompt import user_message
from ragdiet.observe import current, tracing
from ragdiet.tokens import default_counter
from ragdiet.types import Generation, Quote, Usage

if TYPE_CHECKING:
    from ragdiet.protocols import TokenCounter
    from ragdiet.types import Prompt

# Converse allows 256 of these characters in a value of requestMetadata.
_NOT_METADATA = re.compile(r"[^a-zA-Z0-9 :_@$#=/+,.\-]")


class ConverseGenerator:
    """Answers with the Bedrock model, inference profile or prompt router of exactly the id ``model``.

    The price is looked up here: UnknownPrice now, not after the money is spent. ``service_tier`` is
    ``flex`` or ``priority`` where the price row lists it, or "" for the standard one. ``temperature``
    None leaves it out, for models that refuse it.
    """

    def __init__(
        self,
        model: str,
        *,
        region: str,
        ledger: Ledger,
        prices: PriceBook,
        client: BedrockClient | None = None,
        service_tier: str = "",
        temperature: float | None = 0.0,
        counter: TokenCounter | None = None,
    ) -> None:
        if client is not None and client.region != region:
            raise InvalidArgument(f"the client is of the region {client.region}, the generator of {region}: name one")
        self.model = model
        self._region = region
        self.ledger = ledger
        self._prices = prices
        self._price = prices.price(model, region)
        if service_tier and service_tier != "default" and service_tier not in self._price.tiers:
            listed = ", ".join(self._price.tiers) or "none"
            raise UnknownPrice(f"{model} has no price for the tier {service_tier!r}; listed are: {listed}. Choose one.")
        self._tier = service_tier
        self._client = client or BedrockClient(region)
        self._temperature = temperature
        self._counter = counter or default_counter()

    def generate(self, prompt: Prompt) -> Generation:
        """One reply. An empty completion, a stop at ``max_tokens`` or by a filter is a Generation too:
        its ``stop_reason`` is the provider's word, passed on as it is."""
        if not prompt.question.strip():
            raise InvalidQuestion("the question is empty: ask something")
        if prompt.max_tokens < 1:
            raise InvalidArgument(f"max_tokens must be 1 or more, not {prompt.max_tokens}")
        request = self._request(prompt)
        worst = Usage(input_tokens=estimated_tokens(self._counted(prompt)), output_tokens=prompt.max_tokens)
        with tracing(current()):  # one prompt_id for all tries, also outside of an ask
            request["requestMetadata"] = {"prompt_id": _NOT_METADATA.sub("_", current().prompt_id)[:256]}
            return self._client.retry.run(lambda: self._try(request, worst))

    def quote(self, prompt: Prompt) -> Quote:
        """Least: a reply of one token, and our count over by the estimate's margin. Expected: our count, and
        a reply of a third of its cap. Most: the count under by the margin, the longest reply, every try billed."""
        counted = self._counted(prompt)

        def cost(input_tokens: int, output_tokens: int) -> Decimal:
            return self._price.cost(Usage(input_tokens=input_tokens, output_tokens=output_tokens), tier=self._tier)

        return Quote(
            least=cost(int(counted / ESTIMATE_MARGIN), 1),
            expected=cost(counted, max(1, prompt.max_tokens // 3)),
            most=self._client.retry.billed_attempts * cost(estimated_tokens(counted), prompt.max_tokens),
        )

    def _counted(self, prompt: Prompt) -> int:
        texts = [block["text"] for message in _messages(prompt) for block in message["content"]]
        return sum(self._counter.count_batch([prompt.system, *texts]))

    def _try(self, request: Mapping[str, Any], worst: Usage) -> Generation:
        with metered(
            self.ledger,
            stage="generate",
            model=self.model,
            price=self._price,
            worst=worst,
            region=self._region,
            tier=self._tier,
        ) as call:
            reply = self._client.converse(self.model, request)
            usage = converse_usage(reply, model=self.model)
            self._settle(call, reply, usage)
            message = (reply.get("output") or {}).get("message")
            if message is None:
                raise BadReply(f"{self.model} sent no message. Try again, or another model.", code="MissingMessage")
        return Generation(
            text="".join(block["text"] for block in message.get("content") or () if "text" in block),
            model=self.model,
            served=call.call.served,
            usage=usage,
            stop_reason=reply.get("stopReason", ""),
            cost=call.call.cost,
            seconds=call.call.seconds,
        )

    def _settle(self, call: OpenCall, reply: Mapping[str, Any], usage: Usage) -> None:
        """Price the reply by the tier it echoes and, behind a prompt router, by the model that served."""
        tier = (reply.get("serviceTier") or {}).get("type") or self._tier
        invoked = ((reply.get("trace") or {}).get("promptRouter") or {}).get("invokedModelId")
        served = invoked.rpartition("/")[2] if invoked else self.model  # an ARN, the id behind its last slash
        price = self._price
        if served != self.model:
            try:
                price = self._prices.price(served, self._region)
            except UnknownPrice:
                price = price.noted(f"no row for {served}: priced as {self.model}")
        call.settle(usage, served=served, tier=tier, price=price.covering(usage, tier=tier))

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        inference: dict[str, Any] = {"maxTokens": prompt.max_tokens}
        if self._temperature is not None:
            inference["temperature"] = self._temperature
        request: dict[str, Any] = {
            "messages": _messages(prompt),
            "inferenceConfig": inference,
        }
        if prompt.system.strip():
            request["system"] = [{"text": prompt.system}]
        if self._tier:
            request["serviceTier"] = {"type": self._tier}
        return request


def _messages(prompt: Prompt) -> list[dict[str, Any]]:
    """Turns as Converse takes them: none blank, the user first, roles by turns (equal neighbours share one)."""
    turns = [(turn.role, turn.text) for turn in prompt.history if turn.text.strip()]
    turns.append(("user", user_message(prompt)))
    messages: list[dict[str, Any]] = []
    for role, text in turns:
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"].append({"text": text})
        elif messages or role == "user":
            messages.append({"role": role, "content": [{"text": text}]})
    return messages
