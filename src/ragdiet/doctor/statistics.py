"""Checks of collections counted anew: what BM25 believes, and what lacks its terms or its vector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragdiet.doctor.commands import ragdiet, sql
from ragdiet.doctor.facts import Corpus, Recount, Unread
from ragdiet.doctor.finding import Finding
from ragdiet.store.statistics import DRIFT


def statistics(found: Sequence[Recount | Unread]) -> Iterator[Finding]:
    """The noted statistics are those that are counted, and the weights those of the noted average length."""
    for counted in found:
        if isinstance(counted, Unread):
            yield Finding(check="statistics", status="ok", what=f"not counted: {counted.reason}")
            continue
        corpus = counted.corpus
        wrong = []
        if counted.indexed != corpus.chunks:
            wrong.append(f"{corpus.chunks:,} chunks noted, {counted.indexed:,} counted")
        if counted.total_length != corpus.total_length:
            wrong.append(f"{corpus.total_length:,} terms noted, {counted.total_length:,} counted")
        if counted.wrong_frequencies:
            wrong.append(f"{counted.wrong_frequencies} of {counted.terms_counted} frequencies are wrong")
        if counted.wrong_weights:
            wrong.append(f"weights of {counted.wrong_weights} of {counted.weights_counted} chunks are wrong")
        mend = (ragdiet("rebuild-statistics", corpus=corpus),)
        if wrong:
            yield Finding(check="statistics", status="fail", what=f"{corpus}: {', '.join(wrong)}", mend=mend)
        elif corpus.average_length and corpus.chunks:
            drift = max(1.0, corpus.total_length / corpus.chunks) / corpus.average_length - 1
            if abs(drift) > DRIFT:
                yield Finding(
                    check="statistics",
                    status="warn",
                    what=f"{corpus}: chunks are {abs(drift):.0%} {'longer' if drift > 0 else 'shorter'} than the "
                    "average that their weights were made with",
                    mend=mend,
                )


def completeness(found: Sequence[Recount | Unread], space: str) -> Iterator[Finding]:
    """Each chunk has its terms, and its vector in a space: this embedder's ``space``, unless another has more."""
    for counted in found:
        if isinstance(counted, Unread):
            continue
        in_space = dict(counted.embedded)
        best = max(in_space, key=lambda name: (in_space[name], name == space), default=None)
        lacks = [("terms", "lexical", counted.indexed, "keyword")]
        if best is not None:
            lacks.append((f"vector in {best!r}", f"vector_{best}", in_space[best], "vector"))
        for what, table, have, leg in lacks:
            if have < counted.chunks:
                yield Finding(
                    check="completeness",
                    status="fail",
                    what=f"{counted.corpus}: {counted.chunks - have:,} of {counted.chunks:,} chunks have no {what}: "
                    f"{leg} search does not find them. Delete them, and ingest their source again",
                    mend=_anew(counted.corpus, table),
                )


def _anew(corpus: Corpus, table: str) -> tuple[str, ...]:
    """Delete the chunks without a row in ``table``, and let the next ingest make them again, and only them."""
    return (
        sql(
            "WITH gone AS (DELETE FROM ragdiet.chunk c WHERE corpus_id = {id} AND NOT EXISTS "
            "(SELECT FROM ragdiet.{} part WHERE part.chunk_id = c.id) RETURNING document_id) "
            "UPDATE ragdiet.document SET pipeline = '' WHERE id IN (SELECT document_id FROM gone)",
            table,
            id=corpus.id,
        ),
        ragdiet("rebuild-statistics", corpus=corpus),
        ragdiet("ingest", "SOURCE", corpus=corpus),
    )
