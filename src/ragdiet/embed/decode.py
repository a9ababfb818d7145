"""Vectors out of a model's reply, in whichever number type it was asked for, as unit vectors or an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragdiet.errors import BadReply, DimensionMismatch

EmbeddingType: TypeAlias = Literal["float", "int8", "uint8", "binary", "ubinary"]


def unit_vector(raw: object, dimensions: int, *, kind: EmbeddingType, model: str) -> NDArray[np.float32]:
    """float32, (dimensions,), unit length, of one vector as JSON holds it.

    ``int8`` numbers are taken as they are and ``uint8`` with 128 for zero. Of ``binary`` and ``ubinary`` each bit
    is +1 or -1: either a number a bit, 0 or 1, or packed, 8 to a byte, the first one highest, ``binary`` with 128
    taken off each byte. Raises DimensionMismatch for another length, BadReply for zeros, NaN and what is no list
    of numbers.

    >>> unit_vector([3, 4], 2, kind="float", model="m").tolist() == [np.float32(0.6), np.float32(0.8)]
    True
    >>> (unit_vector([0b10100000 - 128], 8, kind="binary", model="m") > 0).tolist()
    [True, False, True, False, False, False, False, False]
    """
    try:
        given = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _unusable(model, "no usable vector") from error
    numbers = _expanded(given, dimensions, kind, model)
    if numbers.shape != (dimensions,):
        raise DimensionMismatch(
            f"{model} sent a vector of shape {numbers.shape}, where {dimensions} dimensions were asked for. "
            "Check the model behind the endpoint.",
            expected=dimensions,
            actual=numbers.shape[-1] if numbers.ndim else 0,
        )
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(numbers))
    if not np.isfinite(length) or length == 0.0:
        raise _unusable(model, "a vector of zeros or NaN")
    return (numbers / length).astype(np.float32)


def mean_vector(vectors: Sequence[NDArray[np.float32]], weights: Sequence[int]) -> NDArray[np.float32]:
    """The mean of a text's parts, weighted by their tokens, at unit length again.

    >>> mean_vector([np.float32([1, 0]), np.float32([0, 1])], [4, 3]).tolist() == [np.float32(0.8), np.float32(0.6)]
    True
    """
    mean = np.average(np.asarray(vectors, np.float64), axis=0, weights=np.maximum(weights, 1))
    length = np.linalg.norm(mean)
    # Parts that cancel each other out say nothing together: the first stands for the text.
    return (mean / length).astype(np.float32) if length > 1e-6 else vectors[0]


def _expanded(given: NDArray[np.float64], dimensions: int, kind: EmbeddingType, model: str) -> NDArray[np.float64]:
    if kind == "uint8":
        return given - 128
    if kind not in ("binary", "ubinary") or given.ndim != 1:
        return given
    if given.size == dimensions and np.isin(given, (0, 1)).all():
        return given * 2 - 1
    packed = given + 128 if kind == "binary" else given
    if not ((packed >= 0) & (packed <= 255) & (packed == np.floor(packed))).all():
        raise _unusable(model, "bits that are no bytes")
    return np.unpackbits(packed.astype(np.uint8)).astype(np.float64) * 2 - 1


def _unusable(model: str, what: str) -> BadReply:
    return BadReply(f"{model} sent {what}. Ask again.", code="InvalidEmbedding")


def vectors_of(found: Any, count: int, model: str) -> Sequence[Any]:
    """``found``, or BadReply where it is no list of ``count`` vectors."""
    if not isinstance(found, list) or len(found) != count:
        many = len(found) if isinstance(found, list) else "no"
        raise BadReply(f"{model} sent {many} vectors for {count} texts. Ask again.", code="InvalidEmbedding")
    return found
