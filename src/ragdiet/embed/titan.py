"""Amazon Titan Text Embeddings V2 on Bedrock: one text a request, so many requests at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragdiet.account import Ledger, PriceBook, metered
from ragdiet.bedrock import BedrockClient, estimated_tokens
from ragdiet.errors import BadReply, DimensionMismatch, InvalidArgument, UnknownModel
from ragdiet.observe import current, tracing
from ragdiet.tokens import default_counter
from ragdiet.types import Embedding, Quote, Space, Usage

if TYPE_CHECKING:
    from ragdiet.protocols import TokenCounter
    from ragdiet.types import EmbedKind

MODEL = "amazon.titan-embed-text-v2:0"
DIMENSIONS = (1024, 512, 256)
MOST_CHARACTERS = 50_000
MOST_TOKENS = 8_192

_Reply: TypeAlias = tuple[NDArray[np.float32], int]
"""A unit vector and the tokens billed for it."""


class TitanEmbedder:
    """Texts to unit vectors, one billed request each, ``concurrency`` of them at a time.

    Titan embeds questions and documents alike: ``kind`` changes nothing. The limits a text
    (50,000 characters, 8,192 tokens by ``counter``'s estimate) are checked for all before any is sent.
    """

    def __init__(
        self,
        model: str = MODEL,
        *,
        region: str,
        ledger: Ledger,
        prices: PriceBook,
        dimensions: int = 1024,
        client: BedrockClient | None = None,
        concurrency: int = 8,
        counter: TokenCounter | None = None,
    ) -> None:
        if model != MODEL:
            raise UnknownModel(f"TitanEmbedder speaks to {MODEL!r} only, not {model!r}. Name that one.")
        if dimensions not in DIMENSIONS:
            raise InvalidArgument(
                f"Titan has {', '.join(map(str, DIMENSIONS))} dimensions, not {dimensions}. Choose one."
            )
        if concurrency < 1:
            raise InvalidArgument(f"concurrency must be 1 or more, not {concurrency}")
        if client is not None and client.region != region:
            raise InvalidArgument(f"the client is of the region {client.region}, the embedder of {region}: name one")
        self.model = model
        self.space = Space(name=f"titan_v2_{dimensions}", model=model, dimensions=dimensions)
        self._region = region
        self.ledger = ledger
        self._price = prices.price(model, region)
        self._client = client or BedrockClient(region, max_connections=concurrency)
        self._concurrency = concurrency
        self._counter = counter or default_counter()

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        """Vectors in the order of ``texts``. At the first error the requests not yet begun are not sent."""
        worst = [Usage(input_tokens=estimated_tokens(tokens)) for tokens in self._checked(texts)]
        vectors = np.zeros((len(texts), self.space.dimensions), dtype=np.float32)
        with tracing(current()):  # one prompt_id for all requests, also outside of an ask
            replies = self._requests(texts, worst)
        for row, (vector, _) in enumerate(replies):
            vectors[row] = vector
        return Embedding(vectors=vectors, tokens=sum(tokens for _, tokens in replies))

    def quote_texts(self, texts: Sequence[str]) -> Quote:
        """What embedding these would cost, USD: by our own count of tokens, and at most by its stated margin."""
        counted = self._counter.count_batch(texts)
        expected = self._price.cost(Usage(input_tokens=sum(counted)))
        most = self._price.cost(Usage(input_tokens=sum(map(estimated_tokens, counted))))
        return Quote(least=expected, expected=expected, most=most)

    def _checked(self, texts: Sequence[str]) -> list[int]:
        """The counted tokens of each text, all of which Titan will take."""
        for number, text in enumerate(texts):
            if not text.strip():
                raise InvalidArgument(f"text {number} is empty: leave it out, Titan takes none")
            if len(text) > MOST_CHARACTERS:
                raise InvalidArgument(
                    f"text {number} has {len(text):,} characters, Titan takes {MOST_CHARACTERS:,}: "
                    "cut it into smaller chunks"
                )
        counted = self._counter.count_batch(texts)
        for number, tokens in enumerate(counted):
            if tokens > MOST_TOKENS:
                raise InvalidArgument(
                    f"text {number} has about {tokens:,} tokens, Titan takes {MOST_TOKENS:,}: "
                    "cut it into smaller chunks"
                )
        return counted

    def _requests(self, texts: Sequence[str], worst: Sequence[Usage]) -> list[_Reply]:
        def one(text: str, most: Usage) -> _Reply:
            return self._client.run(self.model, lambda: self._try(text, most), tokens=most.total_tokens)

        if len(texts) < 2:
            return [one(text, most) for text, most in zip(texts, worst, strict=True)]
        with ThreadPoolExecutor(min(self._concurrency, len(texts)), thread_name_prefix="titan") as pool:
            # Each thread runs in a copy of this context, or its ledger rows would lose their prompt_id.
            futures = [
                pool.submit(copy_context().run, one, text, most) for text, most in zip(texts, worst, strict=True)
            ]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result() for future in futures]

    def _try(self, text: str, worst: Usage) -> _Reply:
        request = {"inputText": text, "dimensions": self.space.dimensions, "normalize": True}
        with metered(
            self.ledger, stage="embed", model=self.model, price=self._price, worst=worst, region=self._region
        ) as call:
            reply = self._client.invoke(self.model, request)
            billed = reply.get("inputTextTokenCount")
            if isinstance(billed, int) and not isinstance(billed, bool) and billed >= 0:
                call.settle(Usage(input_tokens=billed))
            else:
                call.settle(worst, price=self._price.noted("estimated"))
            return self._vector(reply), call.call.usage.input_tokens

    def _vector(self, reply: Mapping[str, Any]) -> NDArray[np.float32]:
        try:
            raw = np.asarray(reply["embedding"], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise BadReply(f"{self.model} sent no usable vector. Ask again.", code="InvalidEmbedding") from error
        if raw.shape != (self.space.dimensions,):
            raise DimensionMismatch(
                f"{self.model} sent a vector of shape {raw.shape}, the space {self.space.name} holds "
                f"{self.space.dimensions} dimensions. Check the model behind the endpoint.",
                expected=self.space.dimensions,
                actual=raw.shape[-1] if raw.ndim else 0,
            )
        with np.errstate(over="ignore"):
            length = float(np.linalg.norm(raw))
        if not np.isfinite(length) or length == 0.0:
            raise BadReply(f"{self.model} sent a vector of zeros or NaN. Ask again.", code="InvalidEmbedding")
        return (raw / length).astype(np.float32)
