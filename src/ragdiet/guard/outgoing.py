"""Pieces that send texts away, wrapped so that they send masked ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from ragdiet.account import Accounted, Calibrated
from ragdiet.guard.characters import visible
from ragdiet.protocols import Local, Priced, PricedEmbedder, SentenceEmbedder, StreamingGenerator
from ragdiet.types import Quote

if TYPE_CHECKING:
    from ragdiet.guard.masking import Masked, Masking
    from ragdiet.protocols import Embedder, GenerationStream, Generator, Reranker
    from ragdiet.types import Embedding, EmbedKind, Generation, Hit, Prompt, Span

_FREE = Quote(least=Decimal(0), expected=Decimal(0), most=Decimal(0))
_COPY = "Copy marks such as <{mark}> as they are."
# What the chat templates of open models take for the border of a turn.
_TURN = re.compile(r"<\|[A-Za-z_0-9]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>")


def leaves(piece: object) -> bool:
    """Whether a piece may send what it is given out of this process: any that does not say that it is local."""
    return not (isinstance(piece, Local) and piece.is_local)


def without_turns(text: str) -> str:
    """``text`` in which nothing reads as the end of a turn to a model's tokenizer.

    >>> without_turns("Tea is at four.<|im_end|>")
    'Tea is at four.< |im_end|>'
    """
    return _TURN.sub(lambda match: _broken(match[0]), text)


def _broken(token: str) -> str:
    return f"{token[0]} {token[1:]}"


class MaskedGenerator:
    """A generator that is shown marks in place of values; its reply has the values again."""

    def __init__(self, generator: Generator, masking: Masking) -> None:
        self.model = generator.model
        if isinstance(generator, Calibrated):
            self.billed = generator.billed
        self._generator = generator
        self._masking = masking

    def generate(self, prompt: Prompt) -> Generation:
        sent, masked = self._sent(prompt)
        generation = self._generator.generate(sent)
        return replace(generation, text=_shown(generation.text, prompt, sent, masked))

    def quote(self, prompt: Prompt) -> Quote:
        return self._generator.quote(self._sent(prompt)[0]) if isinstance(self._generator, Priced) else _FREE

    def _sent(self, prompt: Prompt) -> tuple[Prompt, Masked]:
        context = prompt.context
        texts = [prompt.question, context.text, *(turn.text for turn in prompt.history)]
        masked = self._masking.for_models([without_turns(visible(text, lines=True)) for text in texts])
        if list(masked.texts) == texts:
            return prompt, masked
        question, sources, *turns = masked.texts
        kept = tuple(replace(sentence, text=masked.hide(sentence.text)) for sentence in context.kept)
        copy = _COPY.format(mark=next(iter(masked.values))) if masked.values else ""
        return replace(
            prompt,
            question=question,
            context=replace(context, text=sources, kept=kept, dropped=(), withheld=()),
            history=tuple(replace(turn, text=text) for turn, text in zip(prompt.history, turns, strict=True)),
            length=" ".join(filter(None, (prompt.length, copy))),
        ), masked


def _shown(text: str, prompt: Prompt, sent: Prompt, masked: Masked) -> str:
    """A reply to ``sent`` as one to ``prompt``."""
    text = masked.restore(text)
    if sent is not prompt:
        for token in set(_TURN.findall(prompt.context.text)):
            text = text.replace(_broken(token), token)
    return text


class MaskedStreamingGenerator(MaskedGenerator):
    """The same for a generator that streams."""

    def __init__(self, generator: StreamingGenerator, masking: Masking) -> None:
        super().__init__(generator, masking)
        self._streaming = generator

    def stream(self, prompt: Prompt) -> GenerationStream:
        sent, masked = self._sent(prompt)
        by_word = not _TURN.search(prompt.context.text)  # one that was broken has a space within
        if not masked.values and by_word:
            return self._streaming.stream(sent)
        return MaskedStream(
            self._streaming.stream(sent), partial(_shown, prompt=prompt, sent=sent, masked=masked), by_word
        )


class MaskedStream:
    """A stream whose text has the values again: word by word, as a mark may come in two pieces, or all at the end."""

    def __init__(self, stream: GenerationStream, shown: Callable[[str], str], by_word: bool) -> None:
        self._stream = stream
        self._shown = shown
        self._by_word = by_word

    def __iter__(self) -> Iterator[str]:
        held = ""
        for text in self._stream:
            held += text
            end = max(held.rfind(" "), held.rfind("\n")) if self._by_word else 0
            if end > 0:
                yield self._shown(held[:end])
                held = held[end:]
        if held:
            yield self._shown(held)

    @property
    def generation(self) -> Generation:
        made = self._stream.generation
        return replace(made, text=self._shown(made.text))

    def close(self) -> None:
        self._stream.close()


def masked_generator(generator: Generator, masking: Masking) -> Generator:
    """``generator`` behind a mask, which streams where it does."""
    if isinstance(generator, StreamingGenerator):
        return MaskedStreamingGenerator(generator, masking)
    return MaskedGenerator(generator, masking)


class MaskedReranker:
    """A reranker that is shown marks in place of values."""

    def __init__(self, reranker: Reranker, masking: Masking) -> None:
        self.name = getattr(reranker, "name", type(reranker).__name__)
        if isinstance(reranker, Accounted):  # then this one is too
            self.ledger = reranker.ledger
        self._reranker = reranker
        self._masking = masking

    def rerank(self, question: str, hits: Sequence[Hit], *, k: int) -> Sequence[Hit]:
        asked, *texts = self._masking.for_models([question, *(hit.text for hit in hits)]).texts
        shown = {
            hit.chunk_id: hit if hit.text == text else replace(hit, text=text)
            for hit, text in zip(hits, texts, strict=True)
        }
        own = {hit.chunk_id: hit for hit in hits}
        found = self._reranker.rerank(asked, list(shown.values()), k=k)
        # What is none of those given stays as it is, for the caller to refuse.
        return [
            replace(own[hit.chunk_id], score=hit.score)
            if hit.chunk_id in own and replace(shown[hit.chunk_id], score=hit.score) == hit
            else hit
            for hit in found
        ]


class MaskedEmbedder:
    """An embedder that is given marks in place of values."""

    def __init__(self, embedder: Embedder, masking: Masking) -> None:
        self.space = embedder.space
        self.texts_at_once: int = getattr(embedder, "texts_at_once", 0)
        self._embedder = embedder
        self._masking = masking

    def quote_texts(self, texts: Sequence[str]) -> Quote:
        return self._embedder.quote_texts(texts) if isinstance(self._embedder, PricedEmbedder) else _FREE

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        return self._embedder.embed([self._masking.for_embedder(text).text for text in texts], kind=kind)


class MaskedSentenceEmbedder(MaskedEmbedder):
    """The same for an embedder that gives sentence vectors too."""

    def __init__(self, embedder: SentenceEmbedder, masking: Masking) -> None:
        super().__init__(embedder, masking)
        self._sentences = embedder

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> Embedding:
        blotted = [self._masking.for_embedder(text) for text in texts]
        moved = [[text.span(*span) for span in own] for text, own in zip(blotted, spans, strict=True)]
        return self._sentences.embed_sentences([text.text for text in blotted], moved)


def masked_embedder(embedder: Embedder, masking: Masking) -> Embedder:
    """``embedder`` behind a mask; itself where nothing is hidden of what embedders get."""
    if not masking.embedders:
        return embedder
    if isinstance(embedder, SentenceEmbedder):
        return MaskedSentenceEmbedder(embedder, masking)
    return MaskedEmbedder(embedder, masking)
