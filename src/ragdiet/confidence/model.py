"""The weights and thresholds of a confidence model, as they lie in its JSON file."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ragdiet.confidence.fitting import Fit
from ragdiet.confidence.signals import ANSWER_SIGNALS, RETRIEVAL_SIGNALS
from ragdiet.errors import InvalidArgument, SourceNotFound

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

    def without(self, names: frozenset[str]) -> Self:
        """The same, but for these signals, which count as unknown."""
        return self.model_copy(update={"terms": {name: term for name, term in self.terms.items() if name not in names}})

    def as_fit(self, names: Sequence[str]) -> Fit:
        """As arrays in the order of ``names``, to fit another by; a signal that it leaves out has no weight."""
        none = Term(weight=0, mean=0, scale=1)
        terms = [self.terms.get(name, none) for name in names]
        return Fit(
            beta=np.array([*(term.weight for term in terms), self.bias]),
            mean=np.array([term.mean for term in terms]),
            scale=np.array([term.scale for term in terms]),
        )


class Corpus(_Strict):
    """A collection as it was: ``version`` counts the changes of its content."""

    tenant: str
    collection: str
    version: int
    chunks: int


class Setup(_Strict):
    """What an estimate is made with: the models of the chain in their order, the version of their instructions, the
    model of the embedding space, the language, and the collection, where one is meant."""

    models: tuple[str, ...]
    prompt: str
    embedder: str
    language: str = "english"
    corpus: Corpus | None = None


class ModelFile(_Strict):
    """``topic``: whether the corpus is about it at all; ``said``: whether a sentence of it answers; ``answer``: whether
    the reply is right. ``made_for`` is what they were fitted with; ``certified`` holds for that alone."""

    made_for: Setup
    topic: Logistic
    said: Logistic
    answer: Logistic
    gate: Share
    accept: Share
    certified: bool
    card: Mapping[str, Any]

    def found(self, retrieval: Mapping[str, float]) -> float:
        """The chance that the corpus holds an answer: both must be so, which one sum of signals does not say."""
        return self.topic.probability(retrieval) * self.said.probability(retrieval)

    def right(self, retrieval: Mapping[str, float], answer: Mapping[str, float], support: float) -> float:
        """The chance that a reply is right: no more than that of there being one, times how far it is borne out."""
        return support * min(self.found(retrieval), self.answer.probability(answer))

    def without(self, signals: frozenset[str]) -> Self:
        """The same, but for these signals, which count as unknown."""
        parts = {name: getattr(self, name).without(signals) for name in ("topic", "said", "answer")}
        return self.model_copy(update=parts)


def read_model(path: str | os.PathLike[str]) -> ModelFile:
    """Raises SourceNotFound, and InvalidArgument for a file that is no model."""
    try:
        text = Path(path).read_text("utf-8")
    except FileNotFoundError as error:
        raise SourceNotFound(f"no confidence model at {path}: check the path", uri=str(path)) from error
    return _parsed(text, str(path))


@cache
def default_model() -> ModelFile:
    """The one that comes with ragdiet."""
    return _parsed(files("ragdiet.confidence").joinpath("default.json").read_text("utf-8"), "default.json")


def _parsed(text: str, name: str) -> ModelFile:
    try:
        model = ModelFile.model_validate_json(text)
    except ValidationError as error:
        raise InvalidArgument(
            f"{name} is no confidence model: {error}. Make one with: ragdiet calibrate LABELLED.jsonl --save MODEL.json"
        ) from error
    signals = ((model.topic, RETRIEVAL_SIGNALS), (model.said, RETRIEVAL_SIGNALS), (model.answer, ANSWER_SIGNALS))
    for logistic, known in signals:
        if unknown := set(logistic.terms) - set(known):
            raise InvalidArgument(
                f"{name} has weights for signals that do not exist: {', '.join(sorted(unknown))}. "
                f"Those that do are: {', '.join(known)}"
            )
    return model
