"""An embedding model behind the OpenAI protocol, such as one that vLLM serves on a cluster of one's own."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ragdiet.account import Calibration, Ledger, metered
from ragdiet.embed.batches import Batches, Vectors
from ragdiet.embed.decode import unit_vector, vectors_of
from ragdiet.errors import BadReply, InvalidArgument
from ragdiet.observe import current, tracing
from ragdiet.openai import GpuHour, OpenAIClient, SelfHostedPrice, chat_usage, price_of
from ragdiet.tokens import default_counter
from ragdiet.types import Embedding, Quote, Space, Usage

if TYPE_CHECKING:
    from ragdiet.protocols import TokenCounter
    from ragdiet.types import EmbedKind

_LONGEST_NAME = 36


class OpenAIEmbedder:
    """Texts to unit vectors with the model that the server at ``client`` calls ``model``, of ``dimensions``.

    ``prefixes`` are what the model wants before each question and each document, such as
    ``{"query": "query: ", "document": "passage: "}`` of the E5 family; they belong to the space: with others, name
    another. ``shortened=True`` asks for that many dimensions of a model that can give fewer. A request has up to
    ``texts`` texts, and ``concurrency`` run at a time. What the server refuses as too long is halved, with a warning,
    and its vector is the mean of its parts', weighted by their tokens.

    ``price`` is a PriceRow, by token, or a GpuHour.
    """

    def __init__(
        self,
        model: str,
        *,
        client: OpenAIClient,
        ledger: Ledger,
        price: SelfHostedPrice,
        dimensions: int,
        shortened: bool = False,
        space: str = "",
        prefixes: Mapping[EmbedKind, str] | None = None,
        texts: int = 64,
        concurrency: int = 4,
        counter: TokenCounter | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        if not model:
            raise InvalidArgument("name the model as the server does, see its /v1/models")
        if dimensions < 1 or texts < 1 or concurrency < 1:
            raise InvalidArgument("dimensions, texts and concurrency count from 1")
        self.model = model
        name = re.sub(r"[^a-z0-9]+", "_", model.rpartition("/")[2].lower()).strip("_")[:_LONGEST_NAME]
        self.space = Space(name=space or f"own_{name}_{dimensions}", model=model, dimensions=dimensions)
        self.ledger = ledger
        self._client = client
        self._price = price
        self._shortened = shortened
        self._prefixes = dict(prefixes or {})
        self._texts = texts
        self._concurrency = concurrency
        self._counter = counter or default_counter()
        self.billed = (calibration or Calibration()).of(model, self._counter.name)

    @property
    def texts_at_once(self) -> int:
        """How many texts keep all the requests that may run at a time full."""
        return self._texts * self._concurrency

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        """Vectors in the order of ``texts``. At the first error the requests not yet begun are not sent."""
        if isinstance(texts, str):
            raise InvalidArgument("texts is one string: give a list of texts")
        for number, text in enumerate(texts):
            if not text.strip():
                raise InvalidArgument(f"text {number} is empty and has no vector: leave it out")
        batches = Batches(
            partial(self._send, self._prefixes.get(kind, "")),
            groups=self._groups,
            concurrency=self._concurrency,
            counter=self._counter,
            model=self.model,
        )
        with tracing(current()):  # one prompt_id for all requests, also outside of an ask
            found, billed = batches.vectors([[text] for text in texts])
        vectors = np.array(found, np.float32) if found else np.zeros((0, self.space.dimensions), np.float32)
        return Embedding(vectors=vectors, tokens=billed)

    def quote_texts(self, texts: Sequence[str]) -> Quote:
        """What embedding these would cost, USD. By the GPU's hour at least nothing, and at most the read timeout for
        every request."""
        counted, ratio = self._counter.count_batch(texts), self.billed.now
        if isinstance(self._price, GpuHour):
            requests = len(list(self._groups(counted)))
            longest = self._price.for_seconds(self._client.read_timeout).total
            return Quote(
                least=Decimal(0),
                expected=requests * self._price.for_seconds(self._price.typical).total,
                most=requests * longest,
            )
        expected = self._price.cost(Usage(input_tokens=ratio.expected(sum(counted))))
        most = self._price.cost(Usage(input_tokens=sum(map(ratio.most, counted))))
        return Quote(least=expected, expected=expected, most=most)

    def _groups(self, counted: Sequence[int]) -> Iterator[range]:
        for first in range(0, len(counted), self._texts):
            yield range(first, min(first + self._texts, len(counted)))

    def _send(self, before: str, texts: Sequence[str], counted: Sequence[int]) -> tuple[Vectors, int]:
        body: dict[str, Any] = {"model": self.model, "input": [f"{before}{text}" for text in texts]}
        body["encoding_format"] = "float"
        if self._shortened:
            body["dimensions"] = self.space.dimensions
        ratio = self.billed.now
        # What stands before each text is billed with it.
        own = sum(counted) + len(texts) * (self._counter.count(before) if before else 0)
        worst = Usage(input_tokens=ratio.most(own) + len(texts))
        return self._client.run(self.model, lambda: self._try(body, own, worst, len(texts)))

    def _try(self, body: Mapping[str, Any], counted: int, worst: Usage, count: int) -> tuple[Vectors, int]:
        began = time.perf_counter()
        price = price_of(self._price, worst, self._client.read_timeout)
        with metered(self.ledger, stage="embed", model=self.model, price=price, worst=worst) as call:
            reply = self._client.post("/embeddings", body, model=self.model)
            usage = chat_usage(reply.get("usage"), model=self.model)
            call.settle(usage, price=price_of(self._price, usage, time.perf_counter() - began))
            vectors = [
                unit_vector(raw, self.space.dimensions, kind="float", model=self.model)
                for raw in self._in_order(reply, count)
            ]
        self.billed.learn(counted, usage.total_tokens)
        return vectors, usage.total_tokens

    def _in_order(self, reply: Mapping[str, Any], count: int) -> Sequence[Any]:
        data = reply.get("data")
        rows = vectors_of(data if isinstance(data, list) else None, count, self.model)
        found: dict[object, Any] = {
            row.get("index", place): row.get("embedding") for place, row in enumerate(rows) if isinstance(row, Mapping)
        }
        if set(found) != set(range(count)):
            raise BadReply(f"{self.model} sent vectors without their places. Ask again.", code="InvalidEmbedding")
        return [found[place] for place in range(count)]
