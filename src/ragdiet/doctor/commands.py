"""The commands that mend, quoted so that they can be copied as they stand."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Identifier, Literal

if TYPE_CHECKING:
    from ragdiet.doctor.facts import Corpus


def sql(template: str, *names: str, **values: object) -> str:
    """A statement: each ``{}`` is an identifier, each ``{name}`` a value.

    >>> sql("DROP INDEX ragdiet.{}", "vector_a-b")
    'DROP INDEX ragdiet."vector_a-b"'
    """
    parts: dict[str, Composable] = {name: Literal(value) for name, value in values.items()}
    return SQL(template).format(*map(Identifier, names), **parts).as_string()


def ragdiet(*words: str, corpus: Corpus | None = None) -> str:
    """A command line of ragdiet, about ``corpus``.

    >>> ragdiet("sweep")
    'ragdiet sweep'
    """
    scope = [] if corpus is None else ["--collection", corpus.collection]
    if corpus is not None and corpus.tenant:
        scope += ["--tenant", corpus.tenant]
    return shlex.join(["ragdiet", *scope, *words])
