"""Any Bedrock chat model, through the Converse API."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, get_args

from ragdiet.account import Calibration, Ledger, OpenCall, PriceBook, Ratio, metered
from ragdiet.bedrock import (
    BedrockClient,
    CacheTtl,
    PrefixNotCached,
    Reuse,
    cheapest_ttl,
    converse_usage,
    price_with_cache,
    smallest_cached,
)
from ragdiet.errors import BadReply, InvalidArgument, InvalidQuestion, UnknownPrice
from ragdiet.generate.prompt import prefix, user_message
from ragdiet.observe import current, tracing
from ragdiet.tokens import default_counter
from ragdiet.types import Generation, Quote, Usage

if TYPE_CHECKING:
    from ragdiet.protocols import TokenCounter
    from ragdiet.types import Prompt

_log = logging.getLogger("ragdiet.generate")

# Converse allows 256 of these characters in a value of requestMetadata.
_NOT_METADATA = re.compile(r"[^a-zA-Z0-9 :_@$#=/+,.\-]")


class ConverseGenerator:
    """Answers with the Bedrock model, inference profile or prompt router of exactly the id ``model``.

    The price is looked up here: UnknownPrice now, not after the money is spent. ``service_tier`` is
    ``flex`` or ``priority`` where the price row lists it, or "" for the standard one. ``temperature``
    None leaves it out, for models that refuse it.

    ``cache``: "auto" marks the end of the prompt's unvarying part with a cachePoint where the model caches so
    many tokens and the asks come so close together that it pays; "5m" and "1h" do so from the first ask on, and
    log a ``PrefixNotCached`` warning, once a prefix, where the model does not cache it; "off" never does.

    ``billed`` is the ratio of the model's tokens to ``counter``'s, by which worst cases and quotes are reckoned; it is
    learnt from each reply, and kept where ``calibration`` keeps it.
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
        cache: Literal["auto", "5m", "1h", "off"] = "auto",
        calibration: Calibration | None = None,
    ) -> None:
        if cache not in ("auto", "5m", "1h", "off"):
            raise InvalidArgument(f"cache is {cache!r}: give 'auto', '5m', '1h' or 'off'")
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
        self.billed = (calibration or Calibration()).of(model, self._counter.name)
        self._cache = cache
        self._smallest_cached = smallest_cached(model)
        if cache == "1h" and self._smallest_cached and not self._priced("1h"):
            raise UnknownPrice(f"{model} has no price for a cache of an hour: choose cache='5m' or 'auto'")
        self._reuse = Reuse()
        self._warned: set[int] = set()

    def generate(self, prompt: Prompt) -> Generation:
        """One reply. An empty completion, a stop at ``max_tokens`` or by a filter is a Generation too:
        its ``stop_reason`` is the provider's word, passed on as it is."""
        if not prompt.question.strip():
            raise InvalidQuestion("the question is empty: ask something")
        if prompt.max_tokens < 1:
            raise InvalidArgument(f"max_tokens must be 1 or more, not {prompt.max_tokens}")
        before, after = self._counted(prompt)
        ratio = self.billed.now
        ttl = self._cache_ttl(prompt, before, ratio)
        request = self._request(prompt, ttl)
        worst = _worst(ratio, before, after, prompt.max_tokens, ttl)
        with tracing(current()):  # one prompt_id for all tries, also outside of an ask
            request["requestMetadata"] = {"prompt_id": _NOT_METADATA.sub("_", current().prompt_id)[:256]}
            made = self._client.run(
                self.model,
                lambda: self._try(request, worst),
                tokens=worst.total_tokens,
                used=lambda made: made.usage.total_tokens,
            )
        self.billed.learn(before + after, made.usage.total_tokens - made.usage.output_tokens)
        if self._cache == ttl and not made.usage.cached_tokens:
            self._warn(prompt, before)
        return made

    def quote(self, prompt: Prompt) -> Quote:
        """Least: a reply of one token, and the fewest tokens that our count may be billed as. Expected: what it is
        likely to be billed as, and a reply of a third of its cap. Most: the most tokens, the longest reply, every try
        billed."""
        before, after = self._counted(prompt)
        ratio = self.billed.now
        least = Usage(input_tokens=ratio.least(before + after), output_tokens=1)
        ttls: list[CacheTtl | None] = [None]
        if self._may_cache(before, ratio):
            ttls += [ttl for ttl in get_args(CacheTtl) if self._cache in ("auto", ttl) and self._priced(ttl)]
            cached = ratio.least(before)
            least = Usage(input_tokens=ratio.least(after), cache_read_tokens=cached, output_tokens=1)
        expected = Usage(input_tokens=ratio.expected(before + after), output_tokens=max(1, prompt.max_tokens // 3))
        worst = [_worst(ratio, before, after, prompt.max_tokens, ttl) for ttl in ttls]
        return Quote(
            least=self._cost(least),
            expected=self._cost(expected),
            most=self._client.retry.billed_attempts * max(map(self._cost, worst)),
        )

    def _cost(self, usage: Usage) -> Decimal:
        return self._price.covering(usage).cost(usage, tier=self._tier)

    def _counted(self, prompt: Prompt) -> tuple[int, int]:
        """Tokens before the cache point, and after it."""
        texts = [block["text"] for message in _messages(prompt) for block in message["content"]]
        before, *after = self._counter.count_batch([prefix(prompt), *texts])
        return before, sum(after)

    def _priced(self, ttl: CacheTtl) -> bool:
        return price_with_cache(self._price, ttl, 0.0) is not None

    def _may_cache(self, before: int, ratio: Ratio) -> bool:
        """Whether the model caches so many tokens, by the greatest number that they can be."""
        smallest = self._smallest_cached
        return self._cache != "off" and smallest is not None and ratio.most(before) >= smallest

    def _cache_ttl(self, prompt: Prompt, before: int, ratio: Ratio) -> CacheTtl | None:
        if self._cache == "off":
            return None
        gaps = self._reuse.gaps(prefix(prompt))
        if not self._may_cache(before, ratio):
            if self._cache != "auto":
                self._warn(prompt, before)
            return None
        return cheapest_ttl(self._price, gaps) if self._cache == "auto" else self._cache

    def _warn(self, prompt: Prompt, before: int) -> None:
        key = hash(prefix(prompt))
        if key not in self._warned:
            self._warned.add(key)
            _log.warning(PrefixNotCached(model=self.model, tokens=before, minimum=self._smallest_cached))

    def _try(self, request: Mapping[str, Any], worst: Usage) -> Generation:
        with metered(
            self.ledger,
            stage="generate",
            model=self.model,
            price=self._price.covering(worst),
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

    def _request(self, prompt: Prompt, ttl: CacheTtl | None) -> dict[str, Any]:
        inference: dict[str, Any] = {"maxTokens": prompt.max_tokens}
        if self._temperature is not None:
            inference["temperature"] = self._temperature
        request: dict[str, Any] = {
            "messages": _messages(prompt),
            "inferenceConfig": inference,
        }
        if (before := prefix(prompt)).strip():
            request["system"] = [{"text": before}]
            if ttl:
                # Five minutes is what every model has without a name for it.
                request["system"].append({"cachePoint": {"type": "default"} | ({"ttl": ttl} if ttl != "5m" else {})})
        if self._tier:
            request["serviceTier"] = {"type": self._tier}
        return request


def _worst(ratio: Ratio, before: int, after: int, max_tokens: int, ttl: CacheTtl | None) -> Usage:
    """The most that one try can be billed with: with a cache point, a prefix that is written."""
    first, rest = ratio.most(before), ratio.most(after)
    if ttl is None:
        return Usage(input_tokens=first + rest, output_tokens=max_tokens)
    if ttl == "1h":
        return Usage(input_tokens=rest, cache_write_1h_tokens=first, output_tokens=max_tokens)
    return Usage(input_tokens=rest, cache_write_5m_tokens=first, output_tokens=max_tokens)


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
