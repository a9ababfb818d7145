"""Ledger rows for pieces that write none themselves: local models, and a user's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ragdiet.account.ledger import Ledger, metered
from ragdiet.account.reached import reached
from ragdiet.protocols import Priced, PricedEmbedder, SentenceEmbedder, StreamingGenerator
from ragdiet.types import Quote, Usage

if TYPE_CHECKING:
    from ragdiet.protocols import Embedder, GenerationStream, Generator
    from ragdiet.types import Embedding, EmbedKind, Generation, Prompt, Span


_FREE = Quote(least=Decimal(0), expected=Decimal(0), most=Decimal(0))


@runtime_checkable
class Accounted(Protocol):
    """A piece that writes its own rows, one a request, into ``ledger``."""

    ledger: Ledger


class MeteredEmbedder:
    """An embedder with a ledger row for each call, free of charge."""

    def __init__(self, embedder: Embedder, ledger: Ledger) -> None:
        self.space = embedder.space
        self.ledger = ledger
        self._embedder = embedder

    def quote_texts(self, texts: Sequence[str]) -> Quote:
        """What embedding these would cost, USD; nothing, unless the embedder says otherwise."""
        return self._embedder.quote_texts(texts) if isinstance(self._embedder, PricedEmbedder) else _FREE

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        with metered(self.ledger, stage="embed", model=self.space.model) as call:
            with reached(self.space.model):
                embedding = self._embedder.embed(texts, kind=kind)
            call.settle(Usage(input_tokens=embedding.tokens))
        return embedding


class MeteredSentenceEmbedder(MeteredEmbedder):
    """The same for an embedder that gives sentence vectors too."""

    def __init__(self, embedder: SentenceEmbedder, ledger: Ledger) -> None:
        super().__init__(embedder, ledger)
        self._sentences = embedder

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> Embedding:
        with metered(self.ledger, stage="embed", model=self.space.model) as call:
            with reached(self.space.model):
                embedding = self._sentences.embed_sentences(texts, spans)
            call.settle(Usage(input_tokens=embedding.tokens))
        return embedding


class MeteredGenerator:
    """A generator with a ledger row for each call, free of charge."""

    def __init__(self, generator: Generator, ledger: Ledger) -> None:
        self.model = generator.model
        self.ledger = ledger
        self._generator = generator

    def generate(self, prompt: Prompt) -> Generation:
        with metered(self.ledger, stage="generate", model=self.model) as call:
            generation = self._generator.generate(prompt)
            call.settle(generation.usage, served=generation.served)
            call.finish_reason = generation.stop_reason
        return generation

    def quote(self, prompt: Prompt) -> Quote:
        if isinstance(self._generator, Priced):
            return self._generator.quote(prompt)
        return _FREE


class MeteredStreamingGenerator(MeteredGenerator):
    """The same for a generator that streams."""

    def __init__(self, generator: StreamingGenerator, ledger: Ledger) -> None:
        super().__init__(generator, ledger)
        self._streaming = generator

    def stream(self, prompt: Prompt) -> MeteredStream:
        return MeteredStream(self._streaming.stream(prompt), self.model, self.ledger)


class MeteredStream:
    """A stream with a ledger row, free of charge; left early it is a failed one."""

    def __init__(self, stream: GenerationStream, model: str, ledger: Ledger) -> None:
        self._stream = stream
        self._model = model
        self._ledger = ledger

    def __iter__(self) -> Iterator[str]:
        with metered(self._ledger, stage="generate", model=self._model) as call:
            yield from self._stream
            call.settle(self._stream.generation.usage, served=self._stream.generation.served)
            call.finish_reason = self._stream.generation.stop_reason

    @property
    def generation(self) -> Generation:
        return self._stream.generation

    def close(self) -> None:
        self._stream.close()


def accounted_embedder(embedder: Embedder, ledger: Ledger) -> Embedder:
    """The embedder itself if it is Accounted, else one with rows."""
    if isinstance(embedder, Accounted):
        return embedder
    if isinstance(embedder, SentenceEmbedder):
        return MeteredSentenceEmbedder(embedder, ledger)
    return MeteredEmbedder(embedder, ledger)


def accounted_generator(generator: Generator, ledger: Ledger) -> Generator:
    """The generator itself if it is Accounted, else one with rows."""
    if isinstance(generator, Accounted):
        return generator
    if isinstance(generator, StreamingGenerator):
        return MeteredStreamingGenerator(generator, ledger)
    return MeteredGenerator(generator, ledger)
