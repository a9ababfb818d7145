"""The values that pass between stages. All are frozen; none does I/O.

Offsets are in characters (Python ``str`` indices) of the text a loader produced, ``end`` exclusive.
Sizes are in tokens of the store's counter, money is ``Decimal`` USD, durations are seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.account import PriceRow
    from ragdiet.display import Shown

EmbedKind: TypeAlias = Literal["query", "document"]
GuardAction: TypeAlias = Literal["allow", "mask", "block"]
Outcome: TypeAlias = Literal["answered", "clarify", "abstained", "failed"]
SpaceState: TypeAlias = Literal["building", "active", "retired"]
Span: TypeAlias = tuple[int, int]
Budget: TypeAlias = int | Literal["auto"]
"""Tokens at most, or as many as the question seems to need."""

STRUCTURE_KEYS = frozenset({"headings", "pages"})
"""Keys of ``Document.meta`` that tell a chunker where sections and pages begin; they are not stored."""


@dataclass(frozen=True, slots=True)
class Document:
    """One source text. ``id`` is unique within its collection and stable between runs."""

    id: str
    text: str
    title: str | None = None
    uri: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A slice of a document: ``document.text[start:end] == text``.

    ``context`` is the line (title, headings) indexed and embedded before the text but never billed
    into a prompt with it. ``sentences`` are spans within ``text``, in order and without overlap; a chunker
    may leave them out, the ingest then finds them.
    """

    ordinal: int
    text: str
    start: int
    end: int
    tokens: int
    context: str = ""
    sentences: tuple[Span, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def indexed_text(self) -> str:
        """What is embedded and searched: the context line, then the text."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """An embedding space: vectors of one model at one length. ``fusion_weight`` is the dense leg's
    share of the fused score in [0, 1]."""

    name: str
    model: str
    dimensions: int
    fusion_weight: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceStatus:
    """An embedding space of a database: ``chunks`` have a vector in it, ``missing`` have none. Only an ``active`` one
    is searched; a ``retired`` one is gone. ``is_indexed``: its HNSW index is there and valid."""

    name: str
    model: str
    dimensions: int
    state: SpaceState
    chunks: int
    missing: int
    is_indexed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a provider billed for one request. ``input_tokens`` leaves cached tokens out."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    units: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens + self.cached_tokens

    @property
    def cached_tokens(self) -> int:
        """Tokens that were read from the provider's cache or written to it."""
        return self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """``vectors``: float32, (n, dimensions), unit length; ``tokens``: billed for them.

    ``sentence_vectors`` is given when sentence spans were: one float32 (spans, dimensions) array a text.
    For late interaction an embedder may give each question's ``token_vectors``, float32, (tokens, token
    dimensions), unit length, and each document's ``token_bits``, the signs of such vectors: bit 1 for a
    number above 0, 8 to a byte, the first one highest, token after token; b"" where they are not known.
    """

    vectors: NDArray[np.float32]
    tokens: int
    sentence_vectors: tuple[NDArray[np.float32], ...] = ()
    token_vectors: tuple[NDArray[np.float32], ...] = ()
    token_bits: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedVectors:
    """What was once embedded of a text: ``vector`` float32, (dimensions,), unit length, the like
    (sentences, dimensions) for its sentences, None where the embedder gave none, and its ``token_bits``."""

    vector: NDArray[np.float32]
    sentence_vectors: NDArray[np.float32] | None = None
    token_bits: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A retrieved chunk. A rank counts from 1 and is None where that leg did not bring the chunk.

    ``dense_score`` is the cosine with the question, ``keyword_score`` the BM25 score, ``score`` the
    fused one that orders hits. ``sentences`` are spans within ``text``; ``sentence_vectors`` is
    float16, (sentences, dimensions), unit length, or None when none were stored.
    """

    chunk_id: int
    document_id: str
    text: str
    score: float
    dense_rank: int | None = None
    keyword_rank: int | None = None
    title: str | None = None
    uri: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    start: int = 0
    end: int = 0
    dense_score: float = 0.0
    keyword_score: float = 0.0
    tokens: int = 0
    sentences: tuple[Span, ...] = ()
    sentence_vectors: NDArray[np.float16] | None = field(default=None, compare=False, repr=False)

    def _repr_html_(self) -> str:
        from ragdiet.display import hits_html

        return hits_html((self,))


class Hits(tuple[Hit, ...]):
    """A tuple of hits that shows itself as a table in a notebook.

    ``found``: how many candidates each leg brought, ``{"keyword": ..., "dense": ...}``. ``version`` counts the changes
    of the collection up to the search, which at a replica may be fewer than there are; None where that is not known.
    """

    found: Mapping[str, int]
    version: int | None

    def __new__(
        cls, hits: Iterable[Hit] = (), *, found: Mapping[str, int] | None = None, version: int | None = None
    ) -> Self:
        made = super().__new__(cls, hits)
        made.found = dict(found or {})
        made.version = version
        return made

    def _repr_html_(self) -> str:
        from ragdiet.display import hits_html

        return hits_html(self)


Passage: TypeAlias = Hit | Document | str


@dataclass(frozen=True, slots=True)
class Change:
    """What was written in a question, and the corpus's word for it."""

    written: str
    corrected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A question as a second search is to ask it.

    ``question`` is for the embedder and for "did you mean"; ``keywords``, which holds it with its phrases and
    exclusions, for the keyword leg. ``reasons`` say what was done, for the record of the attempt.
    """

    question: str
    keywords: str
    changes: tuple[Change, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A verbatim sentence of a passage. ``start`` and ``end`` are offsets into the source document;
    ``source`` is the number n of the ``[n]`` block that holds it (0 when it was dropped)."""

    document_id: str
    text: str
    start: int
    end: int
    score: float
    source: int = 0
    chunk_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A numbered block ``[n]`` of a context."""

    n: int
    document_id: str
    chunk_id: int | None = None
    title: str | None = None
    uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The dieted passages: ``text`` is what the prompt holds, ``tokens`` its exact count,
    ``tokens_before`` the count of the passages whole. ``is_enough``: what was dropped was not needed,
    rather than without room in the budget. ``withheld`` are sentences that a guard kept from the diet, with its
    score."""

    text: str
    tokens: int
    tokens_before: int
    kept: tuple[Sentence, ...]
    dropped: tuple[Sentence, ...]
    sources: tuple[Source, ...] = ()
    is_enough: bool = False
    withheld: tuple[Sentence, ...] = ()

    @property
    def ratio(self) -> float:
        """Share of the tokens that is left, in [0, 1]."""
        return self.tokens / self.tokens_before if self.tokens_before else 1.0

    def saved(self, price: PriceRow) -> Decimal:
        """USD that one prompt costs less at this price than with the passages whole, as far as the counter's
        tokens are the model's: ``context.saved(PriceBook.default().price("us.amazon.nova-lite-v1:0"))``.

        Raises UnknownPrice for a price without a rate for input.
        """
        whole, dieted = Usage(input_tokens=self.tokens_before), Usage(input_tokens=self.tokens)
        return price.cost(whole) - price.cost(dieted)

    def show(self, *prices: PriceRow) -> Shown:
        """What was kept and dropped, for a notebook, with the money saved at each of the prices."""
        from ragdiet.display import Shown, context_html

        return Shown(context_html(self, prices))

    def _repr_html_(self) -> str:
        from ragdiet.display import context_html

        return context_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A question, the reply that a model should give to it, and the ``sources`` it rests on, as ``[1] ...`` blocks."""

    sources: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a generator is asked.

    ``system`` and ``examples`` come first and are the same for every question, so that a provider can cache
    them. ``length`` is the sentence that asks for so long a reply, and ``max_tokens`` caps it.
    """

    system: str
    question: str
    context: Context
    examples: tuple[Example, ...] = ()
    history: tuple[Turn, ...] = ()
    length: str = ""
    max_tokens: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One reply of a generator. ``model`` was asked for, ``served`` is what answered.

    ``stop_reason`` is in Converse's words: "end_turn" where the reply is whole, and "stop_sequence"; "max_tokens" where
    it was cut off. ``stop_detail`` says more of it, such as what a guardrail found. ``first_token_seconds`` is the time
    to the first text of a stream.
    """

    text: str
    model: str
    served: str
    usage: Usage
    stop_reason: str
    cost: Decimal
    seconds: float
    stop_detail: str = ""
    first_token_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardVerdict:
    """What a guard says of a text. ``text`` is what to go on with where ``action`` is "mask", and empty otherwise.

    ``scores`` are those it decided by, each in [0, 1], such as ``{"injection": 0.97}`` or ``{"grounding": 0.4}``;
    ``cost`` is what the check cost, USD.
    """

    action: GuardAction = "allow"
    reason: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    text: str = ""
    cost: Decimal = Decimal(0)


class Replaced(str):
    """Among the pieces of a streamed answer: what came before it is void, for ``reason``, and what follows takes its
    place. As text it is an empty line, so that a program that only prints keeps the two apart."""

    __slots__ = ("reason",)

    reason: str

    def __new__(cls, reason: str) -> Self:
        made = super().__new__(cls, "\n\n")
        made.reason = reason
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A source the answer names as ``[n]``: ``text`` is ``source[start:end]``."""

    n: int
    document_id: str
    chunk_id: int | None
    text: str
    uri: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One step of the chain: what it tried, whether that was accepted, and why."""

    step: str
    accepted: bool
    reason: str
    confidence: float | None = None
    model: str | None = None
    cost: Decimal = Decimal(0)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The end of an ask. ``confidence`` is in [0, 1]; ``cost`` is the sum of its ledger rows.

    ``choices``, up to four, are there where ``outcome`` is "clarify": questions and phrases of which the asker is to
    choose one, each of which can be asked as it stands. ``text`` says the same in words.

    ``database_cost`` is an estimate and no part of ``cost``: the ask's share of a bill for Aurora Serverless v2, USD,
    by the time that it held the database and the blocks that its searches read from storage.
    """

    text: str
    citations: tuple[Citation, ...]
    confidence: float
    outcome: Outcome
    cost: Decimal
    attempts: tuple[Attempt, ...]
    prompt_id: str
    context: Context | None
    choices: tuple[str, ...] = ()
    database_cost: Decimal | None = None

    def _repr_html_(self) -> str:
        from ragdiet.display import answer_html

        return answer_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """What was not ingested, and why: a source or a document, or the part of one from ``start`` to ``end``.

    ``error`` is a name out of ``ragdiet.errors``. ``by_policy``: a quality gate kept it out, as it was told
    to; the others are faults of the source.
    """

    uri: str
    reason: str
    error: str
    by_policy: bool = False
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What an ingest did. Counts are of documents, but ``chunks`` (written) and ``tokens`` (embedded).

    ``dry_run``: nothing was written or spent; the counts are what would be, ``tokens`` by our own counter
    and ``cost`` by the price book.
    """

    added: int
    updated: int
    unchanged: int
    deleted: int
    rejected: tuple[Rejection, ...]
    chunks: int
    tokens: int
    seconds: float
    cost: Decimal
    dry_run: bool = False

    def _repr_html_(self) -> str:
        from ragdiet.display import report_html

        return report_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalScore:
    """Means over labelled questions, each in [0, 1]: recall and nDCG of documents among the first hits."""

    recall: float
    ndcg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReembedReport:
    """What became of an embedding space: ``chunks`` got their vector in this run, ``missing`` have none still, and
    ``rejected`` says why.

    ``state`` is "active" when searches may use the space; else ``reason`` says what it waits for. ``before`` and
    ``after`` are the scores of the space used until now and of this one, where labelled questions were given.
    ``tokens`` were embedded for ``cost`` USD. ``dry_run``: nothing was written or spent; the numbers are what would be.
    """

    space: str
    state: SpaceState
    chunks: int
    missing: int
    rejected: tuple[Rejection, ...]
    tokens: int
    seconds: float
    cost: Decimal
    reason: str = ""
    before: RetrievalScore | None = None
    after: RetrievalScore | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an ask would cost before it is spent, USD: all but one in 20 cost at least ``least`` and at most ``most``.

    ``worst`` is what nothing can go over: every model asked, each with its longest reply, every try billed; None where
    that is ``most``, as in the quote of a single request.
    """

    least: Decimal
    expected: Decimal
    most: Decimal
    worst: Decimal | None = None
