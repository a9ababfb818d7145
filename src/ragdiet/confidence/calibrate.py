"""From labelled questions to a model of one's own: weights from one half, a proven threshold from the other.

The certificate is on the whole policy, as it was run: the searches, both gates, each model of the chain. Guards that
would yet have stopped a reply are left out, and can only make fewer answers of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ragdiet.certify import Certified, certify_outcomes, check_share, upper_bound, worth_a_test
from ragdiet.confidence.fitting import Bools, Fit, Floats, auroc, calibration_error, fit_both, moments
from ragdiet.confidence.logistic import LogisticConfidence
from ragdiet.confidence.model import Logistic, ModelFile, Setup
from ragdiet.confidence.rehearsal import Rehearsal, Rehearsed, Reply, rescored
from ragdiet.confidence.signals import ANSWER_SIGNALS, COSINE_SIGNALS, RETRIEVAL_SIGNALS, TOPIC_SIGNALS

if TYPE_CHECKING:
    import os

    from ragdiet.confidence.labels import Label
    from ragdiet.types import Answer


FEWEST_LABELS = 100
"""A half of fewer than 45 questions certifies nothing at alpha .05 and delta .1, be they all right."""
FEWEST_OF_A_KIND = 10
GATE_LOSS = 0.025
"""Gate 1 may stop at most this share of the fit half's questions that have an answer."""
_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Replies whose score lies in one tenth of [0, 1]: how many, their mean score, and the share that was right."""

    low: float
    high: float
    replies: int
    score: float
    right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What came of a calibration. ``confidence`` is the new model, or, with a ``reason`` why nothing could be
    certified, the one there was.

    All figures are of the ``questions`` of the certifying half: of these ``answered`` were, at ``confidence.accept``,
    and ``wrong`` were wrong; with probability 1 - ``delta`` the share of wrong ones among answers to such questions
    is at most ``bound``, which is at most ``alpha``. ``without_verdict`` were answered in other words than the label
    has a verdict on. ``bins`` are the reliability diagram, ``auroc`` and ``calibration_error`` those of its scores.
    """

    confidence: LogisticConfidence
    reason: str
    alpha: float
    delta: float
    fitted_on: int
    questions: int
    answered: int
    wrong: int
    bound: float
    without_verdict: int
    auroc: float
    calibration_error: float
    bins: tuple[Bin, ...]
    cost: Decimal = Decimal(0)

    @property
    def certified(self) -> bool:
        return not self.reason

    @property
    def coverage(self) -> float:
        """Share of the questions that is answered."""
        return self.answered / self.questions if self.questions else 0.0

    @property
    def risk(self) -> float:
        """Share of the answers that is wrong."""
        return self.wrong / self.answered if self.answered else 0.0

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as ``LogisticConfidence.load`` reads it."""
        self.confidence.save(path)

    def _repr_html_(self) -> str:
        from ragdiet.display import calibrated_html

        return calibrated_html(self)


def calibrate(
    labels: Sequence[Label],
    rehearsal: Rehearsal,
    ask: Callable[[str], Answer],
    setup: Setup,
    *,
    alpha: float,
    delta: float,
) -> Calibrated:
    """Ask every question, of ``setup``, with ``rehearsal`` as the model of confidence: those of the fit half with both
    gates open, then the others with the gates that came of them."""
    check_share("alpha", alpha)
    check_share("delta", delta)
    base = rehearsal.confidence.model
    if len(labels) < FEWEST_LABELS:
        reason = f"{len(labels)} labels are too few: give {FEWEST_LABELS} or more"
        return _report(base, base, setup, None, reason, 0, (), alpha, delta)
    cost = Decimal(0)
    halves: list[list[Rehearsed]] = []
    model = base
    for is_fitted_on in (True, False):
        halves.append([])
        for label in labels:
            if label.is_fitted_on is is_fitted_on:
                answer = ask(label.question)
                cost += answer.cost
                halves[-1].append(rehearsal.take(label, answer))
        if is_fitted_on:
            model = fitted(base, halves[0], setup)
            rehearsal.confidence, rehearsal.gate = LogisticConfidence(model), model.gate
    return replace(certified(base, model, *halves, alpha=alpha, delta=delta), cost=cost)


def fitted(base: ModelFile, half: Sequence[Rehearsed], setup: Setup) -> ModelFile:
    """``base`` with the weights and the gate that the fit half speaks for; those of the hits with the gate, and those
    of replies, as they were where the half has fewer than FEWEST_OF_A_KIND of either kind."""
    update: dict[str, Any] = {"made_for": setup, "certified": False}
    known = [each for each in half if each.retrieval is not None and each.label.has_answer is not None]
    answerable = np.array([bool(each.label.has_answer) for each in known], dtype=bool)
    foreign = setup.embedder != base.made_for.embedder
    if _tells(answerable):
        rows = [each.retrieval or {} for each in known]
        topic, topic_prior = _begun(base.topic, TOPIC_SIGNALS, rows, foreign=foreign)
        said, said_prior = _begun(base.said, RETRIEVAL_SIGNALS, rows, foreign=foreign)
        priors = (topic_prior, said_prior)
        fits = fit_both((topic, said), answerable, start=priors, holds_to_start=True)
        chances = fits[0].chances(topic) * fits[1].chances(said)
        update["topic"] = Logistic.model_validate(fits[0].terms(TOPIC_SIGNALS))
        update["said"] = Logistic.model_validate(fits[1].terms(RETRIEVAL_SIGNALS))
        update["gate"] = float(np.floor(np.quantile(chances[answerable], GATE_LOSS) * 100) / 100)
    replies = _judged(half)
    right = np.array([bool(reply.right) for reply in replies], dtype=bool)
    if _tells(right):
        signals, prior = _begun(base.answer, ANSWER_SIGNALS, [reply.signals for reply in replies], foreign=foreign)
        fit = Fit.to(signals, right, prior=prior)
        update["answer"] = Logistic.model_validate(fit.terms(ANSWER_SIGNALS))
    return base.model_copy(update=update)


def certified(
    base: ModelFile,
    model: ModelFile,
    fit_half: Sequence[Rehearsed],
    other_half: Sequence[Rehearsed],
    *,
    alpha: float,
    delta: float,
) -> Calibrated:
    """The verdict on ``model``, of which the fit half says which thresholds are worth a test, and the other half which
    of them holds; else ``base`` goes on."""
    found = None
    if not (reason := _too_little(fit_half, other_half)):
        known = rescored(model, fit_half)
        scores = [reply.score for each in known for reply in each.replies]
        thresholds = worth_a_test(scores, partial(_verdicts, known), delta=delta)
        found = certify_outcomes(partial(_verdicts, other_half), alpha=alpha, delta=delta, thresholds=thresholds)
        if found is None:
            reason = (
                f"at no threshold are at most {alpha:.0%} of the answers wrong for certain: "
                "more labels, a better model, or a larger alpha may do"
            )
    return _report(base, model, model.made_for, found, reason, len(fit_half), other_half, alpha, delta)


def _report(
    base: ModelFile,
    model: ModelFile,
    setup: Setup,
    found: Certified | None,
    reason: str,
    fitted_on: int,
    half: Sequence[Rehearsed],
    alpha: float,
    delta: float,
) -> Calibrated:
    replies = _judged(half)
    scores = np.array([reply.score for reply in replies], dtype=np.float64)
    right = np.array([bool(reply.right) for reply in replies], dtype=bool)
    accept = found.threshold if found else base.accept
    verdicts = _verdicts(half, accept)
    silent = sum(answer is not None and answer.right is None for answer in (each.given(accept) for each in half))
    wrong = verdicts.count(False)
    figures: dict[str, Any] = {
        "alpha": alpha,
        "delta": delta,
        "fitted_on": fitted_on,
        "questions": len(half) - silent,
        "answered": len(verdicts),
        "wrong": wrong,
        "bound": found.bound if found else upper_bound(wrong, len(verdicts), delta),
        "without_verdict": silent,
        "auroc": auroc(scores, right) if len(right) else float("nan"),
        "calibration_error": calibration_error(scores, right) if len(right) else float("nan"),
    }
    kept = base
    if found:
        card = {"made_by": "rag.calibrate", "made_on": datetime.now(UTC).date().isoformat(), **_finite(figures)}
        kept = model.model_copy(update={"accept": found.threshold, "certified": True, "card": card})
    return Calibrated(
        confidence=LogisticConfidence(kept, setup=setup),
        reason=reason,
        bins=_bins(scores, right),
        **figures,
    )


def _begun(
    base: Logistic, names: Sequence[str], rows: Sequence[Mapping[str, float]], *, foreign: bool
) -> tuple[Floats, Fit]:
    """The rows' signals, and the model to begin from: its weights are in standard deviations, so that cosines of
    another embedder need but their own mean and scale."""
    signals = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    prior = base.as_fit(names)
    if foreign:
        own = [name in COSINE_SIGNALS for name in names]
        mean, scale = moments(signals)
        prior = replace(prior, mean=np.where(own, mean, prior.mean), scale=np.where(own, scale, prior.scale))
    return signals, prior


def _judged(half: Sequence[Rehearsed]) -> list[Reply]:
    """The replies that stand on a source, and have a verdict."""
    return [reply for each in half for reply in each.replies if reply.support and reply.right is not None]


def _tells(labels: Bools) -> bool:
    return bool(FEWEST_OF_A_KIND <= labels.sum() <= len(labels) - FEWEST_OF_A_KIND)


def _too_little(fit_half: Sequence[Rehearsed], other_half: Sequence[Rehearsed]) -> str:
    replies = _judged((*fit_half, *other_half))
    if not replies:
        return "no model replied in words that a label has a verdict on: judge what it says now"
    right = sum(bool(reply.right) for reply in replies)
    if right in (0, len(replies)):
        return (
            f"all {len(replies)} replies are {'right' if right else 'wrong'}: add questions that are answered "
            f"{'wrong, or have no answer' if right else 'right'}"
        )
    return ""


def _verdicts(half: Sequence[Rehearsed], accept: float) -> list[bool]:
    """Whether each answer is right that is given at this threshold."""
    found = [each.given(accept) for each in half]
    return [reply.right for reply in found if reply is not None and reply.right is not None]


def _bins(scores: Floats, right: Bools) -> tuple[Bin, ...]:
    place = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    return tuple(
        Bin(
            low=tenth / _BINS,
            high=(tenth + 1) / _BINS,
            replies=int((place == tenth).sum()),
            score=float(scores[place == tenth].mean()),
            right=float(right[place == tenth].mean()),
        )
        for tenth in range(_BINS)
        if (place == tenth).any()
    )


def _finite(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if value == value}
