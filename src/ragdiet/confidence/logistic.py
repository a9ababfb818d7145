"""Two logistic models over the signals: before a model is asked, and after it has answered.

p = 1 / (1 + exp(-(bias + sum of weight * (signal - mean) / scale)))

A signal that is unknown counts as its mean. The numbers lie in a JSON file with a card that says what
they were fitted on: ``python -m benchmarks.confidence`` makes it anew.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ragdiet.confidence.signals import (
    ANSWER_SIGNALS,
    COSINE_SIGNALS,
    RETRIEVAL_SIGNALS,
    Reading,
    answer_signals,
    retrieval_signals,
    support,
)
from ragdiet.errors import InvalidArgument, SourceNotFound

if TYPE_CHECKING:
    from ragdiet.types import Context, Generation, Hit, Space

Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Term(_Strict):
    """One signal: ``weight`` is in log-odds a standard deviation."""

    weight: float
    mean: float
    scale: Annotated[float, Field(gt=0)]


class Logistic(_Strict):
    """Signals to a probability."""

    bias: float
    terms: Mapping[str, Term]

    def probability(self, signals: Mapping[str, float]) -> float:
        """In (0, 1). A signal that is NaN counts as its mean."""
        logit = self.bias + sum(
            term.weight * (signals[name] - term.mean) / term.scale
            for name, term in self.terms.items()
            if not math.isnan(signals[name])
        )
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


class _Model(_Strict):
    embedder: str
    retrieval: Logistic
    answer: Logistic
    gate: Share
    accept: Share
    certified: bool
    card: Mapping[str, Any]


class LogisticConfidence:
    """Estimates the chance that an answer is right. Fits ``protocols.Confidence``.

    ``certified`` says whether ``accept`` carries a proven bound on wrong answers; ``card`` is what the
    model was fitted on and how it did. Cosines of another embedder have another scale: for a space of
    another model than the one it was fitted with they count as unknown, until it is fitted anew.
    """

    def __init__(self, model: _Model, *, space: Space | None = None) -> None:
        foreign = space is not None and space.model != model.embedder
        self._retrieval = _without_cosines(model.retrieval) if foreign else model.retrieval
        self._answer = _without_cosines(model.answer) if foreign else model.answer
        self.gate = model.gate
        self.accept = model.accept
        self.certified = model.certified
        self.card: dict[str, Any] = dict(model.card)

    @classmethod
    def default(cls, space: Space | None = None) -> Self:
        """The model that comes with ragdiet, for questions to ``space``."""
        return cls(_default(), space=space)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """A model of your own from its JSON file. Raises SourceNotFound, or InvalidArgument where it is not one."""
        try:
            text = Path(path).read_text("utf-8")
        except FileNotFoundError as error:
            raise SourceNotFound(f"no confidence model at {path}: check the path", uri=str(path)) from error
        return cls(_parsed(text, str(path)))

    def of_retrieval(self, question: str, hits: Sequence[Hit]) -> float:
        """The chance that the corpus holds an answer, from the hits alone; 0 without any."""
        return self._retrieval.probability(retrieval_signals(Reading(question, hits))) if hits else 0.0

    def of_answer(self, question: str, hits: Sequence[Hit], context: Context, generation: Generation) -> float:
        """The chance that the reply is right: that of its signals, but no more than that of the corpus
        holding an answer, times how far its citations bear it out. 0 for one that cites no block."""
        backing = support(context, generation)
        if not hits or not backing:
            return 0.0
        reading = Reading(question, hits)
        answerable = self._retrieval.probability(retrieval_signals(reading))
        right = self._answer.probability(answer_signals(reading, context, generation))
        return backing * min(answerable, right)


def _without_cosines(logistic: Logistic) -> Logistic:
    kept = {name: term for name, term in logistic.terms.items() if name not in COSINE_SIGNALS}
    return Logistic(bias=logistic.bias, terms=kept)


@cache
def _default() -> _Model:
    return _parsed(files("ragdiet.confidence").joinpath("default.json").read_text("utf-8"), "default.json")


def _parsed(text: str, name: str) -> _Model:
    try:
        model = _Model.model_validate_json(text)
    except ValidationError as error:
        raise InvalidArgument(
            f"{name} is no confidence model: {error}. Make one with: python -m benchmarks.confidence"
        ) from error
    for logistic, known in ((model.retrieval, RETRIEVAL_SIGNALS), (model.answer, ANSWER_SIGNALS)):
        if unknown := set(logistic.terms) - set(known):
            raise InvalidArgument(
                f"{name} has weights for signals that do not exist: {', '.join(sorted(unknown))}. "
                f"Those that do are: {', '.join(known)}"
            )
    return model
