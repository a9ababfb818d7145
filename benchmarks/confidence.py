"""Fits the two confidence models, chooses their thresholds, and measures them on held-out questions.

    python -m benchmarks.confidence --data FOLDER --out results.json [--database local|testcontainers|DSN]
                                    [--write-default]

Half of the questions (SQuAD by whole articles, chunking_evaluation by corpus, NQ by question) fit the
weights and choose the thresholds; every number in the summary is of the other half. An answer is right
when it holds a gold answer (SQuAD's normalisation) or a sentence of the gold excerpt; any answer to a
question without one is wrong. The reader is the extractive one. Answerable and unanswerable questions
are weighted to equal totals.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import string
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.database import add_argument, database
from benchmarks.datasets import data_folder, judgements, read_lines
from benchmarks.library_questions import QUESTIONS
from benchmarks.logistic import Bools, Floats, Logistic, auroc, calibration_error
from benchmarks.machine import machine
from ragdiet import RAG, Document, Quality
from ragdiet.confidence import LogisticConfidence
from ragdiet.confidence.signals import (
    ANSWER_SIGNALS,
    RETRIEVAL_SIGNALS,
    Reading,
    answer_signals,
    retrieval_signals,
    support,
)
from ragdiet.demo import standard_library
from ragdiet.types import Hits

SETS = ("squad_v2", "nq_lost_in_the_middle", "chunking_evaluation")
SQUAD, NQ, EXCERPTS = SETS
LIBRARY = "standard_library"
HITS = 10
BUDGET = 600
GATE_LOSS = 0.025
"""Gate 1 may stop at most this share of the fit half's answerable questions."""
ACCEPT_RISK = 0.18
"""At most this share of the fit half's answers may be wrong, adversarial questions left out."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A question put to a collection. ``unit`` decides its half; ``hidden`` is a document taken from its hits."""

    kind: str
    unit: str
    question: str
    collection: str
    answers: tuple[str, ...] = ()
    excerpts: tuple[tuple[int, int], ...] = ()
    pattern: str = ""
    hidden: str = ""

    @property
    def answerable(self) -> bool:
        return bool(self.answers or self.excerpts or self.pattern) and not self.hidden


@dataclass(frozen=True, kw_only=True)
class Measured:
    case: Case
    right: bool
    retrieval: Floats
    answer: Floats
    support: float


def cases(data: Path) -> Iterator[Case]:
    """On-topic questions with and without an answer, questions whose gold passage is hidden, and
    questions put to a corpus about something else."""
    squad, nq, excerpts = (list(read_lines(data / name / "queries.jsonl")) for name in SETS)
    for row in squad:
        answers = tuple(row["answers"]) if row["answerable"] else ()
        kind = "on topic" if answers else "on topic, unanswerable"
        yield Case(kind=kind, unit=row["article"], question=row["text"], collection=SQUAD, answers=answers)
    gold = judgements(data / NQ)
    for row in nq:
        unit, question, answers = row["id"], row["text"], tuple(row["answers"])
        yield Case(kind="search query", unit=unit, question=question, collection=NQ, answers=answers)
        (hidden,) = gold[unit]
        yield Case(kind="gold hidden", unit=unit, question=question, collection=NQ, answers=answers, hidden=hidden)
        yield Case(kind="off corpus: search query", unit=unit, question=question, collection=SQUAD)
    for row in excerpts:
        spans = tuple((span["start"], span["end"]) for span in row["references"])
        unit, question = row["corpus"], row["text"]
        yield Case(kind="long document", unit=unit, question=question, collection=EXCERPTS, excerpts=spans)
        for other in (SQUAD, LIBRARY):
            yield Case(kind="off corpus: long document", unit=unit, question=question, collection=other)
    for row in squad[::6]:
        for other in (EXCERPTS, LIBRARY):
            yield Case(kind="off corpus: encyclopedia", unit=row["article"], question=row["text"], collection=other)
    for row in nq[::3]:
        yield Case(kind="off corpus: search query", unit=row["id"], question=row["text"], collection=LIBRARY)
    for question, pattern in QUESTIONS:
        kind = "library" if pattern else "library, unanswerable"
        yield Case(kind=kind, unit=question, question=question, collection=LIBRARY, pattern=pattern or "")


def ingest(rag: RAG, data: Path) -> None:
    for name in SETS:
        rows = read_lines(data / name / "corpus.jsonl.gz")
        rag.ingest((Document(row["id"], row["text"], row["title"]) for row in rows), collection=name)
    rag.ingest(list(standard_library()), collection=LIBRARY)


def measured(rag: RAG, case: Case) -> Measured | None:
    """None for a question whose gold passage is hidden, but whose answer other passages hold."""
    hits = rag.retrieve(case.question, HITS + bool(case.hidden), collection=case.collection)
    hits = Hits([hit for hit in hits if hit.document_id != case.hidden][:HITS])
    if case.hidden and any(holds(hit.text, case.answers) for hit in hits):
        return None
    context = rag.compress(case.question, hits, BUDGET)
    generation = rag.generate(case.question, context)
    reading = Reading(case.question, hits)
    retrieval = retrieval_signals(reading)
    answer = answer_signals(reading, context, generation)
    if case.excerpts:
        said = " ".join(generation.text.split())
        right = any(
            sentence.document_id == case.unit and sentence.start < end and start < sentence.end
            for sentence in context.kept
            if " ".join(sentence.text.split()) in said
            for start, end in case.excerpts
        )
    elif case.pattern:
        right = re.search(case.pattern, generation.text) is not None
    else:
        right = case.answerable and holds(generation.text, case.answers)
    return Measured(
        case=case,
        right=right,
        retrieval=np.array([retrieval[name] for name in RETRIEVAL_SIGNALS]),
        answer=np.array([answer[name] for name in ANSWER_SIGNALS]),
        support=support(context, generation),
    )


def holds(text: str, answers: Iterable[str]) -> bool:
    """Whether a gold answer stands in the text as whole words, both normalised as SQuAD's evaluation does:
    lower case, without punctuation and articles."""
    words = f" {_normalised(text)} "
    return any(f" {_normalised(answer)} " in words for answer in answers)


def _normalised(text: str) -> str:
    bare = re.sub(r"\[\d+\]", " ", text).lower().translate(str.maketrans("", "", string.punctuation))
    return " ".join(re.sub(r"\b(?:a|an|the)\b", " ", bare).split())


def halves(rows: Sequence[Measured]) -> Bools:
    """True where a row belongs to the fit half."""
    articles = sorted({row.case.unit for row in rows if row.case.kind.startswith("on topic")})
    fit_articles = set(articles[::2])

    def fits(case: Case) -> bool:
        if case.unit in articles:
            return case.unit in fit_articles
        if case.kind.endswith("long document"):
            return case.unit != "finance"
        return bool(hashlib.blake2b(case.unit.encode()).digest()[0] % 2)

    return np.array([fits(row.case) and not row.case.kind.startswith("library") for row in rows])


def main() -> None:
    options = _options()
    data = data_folder(options.data)
    if absent := [name for name in SETS if not (data / name / "queries.jsonl").exists()]:
        sys.exit(f"DATASET ABSENT: no {', '.join(absent)} in {data}: nothing was measured or written.")
    with database(options.database) as dsn, RAG.connect(dsn, quality=Quality.off()) as rag:
        rag.migrate()
        ingest(rag, data)
        rows = [row for case in cases(data) if (row := measured(rag, case))]
        model = rag.space.model
    result = evaluated(rows)
    result["summary"] |= {"embedder": model, "machine": machine()}
    print(table(result))
    options.out.write_text(json.dumps(result, indent=1), "utf-8")
    if options.write_default:
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
    weights = np.where(answerable, 0.5 / answerable[~library].mean(), 0.5 / (~answerable[~library]).mean())
    retrieval, answer = np.array([row.retrieval for row in rows]), np.array([row.answer for row in rows])

    models = {
        "retrieval": Logistic.fit(retrieval[fitted], answerable[fitted], weights[fitted]),
        "answer": Logistic.fit(answer[fitted], right[fitted], weights[fitted]),
    }
    first = models["retrieval"].chances(retrieval)
    second = np.minimum(first, models["answer"].chances(answer)) * np.array([row.support for row in rows])
    natural = kinds != "on topic, unanswerable"
    gate = float(np.floor(np.quantile(first[fitted & answerable], GATE_LOSS) * 100) / 100)
    accept = _accept(second, right, fitted & natural & (first >= gate), weights)

    adversarial = held_out & (answerable | ~natural) & np.char.startswith(kinds, "on topic")
    off_corpus = held_out & ((kinds == "on topic") | (kinds == "off corpus: search query"))
    cosine = np.nan_to_num(retrieval[:, RETRIEVAL_SIGNALS.index("best_cosine")])

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
        "calibration_error": {
            "retrieval": calibration_error(first[held_out], answerable[held_out], weights[held_out]),
            "answer": calibration_error(second[held_out], right[held_out], weights[held_out]),
        },
        "gate": gate,
        "accept": accept,
        "gate_stops": {
            kind: float((first[held_out & (kinds == kind)] < gate).mean()) for kind in sorted(set(kinds[held_out]))
        },
        "answerable_stopped_by_gate": float((first[held_out & answerable] < gate).mean()),
        "risk_and_coverage": [at(t, held_out) for t in sorted({accept, 0.3, 0.4, 0.5, 0.6, 0.7})],
        "standard_library": at(accept, library),
    }
    return {
        "summary": summary,
        "model": {
            "retrieval": models["retrieval"].terms(RETRIEVAL_SIGNALS),
            "answer": models["answer"].terms(ANSWER_SIGNALS),
        },
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
        "embedder": summary["embedder"],
        **result["model"],
        "gate": summary["gate"],
        "accept": summary["accept"],
        "certified": False,
        "card": {
            "made_by": "python -m benchmarks.confidence --write-default",
            "data": "SQuAD v2 dev (8 articles), NQ open (1,020 questions with their gold passages), "
            "chunking_evaluation (3 corpora), and their questions put to each other's corpora",
            "reader": "local:extractive",
            "gate_rule": f"stops at most {GATE_LOSS:.1%} of the fit half's answerable questions",
            "accept_rule": f"at most {ACCEPT_RISK:.0%} of the fit half's answers wrong, SQuAD's adversarial questions "
            "left out; answerable and unanswerable questions weigh the same",
            "held_out": summary,
        },
    }


def table(result: dict[str, Any]) -> str:
    summary = result["summary"]
    lines = ["weights (log-odds a standard deviation)"]
    for gate, model in result["model"].items():
        lines += [f"  {gate:10} {name:20} {term['weight']:6.2f}" for name, term in model["terms"].items()]
    for task, scores in summary["auroc"].items():
        lines.append(f"AUROC {task:20} " + "  ".join(f"{name} {score:.3f}" for name, score in scores.items()))
    errors = summary["calibration_error"]
    lines.append("ECE   " + "  ".join(f"{name} {error:.3f}" for name, error in errors.items()))
    lines.append(
        f"gate {summary['gate']} stops: " + ", ".join(f"{k} {v:.1%}" for k, v in summary["gate_stops"].items())
    )
    rows = [*summary["risk_and_coverage"], summary["standard_library"]]
    lines.append("  ".join(rows[0]) + "   (the last row: the standard library's questions)")
    lines += ["  ".join(f"{value:{len(name)}.3f}" for name, value in row.items()) for row in rows]
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", help="the folder of the evaluation sets")
    add_argument(parser)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--write-default", action="store_true", help="replace the model that comes with ragdiet")
    return parser.parse_args()


if __name__ == "__main__":
    main()
