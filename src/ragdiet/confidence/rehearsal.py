"""What the chain says to labelled questions, with its last word withheld: every model replies, and no reply passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ragdiet.confidence.logistic import LogisticConfidence
from ragdiet.confidence.signals import Reading, answer_signals, cited_documents, retrieval_signals, support

if TYPE_CHECKING:
    from ragdiet.confidence.labels import Label
    from ragdiet.confidence.model import ModelFile
    from ragdiet.types import Answer, Context, Generation, Hit

_OUT_OF_REACH = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A model's reply: ``score`` is what gate 2 gives it, ``right`` the label's verdict, None where it has none;
    ``support`` is 0 for a refusal."""

    score: float
    right: bool | None
    support: float
    signals: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A labelled question, the signals of its hits (None where nothing was found), and the replies, in order."""

    label: Label
    retrieval: Mapping[str, float] | None
    replies: tuple[Reply, ...]

    def given(self, accept: float) -> Reply | None:
        """The answer that the chain would give with this threshold."""
        return next((reply for reply in self.replies if reply.score >= accept), None)


@dataclass(slots=True)
class Rehearsal:
    """A model of confidence as an ask takes it, that notes what it is shown. ``gate`` 0 lets every question be read."""

    confidence: LogisticConfidence
    gate: float
    accept: float = _OUT_OF_REACH
    _retrieval: Mapping[str, float] | None = None
    _seen: list[tuple[Generation, Sequence[str], float, Mapping[str, float]]] = field(default_factory=list)

    def of_retrieval(self, question: str, hits: Sequence[Hit]) -> float:
        self._retrieval = retrieval_signals(Reading(question, hits, self.confidence.setup.language)) if hits else None
        return self.confidence.of_retrieval(question, hits)

    def of_answer(self, question: str, hits: Sequence[Hit], context: Context, generation: Generation) -> float:
        language = self.confidence.setup.language
        self._seen.append(
            (
                generation,
                cited_documents(context, generation.text),
                support(context, generation, language),
                answer_signals(Reading(question, hits, language), context, generation),
            )
        )
        return self.confidence.of_answer(question, hits, context, generation)

    def take(self, label: Label, answer: Answer) -> Rehearsed:
        """What was noted during the ask that ended in ``answer``. Its attempts have the scores; a refusal's is 0."""
        scores = [each.confidence for each in answer.attempts if each.step == "read" and each.confidence is not None]
        replies = tuple(
            Reply(
                score=score,
                right=label.verdict(generation.text, documents),
                support=backing if score else 0.0,
                signals=signals,
            )
            for score, (generation, documents, backing, signals) in zip(scores, self._seen, strict=True)
        )
        rehearsed = Rehearsed(label=label, retrieval=self._retrieval, replies=replies)
        self._retrieval, self._seen = None, []
        return rehearsed


def rescored(model: ModelFile, half: Sequence[Rehearsed]) -> tuple[Rehearsed, ...]:
    """The same replies as ``model`` would score them, where its gate 1 lets the question pass at once."""

    def scored(each: Rehearsed) -> Rehearsed:
        if each.retrieval is None:
            return each
        if model.found(each.retrieval) < model.gate:
            return replace(each, replies=())
        scores = (model.right(each.retrieval, reply.signals, reply.support) for reply in each.replies)
        return replace(
            each, replies=tuple(replace(reply, score=score) for reply, score in zip(each.replies, scores, strict=True))
        )

    return tuple(map(scored, half))
