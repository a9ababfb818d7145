"""Fits the confidence models, chooses their thresholds, and measures them on held-out questions.

    python -m benchmarks.confidence_signals --data FOLDER --out results.json [--database local|testcontainers|DSN]
                                            [--model 200] [--write-default]

Half of the questions (SQuAD by whole articles, chunking_evaluation by corpus, NQ by question) fit the weights and
choose the thresholds; every number in the summary is of the other half. ``benchmarks.confidence_cases`` says what the
questions are and when an answer is right. The reader is the extractive one; ``--model`` puts so many held-out questions
to the small local model as well, which needs the extra ``llama``. Answerable and unanswerable questions are weighted to
equal totals.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.confidence_cases import SETS, Measured, cases, halves, ingest, measured
from benchmarks.confidence_certified import certificates
from benchmarks.database import add_argument, database
from benchmarks.datasets import data_folder
from benchmarks.machine import machine
from ragdiet import RAG, Quality
from ragdiet.confidence import LogisticConfidence
from ragdiet.confidence.fitting import Bools, Fit, Floats, area_under_risk, auroc, calibration_error, fit_both
from ragdiet.confidence.signals import ANSWER_SIGNALS, RETRIEVAL_SIGNALS, TOPIC_SIGNALS
from ragdiet.errors import MissingExtra
from ragdiet.generate import LlamaGenerator

FittedModel: TypeAlias = dict[str, tuple[Fit, tuple[str, ...]]]

GATE_LOSS = 0.025
"""Gate 1 may stop at most this share of the fit half's answerable questions."""
ACCEPT_RISK = 0.18
"""At most this share of the fit half's answers may be wrong, adversarial questions left out."""
ADVERSARIAL_WEIGHT = 2.0
"""Of SQuAD's questions where the models of the hits are fitted: those that nearly have an answer teach most."""


def main() -> None:
    options = _options()
    result = measure(data_folder(options.data), options.database, options.model)
    print(table(result))
    options.out.write_text(json.dumps(result, indent=1), "utf-8")
    if options.write_default:
        write_default(result)


def measure(data: Path, where: str, model: int) -> dict[str, Any]:
    """The fitted models and, as ``summary``, how they do on the held-out half."""
    if absent := [name for name in SETS if not (data / name / "queries.jsonl").exists()]:
        sys.exit(f"DATASET ABSENT: no {', '.join(absent)} in {data}: nothing was measured or written.")
    with database(where) as dsn, RAG.connect(dsn, quality=Quality.off()) as rag:
        rag.migrate()
        ingest(rag, data)
        rows = [row for case in cases(data) if (row := measured(rag, case))]
        result = evaluated(rows)
        summary = result["summary"]
        summary |= {
            "embedder": rag.space.model,
            "machine": machine(),
            "small_model": small_model(
                dsn, rows, fitted_model(rows), model, gate=summary["gate"], accept=summary["accept"]
            ),
        }
    return result


def write_default(result: dict[str, Any]) -> None:
    path = Path(str(files("ragdiet.confidence"))) / "default.json"
    path.write_text(json.dumps(_default(result), indent=1) + "\n", "utf-8")
    LogisticConfidence.load(path)
    print(f"wrote {path.name}: commit it with the numbers above")


def evaluated(rows: Sequence[Measured]) -> dict[str, Any]:
    kinds = np.array([row.case.kind for row in rows])
    answerable = np.array([row.case.answerable for row in rows])
    right = np.array([row.right for row in rows])
    library = np.char.startswith(kinds, "library")
    fitted = halves(rows)
    held_out = ~fitted & ~library
    weights = weights_of(rows)
    model = fitted_model(rows)
    first, second = scores(model, rows)

    natural = kinds != "on topic, unanswerable"
    gate = float(np.floor(np.quantile(first[fitted & answerable], GATE_LOSS) * 100) / 100)
    accept = _accept(second, right, fitted & natural & (first >= gate), weights)
    adversarial = held_out & np.char.startswith(kinds, "on topic")
    off_corpus = held_out & ((kinds == "on topic") | (kinds == "off corpus: search query"))
    cosine = np.nan_to_num(np.array([row.retrieval[RETRIEVAL_SIGNALS.index("best_cosine")] for row in rows]))

    def at(threshold: float, rows: Bools) -> dict[str, float]:
        given = rows & (first >= gate) & (second >= threshold)
        return {
            "accept": threshold,
            "answers_wrong": _share(~right, given & natural, weights),
            "answers_wrong_to_answerable": _share(~right, given & answerable, weights),
            "answers_wrong_with_adversarial": _share(~right, given, weights),
            "answerable_answered": _share(given, rows & answerable, weights),
            "adversarial_answered": _share(given, rows & ~natural, weights),
            "other_unanswerable_answered": _share(given, rows & natural & ~answerable, weights),
        }

    def areas(among: Bools) -> dict[str, float]:
        each = {"best_cosine": cosine, "answer": second, "oracle": right.astype(np.float64)}
        return {name: area_under_risk(values[among], right[among], weights[among]) for name, values in each.items()}

    stopped = first < max(gate, accept)  # as LogisticConfidence has it
    passed = np.where(first < gate, 0.0, second)
    summary = {
        "questions": {"fit": int(fitted.sum()), "held_out": int(held_out.sum())},
        "auroc": {
            "on_topic": {
                "best_cosine": auroc(cosine[adversarial], answerable[adversarial]),
                "retrieval": auroc(first[adversarial], answerable[adversarial]),
                "answer": auroc(second[adversarial], answerable[adversarial]),
                "answer_right": auroc(second[adversarial], right[adversarial]),
            },
            "off_corpus": {
                "best_cosine": auroc(cosine[off_corpus], answerable[off_corpus]),
                "retrieval": auroc(first[off_corpus], answerable[off_corpus]),
            },
            "right_over_mixture": {
                "best_cosine": auroc(cosine[held_out], right[held_out]),
                "answer": auroc(second[held_out], right[held_out]),
            },
        },
        "area_under_risk_coverage": {
            "mixture": areas(held_out),
            "answerable": areas(held_out & answerable),
        },
        "calibration_error": {
            "retrieval": calibration_error(first[held_out], answerable[held_out], weights[held_out]),
            "answer": calibration_error(second[held_out], right[held_out], weights[held_out]),
        },
        "gate": gate,
        "accept": accept,
        "gate_stops": {
            kind: float(stopped[held_out & (kinds == kind)].mean()) for kind in sorted(set(kinds[held_out]))
        },
        "answerable_stopped_by_gate": float(stopped[held_out & answerable].mean()),
        "unanswerable_without_generation": float(stopped[held_out & ~answerable].mean()),
        "risk_and_coverage": [at(t, held_out) for t in sorted({accept, 0.3, 0.4, 0.5, 0.6, 0.7})],
        "certified": {
            "answerable": certificates(passed, right, fitted & answerable, held_out & answerable),
            "mixture": certificates(passed, right, fitted, held_out),
        },
        "standard_library": at(accept, library),
    }
    return {
        "summary": summary,
        "model": {name: fit.terms(names) for name, (fit, names) in model.items()},
        "library": [
            {
                "question": row.case.question,
                "answerable": row.case.answerable,
                "right": row.right,
                "retrieval": round(float(one), 3),
                "answer": round(float(two), 3),
            }
            for row, one, two in zip(rows, first, second, strict=True)
            if row.case.kind.startswith("library")
        ],
    }


def weights_of(rows: Sequence[Measured]) -> Floats:
    """Answerable and unanswerable questions get equal totals, the standard library's left out of the count."""
    answerable = np.array([row.case.answerable for row in rows])
    counted = np.array([not row.case.kind.startswith("library") for row in rows])
    return np.asarray(np.where(answerable, 0.5 / answerable[counted].mean(), 0.5 / (~answerable[counted]).mean()))


def fitted_model(rows: Sequence[Measured]) -> FittedModel:
    """Of the fit half. ``topic`` begins as what tells corpora apart, ``said`` as what tells SQuAD's questions apart;
    then both are fitted together."""
    fitted, weights = halves(rows), weights_of(rows)
    kinds = np.array([row.case.kind for row in rows])
    answerable = np.array([row.case.answerable for row in rows])
    right = np.array([row.right for row in rows])
    retrieval, answer = np.array([row.retrieval for row in rows]), np.array([row.answer for row in rows])
    topic = retrieval[:, [RETRIEVAL_SIGNALS.index(name) for name in TOPIC_SIGNALS]]
    foreign, on_topic = np.char.startswith(kinds, "off corpus"), fitted & np.char.startswith(kinds, "on topic")
    taught = weights * np.where(on_topic, ADVERSARIAL_WEIGHT, 1.0)
    start = (
        Fit.to(topic[fitted], ~foreign[fitted], taught[fitted]),
        Fit.to(retrieval[on_topic], answerable[on_topic], taught[on_topic]),
    )
    both = fit_both((topic[fitted], retrieval[fitted]), answerable[fitted], taught[fitted], start=start)
    backed = fitted & (np.array([row.support for row in rows]) > 0)
    return {
        "topic": (both[0], TOPIC_SIGNALS),
        "said": (both[1], RETRIEVAL_SIGNALS),
        "answer": (Fit.to(answer[backed], right[backed], weights[backed]), ANSWER_SIGNALS),
    }


def scores(model: FittedModel, rows: Sequence[Measured]) -> tuple[Floats, Floats]:
    """What gate 1 and gate 2 give each, as ``ModelFile`` does."""
    retrieval = np.array([row.retrieval for row in rows])
    topic = retrieval[:, [RETRIEVAL_SIGNALS.index(name) for name in TOPIC_SIGNALS]]
    first = model["topic"][0].chances(topic) * model["said"][0].chances(retrieval)
    second = np.minimum(first, model["answer"][0].chances(np.array([row.answer for row in rows])))
    return first, second * np.array([row.support for row in rows])


def small_model(
    dsn: str, rows: Sequence[Measured], model: FittedModel, number: int, *, gate: float, accept: float
) -> dict[str, Any]:
    """The same weights on the replies of SmolLM2 to some of the held-out questions, of which they saw none."""
    if not number:
        return {}
    try:
        generator = LlamaGenerator.smollm2()
    except MissingExtra as error:
        print(f"SMALL MODEL SKIPPED: {error}", file=sys.stderr)
        return {"skipped": str(error)}
    held_out = [row.case for row, fitted in zip(rows, halves(rows), strict=True) if not fitted]
    drawn = random.Random(11).sample(held_out, min(number, len(held_out)))
    with RAG.connect(dsn, quality=Quality.off(), models=[generator]) as rag:
        seen = [row for case in drawn if (row := measured(rag, case))]
    first, second = scores(model, seen)
    right = np.array([row.right for row in seen])
    given = (first >= gate) & (second >= accept)
    return {
        "model": generator.model,
        "questions": len(seen),
        "right": float(right.mean()),
        "with_a_source": float(np.mean([row.support > 0 for row in seen])),
        "accepted": float(given.mean()),
        "accepted_right": float(right[given].mean()) if given.any() else None,
        "right_over_mixture": auroc(second, right),
        "calibration_error": calibration_error(second, right),
        "area_under_risk_coverage": area_under_risk(second, right),
    }


def _accept(chance: Floats, right: Bools, rows: Bools, weights: Floats) -> float:
    """The least threshold, in hundredths, from which on the share of wrong answers stays within ACCEPT_RISK."""
    thresholds = [step / 100 for step in range(1, 95)]
    kept = [t for t in thresholds if _share(~right, rows & (chance >= t), weights) > ACCEPT_RISK]
    return round((kept[-1] if kept else 0.0) + 0.01, 2)


def _share(what: Bools, among: Bools, weights: Floats) -> float:
    total = weights[among].sum()
    return float(weights[among & what].sum() / total) if total else 0.0


def _default(result: dict[str, Any]) -> dict[str, Any]:
    summary = result["summary"]
    return {
        "made_for": {"models": ["local:extractive"], "prompt": "", "embedder": summary["embedder"]},
        **result["model"],
        "gate": summary["gate"],
        "accept": summary["accept"],
        "certified": False,
        "card": {
            "made_by": "python -m benchmarks.confidence_signals --write-default",
            "made_on": datetime.now(UTC).date().isoformat(),
            "data": "SQuAD v2 dev (8 articles), NQ open (1,020 questions with their gold passages), "
            "chunking_evaluation (3 corpora), and their questions put to each other's corpora",
            "reader": "local:extractive",
            "gate_rule": f"stops at most {GATE_LOSS:.1%} of the fit half's answerable questions",
            "accept_rule": f"at most {ACCEPT_RISK:.0%} of the fit half's answers wrong, SQuAD's adversarial questions "
            "left out; answerable and unanswerable questions weigh the same",
            "held_out": {
                name: value for name, value in summary.items() if name not in ("certified", "small_model", "machine")
            },
        },
    }


def table(result: dict[str, Any]) -> str:
    summary = result["summary"]
    lines = ["weights (log-odds a standard deviation)"]
    for part, model in result["model"].items():
        lines += [f"  {part:10} {name:20} {term['weight']:6.2f}" for name, term in model["terms"].items()]
    for task, each in summary["auroc"].items():
        lines.append(f"AUROC {task:20} " + "  ".join(f"{name} {value:.3f}" for name, value in each.items()))
    for among, each in summary["area_under_risk_coverage"].items():
        lines.append(f"area  {among:20} " + "  ".join(f"{name} {value:.3f}" for name, value in each.items()))
    errors = summary["calibration_error"]
    lines.append("ECE   " + "  ".join(f"{name} {error:.3f}" for name, error in errors.items()))
    lines.append("gate 1 stops: " + ", ".join(f"{k} {v:.1%}" for k, v in summary["gate_stops"].items()))
    lines.append(f"unanswerable questions that cost no generation: {summary['unanswerable_without_generation']:.1%}")
    rows = [*summary["risk_and_coverage"], summary["standard_library"]]
    lines.append("  ".join(rows[0]) + "   (the last row: the standard library's questions)")
    lines += ["  ".join(f"{value:{len(name)}.3f}" for name, value in row.items()) for row in rows]
    for among, certified in summary["certified"].items():
        for row in certified:
            lines.append(f"certified, {among}: " + "  ".join(f"{name} {value:g}" for name, value in row.items()))
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", help="the folder of the evaluation sets")
    add_argument(parser)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=int, default=100, help="held-out questions put to the small model; 0: none")
    parser.add_argument("--write-default", action="store_true", help="replace the model that comes with ragdiet")
    return parser.parse_args()


if __name__ == "__main__":
    main()
