"""Checks of how the searches run, and of how much the approximate one finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ragdiet.doctor.commands import sql
from ragdiet.doctor.facts import Corpus, IndexState, Plan, Recall, Unread
from ragdiet.doctor.finding import Finding, Status
from ragdiet.doctor.wording import named

if TYPE_CHECKING:
    from ragdiet.types import Space

_ENOUGH = 0.95
_NEIGHBOURS, _MOST_NEIGHBOURS = 16, 100
_FELT, _LARGE = 2_000, 10_000
"""Chunks of a collection from which on a search without its index is felt, and from which on it is a fault."""
_PLANNERS_CHOICE = 50_000
"""Up to here the planner may well find that to compare every vector costs less than a sound graph."""


def plans(found: Sequence[Plan], space: Space, *, broken: bool) -> Iterator[Finding]:
    """Each leg uses its index and no table is read from end to end.

    ``broken``: an index is at fault, and the finding about it has the command.
    """
    for plan in found:
        if _most(plan) < _FELT:
            continue
        dense = f"vector_{space.name}_{'hnsw' if plan.by_index else 'corpus'}"
        for leg, index, table in (("vector", dense, f"vector_{space.name}"), ("keyword", "lexical_terms", "lexical")):
            may_choose = index == dense and not broken and _most(plan) <= _PLANNERS_CHOICE
            if index not in plan.indexes and not may_choose:
                yield _finding(
                    plan,
                    f"the {leg} search does not use {index}",
                    () if broken else (sql("ANALYZE ragdiet.{}", table),),
                )
        for table in plan.scanned:
            yield _finding(
                plan, f"a search reads all of {table}", () if broken else (sql("ANALYZE ragdiet.{}", table),)
            )
        if not plan.by_index and broken and _most(plan) > _LARGE:
            yield _finding(plan, "a search compares every vector", ())


def recall(found: Sequence[Recall | Unread], graph: IndexState | None) -> Iterator[Finding]:
    """The index finds nearly all of what an exact search finds. ``graph`` is the index; None where it is at fault,
    and the finding about it has the commands."""
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
            mend=() if enough or graph is None else _denser(graph),
        )


def _denser(graph: IndexState) -> tuple[str, ...]:
    """Build it anew with twice the neighbours, up to the most that pgvector takes."""
    neighbours = min(_MOST_NEIGHBOURS, 2 * graph.options.get("m", _NEIGHBOURS))
    return (
        f"{sql('ALTER INDEX ragdiet.{}', graph.name)} SET (m = {neighbours}, ef_construction = {8 * neighbours})",
        sql("REINDEX INDEX CONCURRENTLY ragdiet.{}", graph.name),
    )


def _finding(plan: Plan, what: str, mend: tuple[str, ...]) -> Finding:
    status: Status = "fail" if _most(plan) > _LARGE else "warn"
    return Finding(check="plans", status=status, what=f"{what} ({_names(plan.corpora)})", mend=mend)


def _most(plan: Plan) -> int:
    return max(corpus.chunks for corpus in plan.corpora)


def _names(corpora: Sequence[Corpus]) -> str:
    return named([f"{corpus}: {corpus.chunks:,} chunks" for corpus in corpora])
