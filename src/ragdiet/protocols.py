"""What a custom piece must offer. Plain objects fit: nothing is subclassed or registered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from decimal import Decimal

    import numpy as np
    import psycopg
    from numpy.typing import NDArray

    from ragdiet.filters import FilterLike
    from ragdiet.types import (
        Budget,
        CachedVectors,
        Chunk,
        Context,
        Document,
        Embedding,
        EmbedKind,
        Generation,
        GuardVerdict,
        Hit,
        Passage,
        Prompt,
        Quote,
        Rewritten,
        Space,
        Span,
    )

T = TypeVar("T")


@runtime_checkable
class TokenCounter(Protocol):
    """Counts tokens. The count of a text must not depend on earlier calls."""

    name: str

    def count(self, text: str) -> int: ...

    def count_batch(self, texts: Sequence[str]) -> list[int]: ...


@runtime_checkable
class Chunker(Protocol):
    """Cuts a document into chunks that are slices of it. ``version`` changes when its output would."""

    version: str

    def chunk(self, document: Document) -> Sequence[Chunk]: ...


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into unit vectors. ``kind`` is required: some models embed questions differently."""

    space: Space

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding: ...


@runtime_checkable
class SentenceEmbedder(Embedder, Protocol):
    """An embedder that also gives sentence vectors from the pass over the whole text."""

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> Embedding: ...


@runtime_checkable
class PricedEmbedder(Protocol):
    """An embedder that can say what it would cost, USD, to embed ``texts``: at least, as expected, at most."""

    def quote_texts(self, texts: Sequence[str]) -> Quote: ...


@runtime_checkable
class VectorCache(Protocol):
    """Vectors of one space by the hash of the text that was embedded."""

    def get(self, hashes: Sequence[bytes]) -> Mapping[bytes, CachedVectors]: ...

    def put(self, vectors: Mapping[bytes, CachedVectors]) -> None: ...


@runtime_checkable
class Database(Protocol):
    """Gives transactions, whole or without effect: ``transaction`` for one ``with`` block, ``run`` for a
    function, which is called again when its transaction was lost; in its very commit too where ``repeatable``
    says that twice is as good as once. One that is ``read_only`` may run at a replica, which lags behind.
    Each sees the rows of ``tenant`` alone; with None it sees all as the tables' owner, none as another role.

    ``is_lent``: what runs now runs in a transaction of the user's. ``pipelined`` work gets a connection in
    psycopg's pipeline mode: what it does not fetch is done by the time that ``run`` returns. ``patience`` is how
    many seconds an outage is waited out, where that is less than usual. ``dsn`` tells databases apart."""

    @property
    def dsn(self) -> str: ...

    @property
    def is_lent(self) -> bool: ...

    def transaction(
        self, *, tenant: str | None, read_only: bool = False
    ) -> AbstractContextManager[psycopg.Connection]: ...

    def run(
        self,
        work: Callable[[psycopg.Connection], T],
        *,
        tenant: str | None,
        read_only: bool = False,
        repeatable: bool = False,
        pipelined: bool = False,
        patience: float | None = None,
    ) -> T: ...


@runtime_checkable
class Retriever(Protocol):
    """Finds the ``k`` chunks nearest to a question. ``vector`` is float32, (dimensions,), unit length;
    it is None when ``needs_vector`` is false, or when the embedder failed."""

    @property
    def needs_vector(self) -> bool: ...

    def retrieve(
        self,
        question: str,
        vector: NDArray[np.float32] | None,
        *,
        k: int,
        tenant: str = "",
        collection: str = "default",
        filter: FilterLike | None = None,
    ) -> Sequence[Hit]: ...


@runtime_checkable
class Rewriter(Protocol):
    """Says how a question is to be searched for a second time; ``hits`` are what the first search brought.

    A question that cannot be bettered comes back as it is, without ``reasons``.
    """

    def rewrite(
        self, question: str, hits: Sequence[Hit], *, tenant: str = "", collection: str = "default"
    ) -> Rewritten: ...


@runtime_checkable
class Reranker(Protocol):
    """Orders hits anew by a closer look at question and text, after retrieving and before the diet.

    Gives at most ``k`` of the hits it was given, the best first, each once; it may set their ``score`` and
    nothing else. ``ragdiet.retrieve.reranked`` calls it and holds it to that.
    """

    def rerank(self, question: str, hits: Sequence[Hit], *, k: int) -> Sequence[Hit]: ...


@runtime_checkable
class Compressor(Protocol):
    """Cuts passages down to ``budget`` tokens of verbatim sentences; "auto" is as many as the question
    seems to need."""

    def compress(
        self,
        question: str,
        passages: Iterable[Passage],
        *,
        budget: Budget,
        question_vector: NDArray[np.float32] | None = None,
    ) -> Context: ...


@runtime_checkable
class Generator(Protocol):
    """Answers a prompt from its context, citing blocks as ``[n]``. ``model`` is the exact id asked for."""

    model: str

    def generate(self, prompt: Prompt) -> Generation: ...


@runtime_checkable
class GenerationStream(Protocol):
    """The text of one reply as it comes, once. ``generation`` is the whole, after the text was read to its end.
    ``close`` leaves before it; what was spent is accounted for all the same."""

    def __iter__(self) -> Iterator[str]: ...

    @property
    def generation(self) -> Generation: ...

    def close(self) -> None: ...


@runtime_checkable
class StreamingGenerator(Generator, Protocol):
    """A generator that can also give a reply's text as it comes. Nothing is asked before the first is read."""

    def stream(self, prompt: Prompt) -> GenerationStream: ...


@runtime_checkable
class Priced(Protocol):
    """A generator that can say what a prompt will cost, USD: at least, as expected, and at most, with its
    longest reply and every try that may be billed."""

    def quote(self, prompt: Prompt) -> Quote: ...


@runtime_checkable
class Confidence(Protocol):
    """Estimates the chance that a question is answered right, in [0, 1].

    ``gate`` and ``accept`` are the thresholds of the two gates: below ``gate`` no model is asked,
    below ``accept`` an answer is not given.
    """

    gate: float
    accept: float

    def of_retrieval(self, question: str, hits: Sequence[Hit]) -> float: ...

    def of_answer(self, question: str, hits: Sequence[Hit], context: Context, generation: Generation) -> float: ...


@runtime_checkable
class Guard(Protocol):
    """Judges what goes in and what comes out; ``name`` stands in the reasons of attempts, and in the ledger.

    ``check_input`` is asked about a question before anything else is done with it. ``check_output`` is asked about a
    reply that would be given, and ``check_grounding`` after it whether its ``sources`` bear the reply out. A guard
    whose one request judges both makes it in ``check_grounding`` and allows everything in ``check_output``. One that
    cannot judge raises a ModelError. With an attribute ``judges_replies = False`` a guard says that it allows every
    reply, which then may be shown while it is written.
    """

    name: str

    def check_input(self, text: str) -> GuardVerdict: ...

    def check_output(self, text: str) -> GuardVerdict: ...

    def check_grounding(self, text: str, *, question: str, sources: str) -> GuardVerdict: ...


@runtime_checkable
class PassageGuard(Protocol):
    """A guard that also judges retrieved sentences, one verdict for each: documents may hold instructions too. What it
    blocks is left out; what it gives a reason for, and allows, is named in the attempts."""

    def check_passages(self, texts: Sequence[str]) -> Sequence[GuardVerdict]: ...


@runtime_checkable
class PricedGuard(Protocol):
    """A guard that can say what it may cost, USD, to judge a question, or a reply with its question and sources, of so
    many characters each: every try that may be billed counts."""

    def most(self, *characters: int) -> Decimal: ...


@runtime_checkable
class EstimatedGuard(Protocol):
    """A guard that can say what judging texts of so many characters is likely to cost, USD, in the order of
    ``PricedGuard``: by it a chain decides whether to ask."""

    def expected(self, *characters: int) -> Decimal: ...


@runtime_checkable
class PricedReranker(Protocol):
    """A reranker that says what it may cost, USD, to order so many hits."""

    def most(self, hits: int) -> Decimal: ...


@runtime_checkable
class Local(Protocol):
    """A piece that says whether it works in this process alone. What is not known to is taken to send texts away."""

    is_local: bool
