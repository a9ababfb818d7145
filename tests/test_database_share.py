"""An ask's share of the database's bill: from its time there and what it read from storage."""

from __future__ import annotations

from decimal import Decimal

import psycopg

from ragdiet import RAG, Document
from ragdiet.account import database_share


def test_the_share_is_that_of_one_processor_and_of_the_blocks() -> None:
    assert database_share(3600.0, None) == Decimal("0.48")
    assert database_share(0.0, 1_000_000) == Decimal("0.2")
    assert database_share(0.1 + 0.2, 1) == Decimal("0.000040200000")


def test_an_ask_knows_what_it_took_of_the_database(rag: RAG, dsn: str) -> None:
    rag.ingest([Document(str(n), f"The notice period of grade {n} is {n} weeks.") for n in range(20)])
    rag.ask("What is the notice period?")
    warm = rag.ask("What is the notice period?")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_buffercache")
        connection.execute("CHECKPOINT")
        connection.execute("SELECT pg_buffercache_evict_all()")
        cold = rag.ask("What is the notice period?")
        kept = {
            row[0]: row[1:]
            for row in connection.execute(
                "SELECT prompt_id, database_seconds, database_blocks, database_cost, cost, seconds FROM ragdiet.ask"
            )
        }
    assert kept[warm.prompt_id][1] == 0
    assert kept[cold.prompt_id][1] > 10
    for answer in (warm, cold):
        seconds, blocks, estimate, cost, in_all = kept[answer.prompt_id]
        assert 0 < seconds < in_all
        assert answer.database_cost == estimate == database_share(seconds, blocks)
        assert answer.cost == cost == 0
