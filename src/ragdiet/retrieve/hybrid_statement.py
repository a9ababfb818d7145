"""The hybrid search as one statement, put together from the files beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from psycopg.sql import SQL, Composed, Identifier
from psycopg.sql import Literal as Quoted

from ragdiet.retrieve.statements import statement

if TYPE_CHECKING:
    from ragdiet.retrieve.collection import Way
    from ragdiet.retrieve.restriction import Restriction
    from ragdiet.types import Space


Fusion: TypeAlias = Literal["scores", "ranks"]


def hybrid_statement(
    space: Space,
    way: Way,
    *,
    depth: int,
    restriction: Restriction,
    dense: bool = True,
    fusion: Fusion = "scores",
    tokens: bool = False,
) -> Composed:
    """The hybrid search, of ``depth`` candidates a leg; without ``dense`` by keywords alone.

    The chunks of a ``restriction`` that lists them are searched the way "chosen". ``tokens``: with token bits.
    """
    vectors = Identifier("ragdiet", f"vector_{space.name}")
    lexical = Identifier("ragdiet", "searchable_lexical")
    keyword = statement("keyword_chosen.sql" if way == "chosen" else "keyword.sql")
    return statement("hybrid.sql").format(
        keyword=keyword.format(lexical=lexical, restriction=restriction.of("l"), depth=Quoted(depth)),
        dense=statement(f"dense_{way if dense else 'none'}.sql").format(
            vectors=vectors, restriction=restriction.of("v"), depth=Quoted(depth)
        ),
        fusion=statement(f"fusion_{fusion}.sql"),
        token_bits=statement("token_bits.sql") if tokens else SQL("NULL"),
        vectors=vectors,
        lexical=lexical,
        sentences=Identifier("ragdiet", f"sentence_{space.name}"),
    )
