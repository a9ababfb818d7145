"""Calibration on labelled questions: labels, what is fitted, what is certified, and what a model was made for."""

from __future__ import annotations

import json
import logging
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from ragdiet import RAG, Document, MemoryLedger
from ragdiet.certify import upper_bound
from ragdiet.cli import main
from ragdiet.confidence import Corpus, Label, LogisticConfidence, Rehearsal, Setup, calibrate, read_labels
from ragdiet.confidence.calibrate import FEWEST_LABELS, certified, fitted
from ragdiet.confidence.fitting import Fit, area_under_risk, auroc
from ragdiet.confidence.rehearsal import Rehearsed, Reply, rescored
from ragdiet.confidence.signals import ANSWER_SIGNALS, RETRIEVAL_SIGNALS
from ragdiet.errors import BadEncoding, InvalidArgument, SourceNotFound
from ragdiet.fallback import Chain, Step, confident, unlikely
from ragdiet.generate import ExtractiveReader
from ragdiet.terminal import calibrated_lines
from tests.test_ask import Scripted

BASE = LogisticConfidence.default().model
SETUP = Setup(models=("test:model",), prompt="p1", embedder=BASE.made_for.embedder)


# Labels


def test_a_label_says_what_is_right() -> None:
    gold = Label(question="How long is the notice?", answers=("the 30 days",))
    assert gold.verdict("It is 30 Days. [1]", ()) is True
    assert gold.verdict("It is 130 days. [1]", ()) is False
    assert Label(question="q", documents=("d1",)).verdict("as it says [1]", ("d1", "d2")) is True
    assert Label(question="q", documents=("d1",)).verdict("as it says [1]", ("d2",)) is False
    assert Label(question="q", answerable=False).verdict("anything [1]", ("d1",)) is False


def test_a_verdict_holds_for_the_reply_that_was_judged() -> None:
    judged = Label(question="q", right=True, reply="It is 30 days. [1]")
    assert judged.verdict("it is 30 days [2]", ()) is True
    assert judged.verdict("It is 31 days [1].", ()) is None
    assert Label(question="q", right=False).verdict("whatever", ()) is False
    assert judged.has_answer is True
    assert Label(question="q", right=False).has_answer is None  # a wrong answer does not say that there is none


def test_questions_of_a_group_are_in_one_half() -> None:
    halves = {Label(question=f"q{n}", answers=("a",), group="handbook").is_fitted_on for n in range(40)}
    assert len(halves) == 1
    alone = [Label(question=f"q{n}", answers=("a",)).is_fitted_on for n in range(400)]
    assert 150 < sum(alone) < 250


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "q"}, "must have one label"),
        ({"question": "q", "answerable": True}, "must have one label"),
        ({"question": "q", "answers": ["a"], "answerable": False}, "must have one label"),
        ({"question": "q", "answers": ["a"], "right": True}, "must have one label"),
        ({"question": " ", "answers": ["a"]}, "empty"),
        ({"question": 7, "answers": ["a"]}, "empty"),
        ({"question": "q", "right": "yes"}, "not true or false"),
        ({"question": "q", "answers": ["a"], "reply": "b"}, "no verdict"),
        ({"question": "q", "solution": "a"}, "no label has: solution"),
        ({"question": "q", "outcome": "answered"}, "must have one label"),
        ("q", "no label"),
    ],
)
def test_a_row_that_is_no_label_is_named(row: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"question": "fine", "answers": ["a"]}\n\n' + json.dumps(row))
    with pytest.raises(InvalidArgument, match=message) as caught:
        read_labels(path)
    assert "labels.jsonl, line 3" in str(caught.value)


def test_the_questions_of_an_evaluation_are_labels() -> None:
    first, second = read_labels(
        [{"id": "1", "question": "q", "answer": "a"}, {"question": "r", "outcome": "abstained"}]
    )
    assert (first.answers, second.answerable) == (("a",), False)


def test_labels_that_contradict_each_other_are_refused() -> None:
    rows = [{"question": "Is it?", "answers": ["yes"]}, {"question": "is  it?", "answerable": False}]
    with pytest.raises(InvalidArgument, match="contradict"):
        read_labels(rows)
    with pytest.raises(InvalidArgument, match="contradict"):
        read_labels([{"question": "q", "right": True}, {"question": "q", "right": False}])
    said_twice = [{"question": "q", "right": True, "reply": "a"}, {"question": "q", "right": False, "reply": "b"}]
    assert len(read_labels(said_twice)) == 2
    assert len(read_labels([rows[0], rows[0]])) == 1


def test_files_that_are_absent_broken_or_empty(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="check the path"):
        read_labels(tmp_path / "absent.jsonl")
    (tmp_path / "labels.jsonl").write_text("{")
    with pytest.raises(InvalidArgument, match="line 1 is not JSON"):
        read_labels(tmp_path / "labels.jsonl")
    (tmp_path / "labels.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(BadEncoding, match="UTF-8"):
        read_labels(tmp_path / "labels.jsonl")
    with pytest.raises(InvalidArgument, match="no labels"):
        read_labels([])


# The fit


def test_a_fit_finds_the_weights_that_made_the_labels() -> None:
    source = np.random.default_rng(3)
    signals = source.normal(size=(4_000, 3))
    labels = source.random(4_000) < 1 / (1 + np.exp(-(2 * signals[:, 0] - signals[:, 1] + 0.5)))
    fit = Fit.to(signals, labels)
    assert fit.beta == pytest.approx([2, -1, 0, 0.5], abs=0.15)
    assert auroc(fit.chances(signals), labels) > 0.85


def test_with_few_labels_a_fit_stays_near_the_model_it_began_from() -> None:
    prior = Fit(beta=np.array([1.0, -1.0, 0.0]), mean=np.zeros(2), scale=np.ones(2))
    signals, labels = np.array([[1.0, 1.0], [-1.0, -1.0]]), np.array([False, True])
    held = Fit.to(signals, labels, ridge=20.0, prior=prior)
    free = Fit.to(signals, labels, ridge=0.1)
    assert held.beta[0] > 0.9 > 0 > free.beta[0]


def test_signals_that_are_unknown_constant_or_tell_everything_do_not_break_a_fit() -> None:
    signals = np.array([[np.nan, 1.0, 0.0], [np.nan, 1.0, 1.0]] * 10)
    labels = np.array([False, True] * 10)
    fit = Fit.to(signals, labels)
    assert np.isfinite(fit.beta).all()
    assert fit.beta[:2] == pytest.approx([0, 0])
    assert fit.chances(signals)[1] > 0.7


def test_the_area_is_least_where_wrong_ones_score_least() -> None:
    right = np.array([True, True, False, False])
    best, worst = (area_under_risk(np.array(scores), right) for scores in ([4.0, 3, 2, 1], [1.0, 2, 3, 4]))
    assert best == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert worst == pytest.approx((1 + 1 + 2 / 3 + 1 / 2) / 4)


# Calibration


def rehearsed(number: int, source: random.Random, *, noise: float = 0.0, kind: str = "") -> Rehearsed:
    """A question whose cosine tells whether its answer is right, but for ``noise``."""
    good = kind == "right" or (not kind and source.random() < 0.6)
    shown = not good if source.random() < noise else good
    cosine = source.uniform(0.6, 0.9) if shown else source.uniform(0.1, 0.4)
    gold: dict[str, object] = {"answers": ("a",)} if good else {"answerable": False}
    signals = {
        name: cosine if name == "best_cosine" else float("nan") for name in (*RETRIEVAL_SIGNALS, *ANSWER_SIGNALS)
    }
    reply = Reply(score=0.0, right=good, support=1.0, signals=signals)
    label = Label(question=f"question {number}", **gold)  # type: ignore[arg-type]
    return rescored(BASE, [Rehearsed(label=label, retrieval=signals, replies=(reply,))])[0]


def halves(number: int, seed: int = 1, **traits: object) -> tuple[list[Rehearsed], list[Rehearsed]]:
    source = random.Random(seed)
    made = [rehearsed(n, source, **traits) for n in range(number)]  # type: ignore[arg-type]
    fit = [each for each in made if each.label.is_fitted_on]
    return fit, [each for each in made if not each.label.is_fitted_on]


def test_labels_that_suffice_are_certified_at_their_alpha() -> None:
    fit, other = halves(600, noise=0.02)
    model = fitted(BASE, fit, SETUP)
    done = certified(BASE, model, fit, rescored(model, other), alpha=0.05, delta=0.1)
    assert done.certified
    assert done.confidence.certified
    assert done.confidence.accept != BASE.accept
    assert done.bound <= 0.05
    assert done.bound == pytest.approx(upper_bound(done.wrong, done.answered, 0.1))
    assert done.coverage > 0.5
    assert sum(each.replies for each in done.bins) == sum(len(each.replies) for each in rescored(model, other))
    assert done.calibration_error < 0.1
    assert "certified: of the answers" in calibrated_lines(done)
    assert "<circle" in done._repr_html_()


def test_answers_that_are_wrong_at_every_score_are_not_certified() -> None:
    fit, other = halves(600, noise=0.5)
    done = certified(BASE, fitted(BASE, fit, SETUP), fit, other, alpha=0.05, delta=0.1)
    assert not done.certified
    assert "at no threshold" in done.reason
    assert done.confidence.model is BASE
    assert "not certified" in calibrated_lines(done)
    assert "not certified" in done._repr_html_()


@pytest.mark.parametrize(("kind", "message"), [("right", "are right: add questions"), ("wrong", "are wrong: add")])
def test_labels_of_one_class_certify_nothing(kind: str, message: str) -> None:
    fit, other = halves(300, kind=kind)
    model = fitted(BASE, fit, SETUP)
    assert (model.answer, model.gate) == (BASE.answer, BASE.gate)
    done = certified(BASE, model, fit, other, alpha=0.05, delta=0.1)
    assert not done.certified
    assert message in done.reason


def test_replies_without_a_verdict_are_left_out() -> None:
    fit, other = (
        [replace(each, replies=tuple(replace(reply, right=None) for reply in each.replies)) for each in half]
        for half in halves(300)
    )
    done = certified(BASE, fitted(BASE, fit, SETUP), fit, other, alpha=0.05, delta=0.1)
    assert "judge what it says now" in done.reason
    assert (done.answered, done.questions) == (0, len(other) - done.without_verdict)
    assert done.without_verdict > 0
    assert f"{done.without_verdict:,} answered in other words" in calibrated_lines(done)


def test_twenty_labels_are_too_few_and_cost_nothing() -> None:
    def never(_: str) -> object:
        raise AssertionError("asked")

    labels = read_labels([{"question": f"q{n}", "answers": ["a"]} for n in range(20)])
    rehearsal = Rehearsal(LogisticConfidence.default(), gate=0.0)
    done = calibrate(labels, rehearsal, never, SETUP, alpha=0.05, delta=0.1)  # type: ignore[arg-type]
    assert not done.certified
    assert f"give {FEWEST_LABELS} or more" in done.reason
    assert done.confidence.model is BASE


@pytest.mark.parametrize(("alpha", "delta"), [(0, 0.1), (1, 0.1), (0.05, 0), (0.05, 5)])
def test_shares_that_are_none_are_refused(alpha: float, delta: float) -> None:
    rehearsal = Rehearsal(LogisticConfidence.default(), gate=0.0)
    with pytest.raises(InvalidArgument, match="give a share"):
        calibrate((), rehearsal, lambda _: None, SETUP, alpha=alpha, delta=delta)  # type: ignore[arg-type, return-value]


def test_of_a_chain_the_first_reply_that_passes_is_the_answer() -> None:
    first, second = (
        Reply(score=score, right=right, support=1.0, signals={}) for score, right in ((0.5, False), (0.8, True))
    )
    chain = Rehearsed(label=Label(question="q", answers=("a",)), retrieval=None, replies=(first, second))
    assert chain.given(0.4) is first
    assert chain.given(0.6) is second
    assert chain.given(0.9) is None


def test_the_true_risk_exceeds_alpha_in_at_most_delta_of_the_calibrations() -> None:
    """60 certificates from 300 labels each, drawn from a population of which the risk is known."""
    _, population = halves(2_000, seed=7, noise=0.06)
    fit, _ = halves(300, seed=8, noise=0.06)
    model = fitted(BASE, fit, SETUP)
    everything = rescored(model, population)
    source = random.Random(9)
    broken = certificates = 0
    for _ in range(60):
        done = certified(BASE, model, fit, source.choices(everything, k=300), alpha=0.1, delta=0.1)
        if done.certified:
            certificates += 1
            answers = [each.given(done.confidence.accept) for each in everything]
            given = [reply.right for reply in answers if reply]
            broken += given.count(False) / len(given) > 0.1
    assert certificates > 20
    assert broken <= 6


# What a model was made for


def made(**changes: object) -> LogisticConfidence:
    setup = SETUP.model_copy(update={"corpus": Corpus(tenant="", collection="docs", version=3, chunks=1_200)})
    return LogisticConfidence(BASE.model_copy(update={"made_for": setup, "certified": True, **changes}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"models": ("other:model",)}, "models ('test:model',) then, ('other:model',) now"),
        ({"prompt": "p2"}, "prompt 'p1' then, 'p2' now"),
        ({"embedder": "other:space"}, "embedder"),
        ({"language": "german"}, "language 'english' then, 'german' now"),
    ],
)
def test_a_calibration_of_another_setup_is_certified_no_more(
    change: dict[str, object], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    now = SETUP.model_copy(update=change)
    with caplog.at_level(logging.WARNING, "ragdiet.confidence"):
        moved = made().judging(now)
    assert said in moved.moved()[0]
    assert not moved.certified
    assert made().certified
    assert [record.message for record in caplog.records] == [
        f"the confidence model is no longer certified: {moved.moved()[0]}. Make it anew with rag.calibrate"
    ]


def test_the_same_setup_keeps_its_certificate_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    assert made().judging(SETUP).certified
    assert made().judging(SETUP).moved() == ()
    assert not caplog.records


def test_a_collection_that_has_changed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    now = Corpus(tenant="", collection="docs", version=4, chunks=1_300)
    (told,) = made().moved(SETUP.model_copy(update={"corpus": now}))
    assert told == "collection 'docs' has changed: 1,200 chunks then, 1,300 now"
    (told,) = made().moved(SETUP.model_copy(update={"corpus": replace_collection(now, "other")}))
    assert told == "made for the collection 'docs', not for 'other'"
    assert made().judging(SETUP.model_copy(update={"corpus": now})).certified
    assert "was certified for other data: collection 'docs' has changed" in caplog.text


def replace_collection(corpus: Corpus, name: str) -> Corpus:
    return corpus.model_copy(update={"collection": name})


def test_a_saved_model_is_loaded_as_it_was(tmp_path: Path) -> None:
    made().save(tmp_path / "model.json")
    again = LogisticConfidence.load(tmp_path / "model.json")
    assert again.model == made().model
    assert again.certified


# The door

COLOURS = ("amber", "beige", "coral", "denim", "ebony", "fawn", "green", "hazel", "ivory", "jade")
THINGS = ("lamp", "kettle", "ladder", "basket", "anvil", "pulley", "bucket", "hammer", "spade", "barrow")


def catalogue() -> list[Document]:
    return [
        Document(f"{colour}-{thing}", f"The {colour} {thing} costs {n * 10 + m + 100} crowns in the catalogue.")
        for n, colour in enumerate(COLOURS)
        for m, thing in enumerate(THINGS)
    ]


def questions() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"question": f"How many crowns does the {colour} {thing} cost?", "documents": [f"{colour}-{thing}"]}
        for colour in COLOURS
        for thing in THINGS
    ]
    foreign = ("vitamins", "verbs", "planets", "treaties", "proteins", "sonatas", "glaciers", "neutrons", "fossils")
    rows += [
        {"question": f"Which {what} did the {who} discover in Iceland?", "answerable": False}
        for what in foreign
        for who in ("bishop", "admiral", "botanist", "senate")
    ]
    return rows


def test_calibration_from_questions_to_a_rag_that_uses_it(
    rag: RAG, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rag.migrate()
    rag.ingest(catalogue())
    done = rag.calibrate(questions(), alpha=0.2)
    assert done.certified, done.reason
    assert done.fitted_on + done.questions == len(questions())
    assert done.coverage > 0.3
    assert done.bound <= 0.2
    assert not rag.confidence.certified  # type: ignore[attr-defined]
    assert sum(row.asks for row in rag.costs(by="outcome")) >= len(questions())
    # Of a rehearsal no reply is accepted: it is no failure, and no sign of how the next ask will go.
    assert rag.failures.list(state=None) == ()
    assert rag.ledger.past(collection="default", tenant="") == ()  # type: ignore[attr-defined]

    done.save(tmp_path / "own.json")
    own = LogisticConfidence.load(tmp_path / "own.json")
    with RAG(rag.store, embedder=rag.embedder, confidence=own) as other:
        other._owned = []
        assert other.confidence.certified  # type: ignore[attr-defined]
        assert other.confidence_moved() == ()
        answer = other.ask("How many crowns does the coral anvil cost?")
        assert (answer.outcome, answer.confidence >= own.accept) == ("answered", True)
        assert not caplog.records
        rag.ingest([Document("new", "The catalogue is printed in spring.")])
        assert other.confidence_moved() == ("collection 'default' has changed: 100 chunks then, 101 now",)
    with RAG(rag.store, embedder=rag.embedder, confidence=own, system="Be brief.") as moved:
        moved._owned = []
        assert not moved.confidence.certified  # type: ignore[attr-defined]
        assert "prompt" in moved.confidence_moved()[0]
    assert "no longer certified" in caplog.text


def test_every_model_is_rehearsed_though_a_refusal_of_the_first_would_be_believed(rag: RAG) -> None:
    rag.ingest(catalogue()[:20])
    first, second = Scripted("first", "NOT FOUND"), Scripted("second", "NOT FOUND")
    with RAG(rag.store, embedder=rag.embedder, models=[first, second], ledger=MemoryLedger()) as other:
        other._owned = []
        assert all(str(step.declines) == str(unlikely()) for step in other.chain.steps if isinstance(step, Step))
        other.calibrate(questions())
    assert len(first.prompts) == len(second.prompts) >= 100


@pytest.mark.parametrize("rule", [{"accept": confident(0.3)}, {"declines": unlikely(0.3)}])
def test_a_chain_with_rules_of_its_own_cannot_be_calibrated(rag: RAG, rule: dict[str, Any]) -> None:
    chain = Chain([Step(ExtractiveReader(), **rule)])
    with RAG(rag.store, embedder=rag.embedder, chain=chain) as other:
        other._owned = []
        with pytest.raises(InvalidArgument, match="rule of its own"):
            other.calibrate(questions())


def test_another_kind_of_confidence_cannot_be_calibrated(rag: RAG) -> None:
    class Sure:
        gate = accept = 0.0

        def of_retrieval(self, question: str, hits: object) -> float:
            return 1.0

        def of_answer(self, question: str, hits: object, context: object, generation: object) -> float:
            return 1.0

    with RAG(rag.store, embedder=rag.embedder, confidence=Sure()) as other:
        other._owned = []
        assert other.confidence_moved() == ()
        with pytest.raises(InvalidArgument, match="LogisticConfidence"):
            other.calibrate(questions())


def test_the_command_writes_a_model_only_where_it_is_certified(dsn: str, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(json.dumps(row) + "\n" for row in questions()[:20]))
    arguments = ["--database", dsn, "calibrate", str(labels), "--save", str(tmp_path / "own.json")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1, result.output
    assert "20 labels are too few" in result.output
    assert not (tmp_path / "own.json").exists()
    result = CliRunner().invoke(main, ["--database", dsn, "calibrate", str(tmp_path / "absent.jsonl")])
    assert result.exit_code == 1
    assert "no labels at" in result.output
