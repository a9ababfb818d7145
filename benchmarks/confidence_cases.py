"""The questions that the confidence models are fitted and measured on, and what is seen of each.

An answer is right when it holds a gold answer (SQuAD's normalisation) or a sentence of the gold excerpt; any answer to
a question without one is wrong.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.datasets import judgements, read_lines
from benchmarks.library_questions import QUESTIONS
from ragdiet import RAG, Document
from ragdiet.confidence.fitting import Bools, Floats
from ragdiet.confidence.signals import (
    ANSWER_SIGNALS,
    RETRIEVAL_SIGNALS,
    Reading,
    answer_signals,
    retrieval_signals,
    support,
)
from ragdiet.demo import standard_library
from ragdiet.gold import holds
from ragdiet.types import Context, Generation, Hits

SETS = ("squad_v2", "nq_lost_in_the_middle", "chunking_evaluation")
SQUAD, NQ, EXCERPTS = SETS
LIBRARY = "standard_library"
HITS = 10
BUDGET = 600


@dataclass(frozen=True, kw_only=True)
class Case:
    """A question put to a collection. ``unit`` decides its half; ``hidden`` is a document taken from its hits, and
    ``is_foreign`` says that the collection is about something else: ``answers`` are then those it should not hold."""

    kind: str
    unit: str
    question: str
    collection: str
    answers: tuple[str, ...] = ()
    excerpts: tuple[tuple[int, int], ...] = ()
    pattern: str = ""
    hidden: str = ""
    is_foreign: bool = False

    @property
    def answerable(self) -> bool:
        return bool(self.answers or self.excerpts or self.pattern) and not self.hidden and not self.is_foreign


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
        yield _foreign(unit, question, SQUAD, "search query", answers)
    for row in nq[::3]:
        yield _foreign(row["id"], row["text"], LIBRARY, "search query", row["answers"])
    for row in excerpts:
        spans = tuple((span["start"], span["end"]) for span in row["references"])
        unit, question = row["corpus"], row["text"]
        yield Case(kind="long document", unit=unit, question=question, collection=EXCERPTS, excerpts=spans)
        for other in (SQUAD, LIBRARY):
            yield _foreign(unit, question, other, "long document")
    for row in squad[::6]:
        for other in (EXCERPTS, LIBRARY):
            answers = row["answers"] if row["answerable"] else ()
            yield _foreign(row["article"], row["text"], other, "encyclopedia", answers)
    for question, pattern in QUESTIONS:
        kind = "library" if pattern else "library, unanswerable"
        yield Case(kind=kind, unit=question, question=question, collection=LIBRARY, pattern=pattern or "")


def _foreign(unit: str, question: str, collection: str, kind: str, answers: Sequence[str] = ()) -> Case:
    return Case(
        kind=f"off corpus: {kind}",
        unit=unit,
        question=question,
        collection=collection,
        answers=tuple(answers),
        is_foreign=True,
    )


def ingest(rag: RAG, data: Path) -> None:
    for name in SETS:
        rows = read_lines(data / name / "corpus.jsonl.gz")
        rag.ingest((Document(row["id"], row["text"], row["title"]) for row in rows), collection=name)
    rag.ingest(list(standard_library()), collection=LIBRARY)


def measured(rag: RAG, case: Case, model: str | None = None) -> Measured | None:
    """What is found and replied. None where nothing is found, and where passages hold the answer all the same to a
    question whose gold passage is hidden, or that is put to another corpus."""
    hits = rag.retrieve(case.question, HITS + bool(case.hidden), collection=case.collection)
    hits = Hits([hit for hit in hits if hit.document_id != case.hidden][:HITS])
    missing = case.hidden or case.is_foreign
    if not hits or (missing and any(holds(hit.text, case.answers) for hit in hits)):
        return None
    context = rag.compress(case.question, hits, BUDGET)
    return judged(case, hits, context, rag.generate(case.question, context, model))


def judged(case: Case, hits: Hits, context: Context, generation: Generation) -> Measured:
    """Whether the reply is right, and the signals."""
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
