"""Checks of how the searches run, and of how much the approximate one finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ragdiet.doctor.commands import sql
from ragdiet.doctor.facts import Corpus, Plan, Recall, Unread
from ragdiet.doctor.finding import Finding
from ragdiet.doctor.wording import named

if TYPE_CHECKING:
    from ragdiet.types import Space

_ENOUGH = 0.95
_FELT, _LARGE = 2_000, 10_000
"""Chunks of a collection from which on a search without its index is felt, and from which on it is a fault."""


def plans(found: Sequence[Plan], space: Space, broken: bool) -> Iterator[Finding]:
    """Each leg uses its index and no table is read from end to end.

    ``broken``: an index is at fault, and the finding about it has the command.
    """
    for plan in found:
        if all(corpus.chunks < _FELT for corpus in plan.corpora):
            continue
        dense = f"vector_{space.name}_{'hnsw' if plan.by_index else 'corpus'}"
        for leg, index, table in (("vector", dense, f"vector_{space.name}"), ("keyword", "lexical_terms", "lexical")):
            if index not in plan.indexes:
                yield _finding(
                    plan,
                    f"the {leg} search does not use {index}",
                    () if broken else (sql("ANALYZE ragdiet.{}", table),),
                )
        for table in plan.scanned:
            yield _finding(
                plan, f"a search reads all of {table}", () if broken else (sql("ANALYZE ragdiet.{}", table),)
            )
        large = [corpus for corpus in plan.corpora if corpus.chunks > _LARGE]
        if not plan.by_index and large and broken:
            yield _finding(plan, "a search compares every vector", ())


def recall(found: Sequence[Recall | Unread], space: Space) -> Iterator[Finding]:
    """The index finds nearly all of what an exact search finds."""
    for measured in found:
        if isinstance(measured, Unread):
            yield Finding(check="recall", status="ok", what=f"not measured: {measured.reason}")
            continue
        enough = measured.recall >= _ENOUGH
        yield Finding(
            check="recall",
            status="ok" if enough else "warn",
            what=f"{measured.recall:.3f} of the 10 nearest are found in {measured.corpus} "
            f"({measured.questions} questions, ef_search {measured.ef_search})",
            mend=() if enough else (sql("REINDEX INDEX CONCURRENTLY ragdiet.{}", f"vector_{space.name}_hnsw"),),
        )


def _finding(plan: Plan, what: str, mend: tuple[str, ...]) -> Finding:
    is_large = any(corpus.chunks > _LARGE for corpus in plan.corpora)
    return Finding(
        check="plans", status="fail" if is_large else "warn", what=f"{what} ({_names(plan.corpora)})", mend=mend
    )


def _names(corpora: Sequence[Corpus]) -> str:
    return named([f"{corpus}: {corpus.chunks:,} chunks" for corpus in corpora])
