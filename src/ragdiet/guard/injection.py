"""A local score for orders to the model, in questions and in what was retrieved: a logistic model over traits.

p = 1 / (1 + exp(-(bias + sum of the weights of the traits that are there)))

Two sets of weights: a user may ask for the form of his answer, a document may not. They lie in ``injection.json`` with
a card that says what they were fitted on; ``python -m benchmarks.guard --fit`` makes it anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ragdiet.errors import InvalidArgument
from ragdiet.guard.traits import traits
from ragdiet.types import GuardVerdict

_ALLOWED = GuardVerdict()


class _Weights(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    bias: float
    traits: Mapping[str, float]
    threshold: Annotated[float, Field(gt=0, lt=1)]

    def score(self, found: frozenset[str]) -> float:
        logit = self.bias + sum(self.traits.get(name, 0.0) for name in found)
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    question: _Weights
    passage: _Weights
    card: Mapping[str, Any]


class InjectionGuard:
    """Scores questions and retrieved sentences in this process, for nothing. Fits ``protocols.Guard`` and
    ``protocols.PassageGuard``.

    A question at or over ``question`` is not answered. A sentence at or over ``passage`` is left out of the prompt
    ("drop"), or only named in the attempts ("flag"). Both scores are in (0, 1); None takes the threshold that comes
    with the model, and 1 switches that check off.
    """

    name = "injection"
    is_local = True
    judges_replies = False

    def __init__(
        self,
        *,
        question: float | None = None,
        passage: float | None = None,
        passages: Literal["drop", "flag"] = "drop",
    ) -> None:
        for name, threshold in (("question", question), ("passage", passage)):
            if threshold is not None and not 0 < threshold <= 1:
                raise InvalidArgument(f"{name} is {threshold!r}: give a threshold above 0, at most 1")
        if passages not in ("drop", "flag"):
            raise InvalidArgument(f"passages is {passages!r}: give 'drop' or 'flag'")
        self._model = _model()
        self._question = self._model.question.threshold if question is None else question
        self._passage = self._model.passage.threshold if passage is None else passage
        self._passages = passages
        self.card: dict[str, Any] = dict(self._model.card)

    def check_input(self, text: str) -> GuardVerdict:
        found = traits(text)
        score = self._model.question.score(found)
        if score < self._question:
            return GuardVerdict(scores={"injection": score})
        return GuardVerdict(action="block", reason=_reason(score, found), scores={"injection": score})

    def check_output(self, text: str) -> GuardVerdict:
        return _ALLOWED

    def check_grounding(self, text: str, *, question: str, sources: str) -> GuardVerdict:
        return _ALLOWED

    def check_passages(self, texts: Sequence[str]) -> Sequence[GuardVerdict]:
        return [self._of_passage(text) for text in texts]

    def _of_passage(self, text: str) -> GuardVerdict:
        found = traits(text)
        score = self._model.passage.score(found)
        if score < self._passage:
            return _ALLOWED
        action: Literal["block", "allow"] = "block" if self._passages == "drop" else "allow"
        return GuardVerdict(action=action, reason=_reason(score, found), scores={"injection": score})


def _reason(score: float, found: frozenset[str]) -> str:
    return f"orders to the model, score {score:.2f} ({', '.join(sorted(name.replace('_', ' ') for name in found))})"


@cache
def _model() -> _Model:
    return _Model.model_validate_json(files("ragdiet.guard").joinpath("injection.json").read_text("utf-8"))
