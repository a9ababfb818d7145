"""What a search is limited to beside its collection: a filter, unexpired documents, phrases and exclusions.

Few chunks that pass are listed, and the search is exact among them. Where they are many, each candidate of a
leg is checked while the index is walked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from psycopg.sql import SQL, Composable, Identifier

from ragdiet.analysis import corpus_terms, term_numbers
from ragdiet.retrieve.matching import condition_of, matching, predicate
from ragdiet.retrieve.phrases import phrase_matches

if TYPE_CHECKING:
    import psycopg

    from ragdiet.analysis import Analyzer
    from ragdiet.filters import FilterLike
    from ragdiet.retrieve.collection import Collection
    from ragdiet.retrieve.question import ParsedQuestion

_MOST_CHOSEN = 20_000
"""Chunks that are listed: to compare all of their vectors takes about as long as HNSW with its checks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """``chosen``: numbers of the only chunks to search, None for all. ``checks`` hold for every candidate of a
    leg, whose alias they are given."""

    chosen: list[int] | None = None
    checks: tuple[Callable[[Identifier], Composable], ...] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)

    def of(self, leg: str) -> Composable:
        """The checks of the leg with this alias, each begun with AND."""
        return SQL("").join(SQL(" AND {}").format(check(Identifier(leg))) for check in self.checks)


def restriction(
    connection: psycopg.Connection,
    collection: Collection,
    question: ParsedQuestion,
    filter: FilterLike | None,
    analyzer: Analyzer,
) -> Restriction:
    """What the filter and the question limit the search to."""
    chosen: set[int] | None = None
    checks: list[Callable[[Identifier], Composable]] = []
    parameters: dict[str, object] = {}
    condition = condition_of(connection, collection.id, filter, some_expired=collection.some_expired)
    if condition is not None:
        listed = matching(connection, collection.id, condition, _MOST_CHOSEN)
        if listed is None:
            checks.append(partial(predicate, condition))
            parameters |= condition.parameters
        else:
            chosen = set(listed)
    if question.phrases or question.excluded_phrases:
        found = phrase_matches(connection, collection.id, question, analyzer)
        if found.required is not None:
            chosen = set(found.required) if chosen is None else chosen.intersection(found.required)
        if found.forbidden:
            checks.append(SQL("{}.chunk_id <> ALL (%(forbidden)s)").format)
            parameters["forbidden"] = list(found.forbidden)
    if question.excluded:
        checks.append(_lacks_excluded)
        numbers = np.array([*term_numbers(question.excluded)], np.int32)
        parameters["excluded"] = corpus_terms(numbers, collection.id).tolist()
    return Restriction(chosen=None if chosen is None else sorted(chosen), checks=tuple(checks), parameters=parameters)


def _lacks_excluded(leg: Identifier) -> Composable:
    return SQL(
        "NOT EXISTS (SELECT FROM ragdiet.searchable_lexical own "
        "WHERE own.chunk_id = {}.chunk_id AND own.terms && %(excluded)s)"
    ).format(leg)
