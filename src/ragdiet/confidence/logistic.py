"""The chance that an answer is right, before a model is asked and after it has answered.

p = 1 / (1 + exp(-(bias + sum of weight * (signal - mean) / scale)))

A signal that is unknown counts as its mean. The numbers lie in a JSON file with a card that says what
they were fitted on: ``rag.calibrate`` makes one for your questions, ``python -m benchmarks.confidence`` the default.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ragdiet.confidence.model import ModelFile, Setup, default_model, read_model
from ragdiet.confidence.signals import COSINE_SIGNALS, Reading, answer_signals, retrieval_signals, support

if TYPE_CHECKING:
    from ragdiet.types import Context, Generation, Hit, Space

_log = logging.getLogger("ragdiet.confidence")


class LogisticConfidence:
    """Estimates the chance that an answer is right. Fits ``protocols.Confidence``.

    ``certified`` says whether ``accept`` carries a proven bound on wrong answers; ``card`` is what the
    model was fitted on and how it did. Cosines of another embedder have another scale: for a space of
    another model than the one it was fitted with they count as unknown, until it is fitted anew.
    """

    def __init__(self, model: ModelFile, *, setup: Setup | None = None) -> None:
        """``setup`` is what it is to judge; by default what it was made for."""
        self._file = model
        self.setup = setup or model.made_for
        foreign = self.setup.embedder != model.made_for.embedder
        self._judge = model.without(COSINE_SIGNALS) if foreign else model
        self._gate = model.gate
        self.accept = model.accept
        self.card: dict[str, Any] = dict(model.card)
        said = f"{self._judge.model_dump_json(exclude={'card'})} {self.setup.language}"
        self.cache_identity = hashlib.sha256(said.encode()).hexdigest()

    @classmethod
    def default(cls, space: Space | None = None) -> Self:
        """The model that comes with ragdiet, for questions to ``space``."""
        model = default_model()
        setup = model.made_for.model_copy(update={"embedder": space.model}) if space else None
        return cls(model, setup=setup)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """A model of your own from its JSON file. Raises SourceNotFound, or InvalidArgument where it is not one."""
        return cls(read_model(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file that ``load`` reads."""
        Path(path).write_text(self._file.model_dump_json(indent=1) + "\n", "utf-8")

    @property
    def gate(self) -> float:
        """The least chance of an answer at which a model is asked; never below ``accept``: no reply is surer than its
        hits, so that none could be accepted."""
        return max(self._gate, self.accept)

    @gate.setter
    def gate(self, gate: float) -> None:
        self._gate = gate

    @property
    def model(self) -> ModelFile:
        """Its weights, thresholds and card."""
        return self._file

    @property
    def certified(self) -> bool:
        """Whether the bound on wrong answers was proven, and for this model, prompt and embedder."""
        return self._file.certified and not _broken(self._file.made_for, self.setup)

    def moved(self, setup: Setup | None = None) -> tuple[str, ...]:
        """What of ``setup``, by default the one it judges, is no longer as it was made for. A collection that has
        changed is told, but breaks no certificate: with every document it would."""
        setup = setup or self.setup
        then, now = self._file.made_for.corpus, setup.corpus
        moved = list(_broken(self._file.made_for, setup))
        if then and now and then != now:
            same = (then.tenant, then.collection) == (now.tenant, now.collection)
            moved.append(
                f"collection {then.collection!r} has changed: {then.chunks:,} chunks then, {now.chunks:,} now"
                if same
                else f"made for the collection {then.collection!r}, not for {now.collection!r}"
            )
        return tuple(moved)

    def judging(self, setup: Setup) -> Self:
        """The same, told what it is to judge. Of a certified model a warning says what has moved."""
        judging = type(self)(self._file, setup=setup)
        judging._gate, judging.accept = self._gate, self.accept  # which somebody may have set
        if self._file.certified and (moved := judging.moved()):
            _log.warning(
                "the confidence model %s: %s. Make it anew with rag.calibrate",
                "was certified for other data" if judging.certified else "is no longer certified",
                "; ".join(moved),
            )
        return judging

    def of_retrieval(self, question: str, hits: Sequence[Hit]) -> float:
        """The chance that the corpus holds an answer, from the hits alone; 0 without any."""
        return self._judge.found(retrieval_signals(Reading(question, hits, self.setup.language))) if hits else 0.0

    def of_answer(self, question: str, hits: Sequence[Hit], context: Context, generation: Generation) -> float:
        """The chance that the reply is right: that of its signals, but no more than that of the corpus
        holding an answer, times how far its citations bear it out. 0 for one that cites no block."""
        backing = support(context, generation, self.setup.language)
        if not hits or not backing:
            return 0.0
        reading = Reading(question, hits, self.setup.language)
        return self._judge.right(retrieval_signals(reading), answer_signals(reading, context, generation), backing)


def _broken(then: Setup, now: Setup) -> tuple[str, ...]:
    """What a certificate does not outlive."""
    return tuple(
        f"{what} {getattr(then, name)!r} then, {getattr(now, name)!r} now"
        for name, what in (
            ("models", "models"),
            ("prompt", "prompt"),
            ("embedder", "embedder"),
            ("language", "language"),
        )
        if getattr(then, name) != getattr(now, name)
    )
