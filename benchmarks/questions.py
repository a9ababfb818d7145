"""How often a question is met with choices that deserves none, and how often one that does.

    python -m benchmarks.questions --data FOLDER --out results.json [--database local|testcontainers|DSN]

False alarms: the questions of people to five sets, each asked of its own set's documents with the extractive reader,
to its end: an outcome of "clarify" is an alarm. Detection: questions made from the corpora (see
``benchmarks.questions_made``) that deserve choices, by the fault that is to be told, and beside them pairs of
questions that one document answers, which do not.

Thresholds are fitted on one half of all questions (by a hash of the question): those with the most detected of which
the fit half's alarms stay at or under 1% on each set. All figures are of the other half, with the thresholds in
``ragdiet.clarify``; ``fitted`` says which were chosen, ``grid`` among which.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import patch

from benchmarks.database import add_argument, database
from benchmarks.datasets import data_folder, read_lines
from benchmarks.machine import machine
from benchmarks.questions_made import made_questions
from benchmarks.report import Row, shown
from ragdiet import RAG, Document, Quality
from ragdiet.clarify import Clarifier, Signals, clarifier
from ragdiet.load import load
from ragdiet.types import Hit

SETS = ("squad_v2", "nq_lost_in_the_middle", "hotpotqa_distractor", "cranfield", "cacm")
CORPORA = (*SETS, "real_docs")
GOAL = 0.03
_FIT_ALARMS = 0.01
_GRID = {
    "MOST_MARGIN": (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.7, 1.0),
    "LEAST_RATIO": (0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8),
    "LEAST_APART": (-0.2, -0.1, -0.05, -0.02, 0.0, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3),
}

Thresholds: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question put to a corpus, and the fault that it has; "" for one of the set's own, "one document" for a pair
    that needs no parting. ``hits`` are what it found."""

    corpus: str
    question: str
    fault: str
    hits: Sequence[Hit]

    @property
    def is_fitted_on(self) -> bool:
        return fits(self.question)


class Remembering(Clarifier):
    """Reads each question and its hits once, for all thresholds."""

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[tuple[str, int], Signals] = {}

    def signals(self, question: str, hits: Sequence[Hit]) -> Signals:
        key = question, id(hits)
        if key not in self._read:
            self._read[key] = super().signals(question, hits)
        return self._read[key]


def fits(question: str) -> bool:
    """Whether a question is of the half that thresholds are fitted on."""
    return hashlib.sha256(question.encode()).digest()[0] % 2 == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seed", type=int, default=11)
    add_argument(parser)
    arguments = parser.parse_args()
    data = data_folder(arguments.data)
    with (
        database(arguments.database) as dsn,
        RAG.connect(dsn, quality=Quality.off()) as rag,
    ):
        rag.migrate()
        summary = measure(rag, data, arguments.seed)
    print(shown(summary))
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


def measure(rag: RAG, data: Path, seed: int) -> Row:
    cases: list[Case] = []
    alarms: list[Row] = []
    for name in CORPORA:
        documents = list(corpus(data, name))
        rag.ingest(documents, collection=name)
        own = list(questions(data, name))
        cases += [found(rag, name, question, "") for question in own]
        cases += [found(rag, name, *made) for made in made_questions(data, name, documents, seed)]
        if own:
            alarms.append(asked(rag, name, [question for question in own if not fits(question)]))
            print(alarms[-1], flush=True)
    held_out = [case for case in cases if not case.is_fitted_on]
    reader = Remembering()
    return {
        "false_alarms_at_most": GOAL,
        "met": all(row["share"] <= GOAL for row in alarms),
        "grid": {name: list(values) for name, values in _GRID.items()},
        "fitted": fitted([case for case in cases if case.is_fitted_on], reader),
        "in_use": {name: getattr(clarifier, name) for name in _GRID},
        "false_alarms": alarms,
        "detection": [
            {"deserves": fault, **rates([case for case in held_out if case.fault == fault], reader)}
            for fault in dict.fromkeys(case.fault for case in cases if case.fault)
        ],
    }


def corpus(data: Path, name: str) -> Iterator[Document]:
    if name == "real_docs":
        yield from load(data / name, rejected=lambda _: None)
    elif name == "hotpotqa_distractor":
        rows = (document for row in read_lines(data / name / "contexts.jsonl.gz") for document in row["docs"])
        for row in {row["title"]: row for row in rows}.values():
            yield Document(row["title"], "".join(row["sentences"]), row["title"])
    else:
        for row in read_lines(data / name / "corpus.jsonl.gz"):
            yield Document(row["id"], row["text"] or row["title"], row["title"])


def questions(data: Path, name: str) -> Iterator[str]:
    if name == "hotpotqa_distractor":
        yield from (row["question"] for row in read_lines(data / name / "contexts.jsonl.gz"))
    elif name in SETS:
        yield from (row["text"] for row in read_lines(data / name / "queries.jsonl"))


def found(rag: RAG, name: str, question: str, fault: str) -> Case:
    hits = rag.retrieve(question, collection=name) if any(map(str.isalnum, question)) else ()
    return Case(corpus=name, question=question, fault=fault, hits=hits)


def asked(rag: RAG, name: str, own: Iterable[str]) -> Row:
    """Asks every question to its end."""
    faults: Counter[str] = Counter()
    examples: list[str] = []
    number = 0
    for question in own:
        number += 1
        answer = rag.ask(question, collection=name)
        if answer.outcome == "clarify":
            faults[answer.attempts[-1].reason] += 1
            examples.append(f"{answer.attempts[-1].reason}: {question}")
    alarms = faults.total()
    return {
        "set": name,
        "questions": number,
        "alarms": alarms,
        "share": round(alarms / number, 4),
        **faults,
        "for_example": examples[:8],
    }


def told(case: Case, reader: Clarifier) -> str:
    """The fault that is seen in a question; "" for none."""
    seen = reader.clarification(case.question, case.hits)
    return seen.fault if seen else ""


def rates(cases: Sequence[Case], reader: Clarifier) -> dict[str, Any]:
    faults = [told(case, reader) for case in cases]
    return {
        "questions": len(cases),
        "met_with_choices": round(sum(map(bool, faults)) / max(1, len(cases)), 4),
        "for_the_right_reason": round(
            sum(fault == case.fault for fault, case in zip(faults, cases, strict=True)) / max(1, len(cases)), 4
        ),
    }


def fitted(cases: Sequence[Case], reader: Clarifier) -> dict[str, float]:
    """The thresholds, those of ambiguity and that of parting apart, as they do not touch."""
    best = {name: float(getattr(clarifier, name)) for name in _GRID}
    for fault, names in (("ambiguous", ("MOST_MARGIN", "LEAST_RATIO")), ("two in one", ("LEAST_APART",))):
        looked_at = [case for case in cases if case.fault in ("", "one document", fault)]
        tried = []
        for values in product(*(_GRID[name] for name in names)):
            thresholds = dict(zip(names, values, strict=True))
            detected, alarms = _tried(looked_at, fault, thresholds, reader)
            tried.append((alarms <= _FIT_ALARMS, detected, -alarms, thresholds))
        best |= max(tried, key=lambda one: one[:3])[3]
    return best


def _tried(cases: Sequence[Case], fault: str, thresholds: Thresholds, reader: Clarifier) -> tuple[float, float]:
    """The share detected, and the greatest share of alarms for that fault among one set's own questions or pairs."""
    with patch.multiple(clarifier, **thresholds):
        seen = [(case, told(case, reader) == fault) for case in cases]
    wanted = [is_seen for case, is_seen in seen if case.fault == fault]
    groups: dict[str, list[bool]] = {}
    for case, is_seen in seen:
        if case.fault != fault:
            groups.setdefault(f"{case.corpus} {case.fault}", []).append(is_seen)
    return sum(wanted) / len(wanted), max(sum(each) / len(each) for each in groups.values())


if __name__ == "__main__":
    main()
