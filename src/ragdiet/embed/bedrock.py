"""Embedding on Bedrock, whichever the model: many requests at a time, each with its row, in the order of the texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ragdiet.account import Calibration, Ledger, PriceBook, metered
from ragdiet.bedrock import BedrockClient, is_count
from ragdiet.embed.batches import Batches, Vectors
from ragdiet.embed.decode import EmbeddingType, unit_vector, vectors_of
from ragdiet.embed.form import Form, pieces, requests
from ragdiet.errors import InvalidArgument, UnknownModel
from ragdiet.observe import current, tracing
from ragdiet.tokens import default_counter
from ragdiet.types import Embedding, Quote, Space, Usage

if TYPE_CHECKING:
    from ragdiet.protocols import TokenCounter
    from ragdiet.types import EmbedKind


USUAL_AT_ONCE = 8
MOST_AT_ONCE = 32
"""As many connections as a client has, if it was not told otherwise."""


class BedrockEmbedder:
    """What the embedders of Bedrock's models share; ``forms`` are the exact ids that one speaks to.

    Texts become unit vectors, as many a request as the model takes, ``concurrency`` requests at a time, each of
    them a ledger row. The limits of a text (by ``counter``'s estimate where they are in tokens) are checked for all
    before any is sent. The model is asked to refuse what is too long for it, rather than cut it off; such a text
    is halved until its parts pass, with a warning, and its vector is the mean of theirs, weighted by their tokens.

    ``dimensions`` None is the model's default, ``concurrency`` None as many as fill the model's quota (the client's
    ``quotas``, or what throttles have taught), 32 at most, and 8 while it is not known. ``embedding_type`` says in
    which numbers vectors are sent: smaller replies, less exact; vectors of another type than "float" have a space of
    their own.
    """

    forms: ClassVar[Mapping[str, Form]] = {}

    def __init__(
        self,
        model: str = "",
        *,
        region: str,
        ledger: Ledger,
        prices: PriceBook,
        dimensions: int | None = None,
        embedding_type: EmbeddingType = "float",
        client: BedrockClient | None = None,
        concurrency: int | None = None,
        counter: TokenCounter | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        model = model or next(iter(self.forms), "")
        name = type(self).__name__
        if model not in self.forms:
            raise UnknownModel(f"{name} speaks to {', '.join(self.forms)}, not to {model!r}. Name one of them exactly.")
        form = self.forms[model]
        dimensions = form.dimensions[0] if dimensions is None else dimensions
        if dimensions not in form.dimensions:
            raise InvalidArgument(
                f"{model} has {', '.join(map(str, form.dimensions))} dimensions, not {dimensions}. Choose one."
            )
        if embedding_type not in form.types:
            raise InvalidArgument(f"{model} sends {', '.join(form.types)}, not {embedding_type!r}. Choose one.")
        if concurrency is not None and concurrency < 1:
            raise InvalidArgument(f"concurrency must be 1 or more, not {concurrency}")
        if client is not None and client.region != region:
            raise InvalidArgument(f"the client is of the region {client.region}, the embedder of {region}: name one")
        self.model = model
        suffix = "" if embedding_type == "float" else f"_{embedding_type}"
        self.space = Space(name=f"{form.space}_{dimensions}{suffix}", model=form.model, dimensions=dimensions)
        self.ledger = ledger
        self._form = form
        self._type: EmbeddingType = embedding_type
        self._region = region
        self._price = prices.price(model, region)
        self._client = client or BedrockClient(region, max_connections=concurrency or MOST_AT_ONCE)
        self._concurrency = concurrency
        self._counter = counter or default_counter()
        self.billed = (calibration or Calibration()).of(model, self._counter.name)

    @property
    def texts_at_once(self) -> int:
        """How many texts keep all the requests that may run at a time full."""
        return self._form.texts * self._at_once()

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        """Vectors in the order of ``texts``. At the first error the requests not yet begun are not sent.

        Raises InvalidArgument for an empty text and for one that is too long, before any is sent.
        """
        if isinstance(texts, str):
            raise InvalidArgument("texts is one string: give a list of texts")
        parts = [self._parts(number, text) for number, text in enumerate(texts)]
        batches = Batches(
            partial(self._send, kind),
            groups=lambda counted: requests(list(map(self.billed.now.most, counted)), self._form),
            concurrency=self._at_once(),
            counter=self._counter,
            model=self.model,
        )
        with tracing(current()):  # one prompt_id for all requests, also outside of an ask
            found, billed = batches.vectors(parts)
        vectors = np.array(found, np.float32) if found else np.zeros((0, self.space.dimensions), np.float32)
        return Embedding(vectors=vectors, tokens=billed)

    def _at_once(self) -> int:
        """The requests that run at a time: those asked for, or as many as fill the model's quota where it is known."""
        if self._concurrency is not None:
            return self._concurrency
        limiter = self._client.limiter(self.model)
        return USUAL_AT_ONCE if limiter.rate() is None else limiter.concurrency(MOST_AT_ONCE)

    def quote_texts(self, texts: Sequence[str]) -> Quote:
        """What embedding these would cost, USD: by what our count of tokens is likely to be billed as, and at most."""
        counted, ratio = self._counter.count_batch(texts), self.billed.now
        expected = self._price.cost(Usage(input_tokens=ratio.expected(sum(counted))))
        most = self._price.cost(Usage(input_tokens=sum(map(ratio.most, counted))))
        return Quote(least=expected, expected=expected, most=most)

    def _parts(self, number: int, text: str) -> list[str]:
        """The text as it is sent: whole, or where its model takes little, in parts."""
        form = self._form
        if not text.strip():
            raise InvalidArgument(f"text {number} is empty: leave it out, {self.model} takes none")
        if len(text) > form.most_characters * form.most_parts:
            raise InvalidArgument(
                f"text {number} has {len(text):,} characters, {self.model} takes {form.most_characters:,}: "
                "cut it into smaller chunks"
            )
        tokens = self._counter.count(text)
        if tokens > form.most_tokens * form.most_parts:
            raise InvalidArgument(
                f"text {number} has about {tokens:,} tokens, {self.model} takes {form.most_tokens:,}: "
                "cut it into smaller chunks"
            )
        return pieces(text, form, self._counter.count)

    def _send(self, kind: EmbedKind, texts: Sequence[str], counted: Sequence[int]) -> tuple[Vectors, int]:
        worst = Usage(input_tokens=sum(map(self.billed.now.most, counted)))
        return self._client.run(
            self.model,
            lambda: self._try(texts, sum(counted), worst, kind),
            tokens=worst.input_tokens,
            used=lambda made: made[1],
        )

    def _try(self, texts: Sequence[str], counted: int, worst: Usage, kind: EmbedKind) -> tuple[Vectors, int]:
        body = self._form.body(texts, kind, self.space.dimensions, self._type)
        with metered(
            self.ledger, stage="embed", model=self.model, price=self._price, worst=worst, region=self._region
        ) as call:
            reply, in_header = self._client.invoke(self.model, body)
            billed = self._form.tokens(reply)
            if not is_count(billed):
                billed = in_header
            if billed is None:
                call.settle(worst, price=self._price.noted("estimated"))
            else:
                call.settle(Usage(input_tokens=billed))
            raw = vectors_of(self._form.vectors(reply, self._type), len(texts), self.model)
            vectors = [unit_vector(own, self.space.dimensions, kind=self._type, model=self.model) for own in raw]
        if billed is not None:
            self.billed.learn(counted, billed)
        return vectors, call.call.usage.input_tokens
