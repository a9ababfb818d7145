"""A chat model behind the OpenAI protocol, such as one that vLLM serves on a cluster of one's own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from ragdiet.account import Calibration, Ledger, OpenCall, metered
from ragdiet.errors import BadReply, InvalidArgument, InvalidQuestion, ModelTimeout
from ragdiet.generate.chat import chat_messages
from ragdiet.generate.length import expected_reply
from ragdiet.observe import current, seconds_left, tracing
from ragdiet.openai import GpuHour, OpenAIClient, SelfHostedPrice, chat_usage, price_of, stop_reason
from ragdiet.tokens import default_counter
from ragdiet.types import Generation, Quote, Usage

if TYPE_CHECKING:
    from collections.abc import Generator as Coroutine

    from ragdiet.account import Ratio
    from ragdiet.protocols import TokenCounter
    from ragdiet.types import Prompt

_PATH = "/chat/completions"


class OpenAIGenerator:
    """Answers with the model that the server at ``client`` calls ``model``.

    ``price`` is a PriceRow, by token, or a GpuHour, by the time that a request holds the GPU: there is no default, as
    nothing is known of a server of one's own. ``temperature`` None leaves it out. ``billed`` is the ratio of the
    model's tokens to ``counter``'s, learnt from each reply, and kept where ``calibration`` keeps it.
    """

    def __init__(
        self,
        model: str,
        *,
        client: OpenAIClient,
        ledger: Ledger,
        price: SelfHostedPrice,
        temperature: float | None = 0.0,
        counter: TokenCounter | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        if not model:
            raise InvalidArgument("name the model as the server does, see its /v1/models")
        self.model = model
        self.ledger = ledger
        self._client = client
        self._price = price
        self._temperature = temperature
        self._counter = counter or default_counter()
        self.billed = (calibration or Calibration()).of(model, self._counter.name)

    def generate(self, prompt: Prompt) -> Generation:
        """One reply. An empty completion, or a stop at ``max_tokens``, is a Generation too."""
        asked = self._asked(prompt, is_stream=False)
        with tracing(current()):  # one prompt_id for all tries, also outside of an ask
            return self._client.run(self.model, lambda: self._try(asked))

    def stream(self, prompt: Prompt) -> OpenAIStream:
        """The reply's text as it comes. Nothing is asked before the first is read."""
        return OpenAIStream(self, self._asked(prompt, is_stream=True))

    def quote(self, prompt: Prompt) -> Quote:
        """Least: a reply of one token. Expected: a reply of a third of its cap. Most: the longest reply, every try
        billed. By the GPU's hour: nothing, its typical seconds, and the read timeout for every try."""
        ratio, counted = self.billed.now, self._counted(prompt)
        most = price_of(self._price, self._worst(ratio, counted, prompt), self._client.read_timeout)
        tries = self._client.retry.billed_attempts
        if isinstance(self._price, GpuHour):
            expected = self._price.for_seconds(self._price.typical).total
            return Quote(least=Decimal(0), expected=expected, most=tries * most.cost(Usage()))
        least = Usage(input_tokens=ratio.least(counted), output_tokens=1)
        expected_usage = Usage(input_tokens=ratio.expected(counted), output_tokens=expected_reply(prompt.max_tokens))
        return Quote(
            least=self._price.cost(least),
            expected=self._price.cost(expected_usage),
            most=tries * most.cost(self._worst(ratio, counted, prompt)),
        )

    def _asked(self, prompt: Prompt, *, is_stream: bool) -> _Asked:
        if not prompt.question.strip():
            raise InvalidQuestion("the question is empty: ask something")
        if prompt.max_tokens < 1:
            raise InvalidArgument(f"max_tokens must be 1 or more, not {prompt.max_tokens}")
        body: dict[str, Any] = {"model": self.model, "messages": chat_messages(prompt), "max_tokens": prompt.max_tokens}
        if self._temperature is not None:
            body["temperature"] = self._temperature
        if is_stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        counted = self._counted(prompt)
        return _Asked(body=body, counted=counted, worst=self._worst(self.billed.now, counted, prompt))

    def _counted(self, prompt: Prompt) -> int:
        return sum(self._counter.count_batch([message["content"] for message in chat_messages(prompt)]))

    def _worst(self, ratio: Ratio, counted: int, prompt: Prompt) -> Usage:
        return Usage(input_tokens=ratio.most(counted), output_tokens=prompt.max_tokens)

    def _row(self, asked: _Asked) -> Any:
        return metered(
            self.ledger,
            stage="generate",
            model=self.model,
            price=price_of(self._price, asked.worst, self._client.read_timeout),
            worst=asked.worst,
        )

    def _try(self, asked: _Asked) -> Generation:
        began = time.perf_counter()
        with self._row(asked) as call:
            reply = self._client.post(_PATH, asked.body, model=self.model)
            usage = chat_usage(reply.get("usage"), model=self.model)
            self._settle(call, asked, usage, time.perf_counter() - began, served=reply.get("model"))
            choice = _choice(reply)
            call.finish_reason = str(choice.get("finish_reason") or "")
            message = choice.get("message")
            if not isinstance(message, Mapping):
                raise BadReply(f"{self.model} sent no message. Try again, or another model.", code="MissingMessage")
        return self._made(call, message.get("content") or "", choice.get("finish_reason"))

    def _settle(self, call: OpenCall, asked: _Asked, usage: Usage, seconds: float, *, served: object) -> None:
        name = served if isinstance(served, str) and served else self.model
        call.settle(usage, served=name, price=price_of(self._price, usage, seconds))
        self.billed.learn(asked.counted, usage.total_tokens - usage.output_tokens)

    def _made(self, call: OpenCall, text: str, finish: object) -> Generation:
        return Generation(
            text=text,
            model=self.model,
            served=call.call.served,
            usage=call.call.usage,
            stop_reason=stop_reason(finish),
            cost=call.call.cost,
            seconds=call.call.seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    body: Mapping[str, Any]
    counted: int
    worst: Usage


class OpenAIStream:
    """Iterates over the text of one reply as it comes, once; ``generation`` is the whole, after that.

    A server of this protocol stops writing when its stream is left, by ``close``, by the end of a ``with`` block, by a
    ``break`` or an error out of the loop, and where the time of the ask is over: the row then holds what our count says
    of the prompt and of the text until then, at most, and says that it is an estimate.
    """

    def __init__(self, generator: OpenAIGenerator, asked: _Asked) -> None:
        self._generator = generator
        self._asked = asked
        self._generation: Generation | None = None
        self._pieces = self._read()

    @property
    def generation(self) -> Generation:
        """The whole reply. Raises InvalidArgument before the text was read to its end."""
        if self._generation is None:
            raise InvalidArgument("the stream was not read to its end: iterate over it first")
        return self._generation

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self._pieces
        finally:
            self.close()

    def close(self) -> None:
        """Leave the stream, and have the server stop."""
        self._pieces.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> Coroutine[str, None, None]:
        generator = self._generator
        with tracing(current()):  # one prompt_id for all tries, also outside of an ask
            opened = generator._client.retry.run(self._open)
        parts: list[str] = []
        first: float | None = None
        with opened.held:
            try:
                for event in opened:
                    if text := opened.add(event):
                        first = time.perf_counter() - opened.began if first is None else first
                        parts.append(text)
                        yield text
            except GeneratorExit:
                self._left(opened, "".join(parts))
                return
            except ModelTimeout:
                if seconds_left() == 0:  # else the server is at fault, and may have written more
                    self._left(opened, "".join(parts))
                raise
            seconds = time.perf_counter() - opened.began
            usage = chat_usage(opened.usage, model=generator.model)
            opened.call.finish_reason = str(opened.finish or "")
            generator._settle(opened.call, self._asked, usage, seconds, served=opened.served)
        made = generator._made(opened.call, "".join(parts), opened.finish)
        self._generation = replace(made, first_token_seconds=first)

    def _open(self) -> _Opened:
        """A stream whose first event has come: until then it may be tried again."""
        generator = self._generator
        with ExitStack() as stack:
            stack.enter_context(generator._client.admission(generator.model))
            began = time.perf_counter()
            call = stack.enter_context(generator._row(self._asked))
            events = generator._client.stream(_PATH, self._asked.body, model=generator.model)
            stack.callback(events.close)  # type: ignore[attr-defined]  # a generator
            first = next(events, None)
            return _Opened(call, events, first, began, stack.pop_all())

    def _left(self, opened: _Opened, text: str) -> None:
        generator = self._generator
        ratio = generator.billed.now
        written = min(ratio.most(generator._counter.count(text)), self._asked.worst.output_tokens)
        usage = Usage(input_tokens=self._asked.worst.input_tokens, output_tokens=written)
        price = generator._price
        if not isinstance(price, GpuHour):
            price = price.noted("left early, estimated")
        opened.call.settle(usage, price=price_of(price, usage, time.perf_counter() - opened.began))


class _Opened:
    """A stream on its way, and what its events have told so far."""

    def __init__(
        self,
        call: OpenCall,
        events: Iterator[Mapping[str, Any]],
        first: Mapping[str, Any] | None,
        began: float,
        held: ExitStack,
    ) -> None:
        self.call = call
        self.began = began
        self.held = held
        self.usage: object = None
        self.finish: object = None
        self.served: object = None
        self._events = events
        self._first = first

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        if self._first is not None:
            yield self._first
            yield from self._events

    def add(self, event: Mapping[str, Any]) -> str:
        """The text that an event brings, '' for none."""
        self.usage = event.get("usage") or self.usage
        self.served = event.get("model") or self.served
        choice = _choice(event)
        self.finish = choice.get("finish_reason") or self.finish
        delta = choice.get("delta")
        return (delta.get("content") or "") if isinstance(delta, Mapping) else ""


def _choice(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = reply.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, Mapping) else {}
