"""Any Bedrock chat model, through Converse and ConverseStream."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, get_args

from ragdiet.account import Calibration, Exact, Ledger, OpenCall, PriceBook, TokenBand, metered
from ragdiet.bedrock import (
    BedrockClient,
    CacheTtl,
    PrefixNotCached,
    Preflight,
    Reuse,
    cheapest_ttl,
    price_with_cache,
    priced_model,
    smallest_cached,
)
from ragdiet.errors import InvalidArgument, InvalidQuestion, UnknownPrice
from ragdiet.generate.converse_bill import ConverseBill
from ragdiet.generate.converse_request import (
    ConverseGuardrail,
    ConverseOptions,
    converse_request,
    messages,
    texts_of,
    worst_usage,
)
from ragdiet.generate.converse_stream import ConverseStream, Reading
from ragdiet.generate.length import expected_reply
from ragdiet.generate.prompt import prefix
from ragdiet.observe import current, tracing
from ragdiet.tokens import default_counter
from ragdiet.types import Generation, Quote, Usage

if TYPE_CHECKING:
    from ragdiet.protocols import TokenCounter
    from ragdiet.types import Prompt

_log = logging.getLogger("ragdiet.generate")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One prompt on its way: boto3's request, the texts in it, our count of them, and the most that a try can use."""

    request: Mapping[str, Any]
    texts: Sequence[str]
    counted: int
    before: int
    ttl: CacheTtl | None
    worst: Usage


class ConverseGenerator:
    """Answers with the Bedrock model, inference profile or prompt router of exactly the id or ARN ``model``.

    The price is looked up here: UnknownPrice now, not after the money is spent. For the ARN of an application inference
    profile that takes a request, to find the model behind it. ``service_tier`` is ``flex`` or ``priority`` where the
    price row lists it, or "" for the standard one. ``temperature`` None leaves it out, for models that refuse it.
    ``guardrail`` is one that Bedrock runs over each request, at the price of its policies. ``fields`` are parameters
    that only this model has (Converse's additionalModelRequestFields).

    ``cache``: "auto" marks the end of the prompt's unvarying part with a cachePoint where the model caches so
    many tokens and the asks come so close together that it pays; "5m" and "1h" do so from the first ask on, and
    log a ``PrefixNotCached`` warning, once a prefix, where the model does not cache it; "off" never does.

    ``billed`` is the ratio of the model's tokens to ``counter``'s, by which worst cases and quotes are reckoned; it is
    learnt from each reply, and kept where ``calibration`` keeps it. With ``preflight`` a quote asks CountTokens first,
    which is exact and free, where the model has it (``ragdiet.bedrock.counted_as``).
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
        preflight: bool = False,
        guardrail: ConverseGuardrail | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        if cache not in ("auto", "5m", "1h", "off"):
            raise InvalidArgument(f"cache is {cache!r}: give 'auto', '5m', '1h' or 'off'")
        if client is not None and client.region != region:
            raise InvalidArgument(f"the client is of the region {client.region}, the generator of {region}: name one")
        self.model = model
        self.ledger = ledger
        self._client = client or BedrockClient(region)
        priced = priced_model(model, self._client, prices)
        self._bill = ConverseBill.of(
            model, priced, region=region, prices=prices, tier=service_tier, guardrail=guardrail
        )
        self._options = ConverseOptions(
            temperature=temperature, tier=service_tier, guardrail=guardrail, fields=dict(fields or {})
        )
        self._counter = counter or default_counter()
        self.billed = (calibration or Calibration()).of(model, self._counter.name)
        self._preflight = Preflight(self._client, priced, ledger=ledger, region=region) if preflight else None
        self._cache = cache
        self._smallest_cached = smallest_cached(priced)
        if cache == "1h" and self._smallest_cached and not self._priced("1h"):
            raise UnknownPrice(f"{model} has no price for a cache of an hour: choose cache='5m' or 'auto'")
        self._reuse = Reuse()
        self._warned: set[int] = set()

    def generate(self, prompt: Prompt) -> Generation:
        """One reply. An empty completion, a stop at ``max_tokens`` or by a filter is a Generation too:
        its ``stop_reason`` is the provider's word, passed on as it is."""
        with tracing(current()):  # one prompt_id for all tries, also outside of an ask
            asked = self._asked(prompt, is_stream=False)
            made = self._client.run(
                self.model,
                lambda: self._try(asked),
                tokens=asked.worst.total_tokens,
                used=lambda made: made.usage.total_tokens,
            )
            self._learn(prompt, asked, made)
        return made

    def stream(self, prompt: Prompt) -> ConverseStream:
        """The reply's text as the model writes it; the request is sent when the first is read. Tries that fail before
        there is any text are made again, as those of ``generate`` are; after it the error is raised. Whoever leaves
        before the end has the rest read in the background, since it is billed, and its price noted."""
        trace = current()

        def opened() -> Reading:
            with tracing(trace):
                asked = self._asked(prompt, is_stream=True)
                ends = self._client.retry.ends()
                return self._client.retry.run(lambda: self._open(asked, prompt, ends))

        return ConverseStream(opened, in_background=self._client.in_background)

    def quote(self, prompt: Prompt) -> Quote:
        """Least: a reply of one token, and the fewest tokens that our count may be billed as. Expected: what it is
        likely to be billed as, and a reply of a third of its cap. Most: the most tokens, the longest reply, every try
        billed."""
        said = messages(prompt)
        texts = texts_of(said)
        before, after = self._counted(prompt, texts)
        ratio = self._band(prompt, said, before + after)
        least = Usage(input_tokens=ratio.least(before + after), output_tokens=1)
        ttls: list[CacheTtl | None] = [None]
        if self._may_cache(before, ratio):
            ttls += [ttl for ttl in get_args(CacheTtl) if self._cache in ("auto", ttl) and self._priced(ttl)]
            cached = ratio.least(before)
            least = Usage(input_tokens=ratio.least(after), cache_read_tokens=cached, output_tokens=1)
        expected = Usage(input_tokens=ratio.expected(before + after), output_tokens=expected_reply(prompt.max_tokens))
        worst = [worst_usage(ratio, before, after, prompt.max_tokens, ttl) for ttl in ttls]
        return Quote(
            least=self._bill.row.covering(least).cost(least, tier=self._bill.tier),
            expected=self._most(expected, texts),
            most=self._client.retry.billed_attempts * max(self._most(usage, texts) for usage in worst),
        )

    def _most(self, usage: Usage, texts: Sequence[str]) -> Decimal:
        return self._bill.worst(usage, texts).cost(usage, tier=self._bill.tier)

    def _band(self, prompt: Prompt, said: Sequence[Mapping[str, Any]], counted: int) -> TokenBand:
        exact = None
        if self._preflight:
            request = converse_request(prompt, said, self._options, None, trace=current())
            exact = self._preflight.count(request)
        if exact is None:
            return self.billed.now
        self.billed.learn(counted, exact)
        return Exact(billed=exact, counted=counted)

    def _counted(self, prompt: Prompt, texts: Sequence[str]) -> tuple[int, int]:
        """Tokens before the cache point, and after it."""
        before, *after = self._counter.count_batch([prefix(prompt), *texts])
        return before, sum(after)

    def _asked(self, prompt: Prompt, *, is_stream: bool) -> _Asked:
        if not prompt.question.strip():
            raise InvalidQuestion("the question is empty: ask something")
        if prompt.max_tokens < 1:
            raise InvalidArgument(f"max_tokens must be 1 or more, not {prompt.max_tokens}")
        said = messages(prompt)
        texts = texts_of(said)
        before, after = self._counted(prompt, texts)
        ratio = self.billed.now
        ttl = self._cache_ttl(prompt, before, ratio)
        return _Asked(
            request=converse_request(prompt, said, self._options, ttl, trace=current(), is_stream=is_stream),
            texts=texts,
            counted=before + after,
            before=before,
            ttl=ttl,
            worst=worst_usage(ratio, before, after, prompt.max_tokens, ttl),
        )

    def _learn(self, prompt: Prompt, asked: _Asked, made: Generation) -> None:
        self.billed.learn(asked.counted, made.usage.total_tokens - made.usage.output_tokens)
        if self._cache == asked.ttl and not made.usage.cached_tokens:
            self._warn(prompt, asked.before)

    def _priced(self, ttl: CacheTtl) -> bool:
        return price_with_cache(self._bill.row, ttl, 0.0) is not None

    def _may_cache(self, before: int, ratio: TokenBand) -> bool:
        """Whether the model caches so many tokens, by the greatest number that they can be."""
        smallest = self._smallest_cached
        return self._cache != "off" and smallest is not None and ratio.most(before) >= smallest

    def _cache_ttl(self, prompt: Prompt, before: int, ratio: TokenBand) -> CacheTtl | None:
        if self._cache == "off":
            return None
        gaps = self._reuse.gaps(prefix(prompt))
        if not self._may_cache(before, ratio):
            if self._cache != "auto":
                self._warn(prompt, before)
            return None
        return cheapest_ttl(self._bill.row, gaps) if self._cache == "auto" else self._cache

    def _warn(self, prompt: Prompt, before: int) -> None:
        key = hash(prefix(prompt))
        if key not in self._warned:
            self._warned.add(key)
            _log.warning(PrefixNotCached(model=self.model, tokens=before, minimum=self._smallest_cached))

    def _metered(self, asked: _Asked) -> AbstractContextManager[OpenCall]:
        return metered(
            self.ledger,
            stage="generate",
            model=self.model,
            price=self._bill.worst(asked.worst, asked.texts),
            worst=asked.worst,
            region=self._bill.region,
            tier=self._bill.tier,
        )

    def _try(self, asked: _Asked) -> Generation:
        with self._metered(asked) as call:
            reply = self._client.converse(self.model, asked.request)
            self._bill.settle(call, reply, asked.texts)
        return self._bill.generation(call, reply)

    def _open(self, asked: _Asked, prompt: Prompt, ends: float) -> Reading:
        """A stream whose first text has come, or its end. Its turn and its row stay open until it is read."""
        trace = current()
        with ExitStack() as opening:
            turn = opening.enter_context(self._client.admission(self.model, tokens=asked.worst.total_tokens, ends=ends))
            call = opening.enter_context(self._metered(asked))
            began = time.perf_counter()

            def settled(reply: Mapping[str, Any]) -> None:
                self._bill.settle(call, reply, asked.texts)
                turn.used = call.call.usage.total_tokens

            def made(reply: Mapping[str, Any], first: float | None) -> Generation:
                generation = self._bill.generation(call, reply, first)
                with tracing(trace):
                    self._learn(prompt, asked, generation)
                return generation

            events = self._client.converse_stream(self.model, asked.request)
            reading = Reading(events, settled=settled, made=made, began=began)
            reading.until_text()
            reading.held = opening.pop_all()
        return reading
