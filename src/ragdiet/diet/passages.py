"""Hits, documents and plain strings, read into one shape: text, sentence spans, what the vectors say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ragdiet.diet.units import Unit, read_units
from ragdiet.errors import DimensionMismatch, InvalidArgument
from ragdiet.sentences import split_sentences
from ragdiet.types import Document, Hit, Passage, Span


@dataclass(frozen=True, slots=True)
class Part:
    """A passage as the diet reads it.

    ``document`` is equal for passages of one document: its id, or a string's position. ``title`` is
    one line, "" for none. ``offset`` is where ``text`` begins in its document. ``units`` tell what each
    sentence comes with. ``cosines`` are those
    of the sentences with the question, float64, (spans,), and ``cosine`` that of the whole passage;
    None where no vector tells. ``keyword_score`` is the retriever's BM25.
    """

    document: str | int
    document_id: str
    chunk_id: int | None
    title: str
    uri: str | None
    text: str
    offset: int
    spans: tuple[Span, ...]
    units: tuple[Unit, ...]
    cosines: NDArray[np.float64] | None
    cosine: float | None
    keyword_score: float | None

    def sentence(self, index: int) -> str:
        start, end = self.spans[index]
        return self.text[start:end]


def read_passages(passages: Iterable[Passage], question_vector: NDArray[np.float32] | None) -> list[Part]:
    """The passages that hold text, in the order given.

    Spans that are not those of the text are split anew, and the passage's sentence vectors, which
    then belong to nothing, are left out. Raises InvalidArgument for what is no passage and for NaN or
    infinity in vectors, DimensionMismatch for vectors of another shape than the spans and the question.
    """
    if isinstance(passages, (str, Hit, Document)) or not isinstance(passages, Iterable):
        raise InvalidArgument("passages must be a list of Hits, Documents or strings: put a single one into a list")
    given = list(passages)
    cosines = {} if question_vector is None else _sentence_cosines(given, question_vector)
    parts = (_read(passage, position, cosines.get(position)) for position, passage in enumerate(given, start=1))
    return [part for part in parts if part.spans]


def _read(passage: Passage, position: int, cosines: NDArray[np.float64] | None) -> Part:
    if isinstance(passage, Hit):
        return _read_hit(passage, cosines)
    if isinstance(passage, Document):
        document: str | int = passage.id
        document_id, title, uri, text = passage.id, passage.title, passage.uri, passage.text
    elif isinstance(passage, str):
        document, document_id, title, uri, text = position, str(position), None, None, passage
    else:
        raise InvalidArgument(
            f"passage {position} is of type {type(passage).__name__}: give Hits, Documents or plain strings"
        )
    spans = split_sentences(text)
    return Part(
        document=document,
        document_id=document_id,
        chunk_id=None,
        title=_one_line(title),
        uri=uri,
        text=text,
        offset=0,
        spans=spans,
        units=read_units(text, spans),
        cosines=None,
        cosine=None,
        keyword_score=None,
    )


def _read_hit(hit: Hit, cosines: NDArray[np.float64] | None) -> Part:
    if not (math.isfinite(hit.dense_score) and math.isfinite(hit.keyword_score)):
        raise InvalidArgument(f"chunk {hit.chunk_id} has a score that is NaN or infinite: give a number, or 0")
    fits = _spans_fit(hit.sentences, hit.text)
    if not fits:
        cosines = None
    spans = tuple(hit.sentences) if fits else split_sentences(hit.text)
    cosine = hit.dense_score or (None if cosines is None else float(cosines.mean()))
    return Part(
        document=hit.document_id,
        document_id=hit.document_id,
        chunk_id=hit.chunk_id,
        title=_one_line(hit.title),
        uri=hit.uri,
        text=hit.text,
        offset=hit.start,
        spans=spans,
        units=read_units(hit.text, spans),
        cosines=cosines,
        cosine=cosine,
        keyword_score=hit.keyword_score,
    )


def _spans_fit(spans: Sequence[Span], text: str) -> bool:
    """Whether the spans are in order, without overlap, and leave out nothing but white space."""
    bounds = [(0, 0), *spans, (len(text), len(text))]
    return all(start < end and not text[start:end].isspace() for start, end in spans) and all(
        end <= start and (end == start or text[end:start].isspace()) for (_, end), (start, _) in pairwise(bounds)
    )


def _sentence_cosines(
    passages: Sequence[Passage], question_vector: NDArray[np.float32]
) -> dict[int, NDArray[np.float64]]:
    """Cosines with the question by the passage's position from 1, where sentence vectors are at hand."""
    direction = np.asarray(question_vector, dtype=np.float32)
    if direction.ndim != 1:
        raise DimensionMismatch(
            f"question_vector has shape {direction.shape}: give the one vector, of shape (dimensions,)",
            expected=1,
            actual=direction.ndim,
        )
    if not np.isfinite(direction).all():
        raise InvalidArgument("question_vector holds NaN or infinity: embed the question again, or give None")
    vectors = {
        position: _shaped(passage, len(direction))
        for position, passage in enumerate(passages, start=1)
        if isinstance(passage, Hit) and passage.sentence_vectors is not None and passage.sentences
    }
    if not vectors:
        return {}
    matrix = np.concatenate(list(vectors.values()), dtype=np.float32)
    lengths = np.linalg.norm(matrix, axis=1).astype(np.float64) * float(np.linalg.norm(direction))
    if not np.isfinite(lengths).all():
        raise InvalidArgument("the hits' sentence vectors hold NaN or infinity: embed those documents again")
    cosines = (matrix @ direction).astype(np.float64) / np.where(lengths > 0, lengths, 1.0)
    bounds = np.cumsum([len(rows) for rows in vectors.values()])[:-1]
    return dict(zip(vectors, np.split(cosines, bounds), strict=True))


def _shaped(hit: Hit, dimensions: int) -> NDArray[np.float16]:
    vectors = np.asarray(hit.sentence_vectors)
    expected = (len(hit.sentences), dimensions)
    if vectors.shape != expected:
        axis = 0 if vectors.ndim != 2 or vectors.shape[0] != expected[0] else 1
        raise DimensionMismatch(
            f"the sentence vectors of chunk {hit.chunk_id} have shape {vectors.shape}, its sentences and the question "
            f"ask for {expected}: embed documents and questions with one model, one vector a sentence",
            expected=expected[axis],
            actual=vectors.shape[axis] if vectors.ndim > axis else 0,
        )
    return vectors


def _one_line(title: str | None) -> str:
    return " ".join((title or "").split())
