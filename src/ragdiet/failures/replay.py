"""The stages of a kept ask gone through again, to see where what was expected got lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ragdiet.errors import RagdietError
from ragdiet.failures.cause import Cause, Findings, propose
from ragdiet.gold import holds
from ragdiet.types import Answer

if TYPE_CHECKING:
    from ragdiet.failures.case import Case, Expected
    from ragdiet.types import Context, Hits

_WIDE = 200
"""Hits of the wide search in which what was expected is looked for."""

MASKED = re.compile(r"<[A-Z][A-Z_]*>")
"""A value of a question that was hidden before it was kept."""

_NO_REPLY = ("did not find the answer", "cites none", "gave no text")


class Stages(Protocol):
    """What of a RAG a replay calls."""

    def retrieve(self, question: str, k: int = ..., *, neighbours: int = ..., collection: str, tenant: str) -> Hits: ...

    def compress(self, question: str, passages: Iterable[Any], budget: Any = ...) -> Context: ...

    def ask(self, question: str, *, collection: str, tenant: str, fresh: bool) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What going through the stages again showed. ``answer`` is that of now, None where the models were not asked;
    ``fault`` is what of the expectation it does not meet, empty where it meets all or was not asked."""

    case: Case
    cause: Cause
    evidence: str
    findings: Findings
    answer: Answer | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What is asked of the stored collection itself: its version, which words it lacks, how it writes those that are
    misspelt, which documents it has."""

    version: int | None
    lacks: Callable[[str], tuple[str, ...]]
    respells: Callable[[str], tuple[str, ...]]
    has_document: Callable[[str], bool]


def replayed(case: Case, stages: Stages, corpus: Corpus, *, ask: bool) -> Replay:
    """Search, diet and, where ``ask`` says so, the models too, for the question as it was kept."""
    findings = _findings(case, stages, corpus)
    cause, evidence = propose(findings)
    if MASKED.search(case.question):
        evidence += "; the question was kept with values masked, so this is of the masked one"
    answer = stages.ask(case.question, collection=case.collection, tenant=case.tenant, fresh=True) if ask else None
    return Replay(
        case=case,
        cause=cause,
        evidence=evidence,
        findings=findings,
        answer=answer,
        fault=case.fault(answer) if answer else "",
    )


def _findings(case: Case, stages: Stages, corpus: Corpus) -> Findings:
    attempts = case.record.get("attempts", ())
    known = Findings(
        outcome=case.outcome,
        reason=case.reason,
        model_refused=any(
            attempt["step"] == "read" and any(said in attempt["reason"] for said in _NO_REPLY) for attempt in attempts
        ),
        lacking=(lacking := corpus.lacks(case.question)),
        misspelt=corpus.respells(case.question) if lacking else (),
        has_moved=corpus.version != case.record.get("versions", {}).get("corpus"),
    )
    if not case.question.strip() or not (case.expected.answers or case.expected.documents):
        return known
    return _followed(known, case, case.expected, stages, corpus)


def _followed(known: Findings, case: Case, expected: Expected, stages: Stages, corpus: Corpus) -> Findings:
    """Where what was expected stands, stage by stage."""
    search = partial(stages.retrieve, collection=case.collection, tenant=case.tenant)

    def is_it(text: str, document_id: str) -> bool:
        return holds(text, expected.answers) if expected.answers else document_id in expected.documents

    wide = search(case.question, _WIDE)
    rank = next((n for n, hit in enumerate(wide, 1) if is_it(hit.text, hit.document_id)), None)
    in_corpus = rank is not None or _stands_somewhere(expected, search, corpus)
    across = False
    if not in_corpus and expected.answers:
        joined = search(" ".join((case.question, *expected.answers)), 20, neighbours=1)
        across = any(holds(hit.text, expected.answers) for hit in joined)
    hits = search(case.question, case.record.get("k", 10))
    context = stages.compress(case.question, hits, case.record.get("budget") or 600) if hits else None
    was = {hit["chunk_id"] for hit in case.record.get("hits", ())}
    return replace(
        known,
        in_corpus=in_corpus,
        across_chunks=across,
        rank=rank,
        in_hits=any(is_it(hit.text, hit.document_id) for hit in hits),
        was_in_hits=any(hit.chunk_id in was and is_it(hit.text, hit.document_id) for hit in wide),
        in_context=context is not None
        and (
            holds(context.text, expected.answers)
            if expected.answers
            else any(sentence.document_id in expected.documents for sentence in context.kept)
        ),
    )


def _stands_somewhere(expected: Expected, search: Callable[[str, int], Hits], corpus: Corpus) -> bool:
    """Whether any chunk holds it, whatever the question: by a search for the very phrase."""
    if not expected.answers:
        return any(map(corpus.has_document, expected.documents))
    for answer in expected.answers:
        phrase = answer.replace('"', " ").strip()
        try:
            found = search(f'"{phrase}"', 10)
        except RagdietError:  # a phrase without a word, or one that too many chunks hold the words of
            continue
        if any(holds(hit.text, expected.answers) for hit in found):
            return True
    return False
