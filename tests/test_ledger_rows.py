"""Every request of an ask has a row in the database, whatever becomes of it, and the rows are its cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from benchmarks.bedrock_faults import charged
from benchmarks.bedrock_pieces import CHAT, GUARDRAIL, REGION, credentials, given, passage, question, stand_in
from benchmarks.money_asker import SECOND, Trusting

from ragdiet import RAG, Answer, Document
from ragdiet.account import PostgresLedger
from ragdiet.bedrock import BedrockClient, RetryPolicy
from ragdiet.generate import ConverseGenerator
from ragdiet.guard import BedrockGuardrail
from ragdiet.store import Database
from ragdiet.testing.bedrock import BedrockServer, Fault
from ragdiet.testing.bedrock.named_faults import FAULTS
from ragdiet.types import Context, Generation, Hit
from tests.embedders import WordEmbedder

ITEM = 1005


class Strict(Trusting):
    """Confidence that takes no answer of the first model."""

    accept = 0.5

    def of_answer(self, question: str, hits: list[Hit], context: Context, generation: Generation) -> float:  # type: ignore[override]
        return float(generation.model == SECOND)


@pytest.fixture(scope="module")
def bedrock() -> Iterator[BedrockServer]:
    with stand_in() as server, credentials(server):
        yield server


@contextmanager
def opened(bedrock: BedrockServer, database: Database, spool: Path, *, guarded: bool = False) -> Iterator[RAG]:
    bedrock.reset()
    retry = RetryPolicy(attempts=3, base_delay=0.002, max_delay=0.01, deadline=10.0)
    client = BedrockClient(REGION, endpoint_url=bedrock.url, read_timeout=10.0, retry=retry)
    ledger = PostgresLedger(database, spool=spool)
    pieces = given(client, ledger)
    with (
        RAG(
            database,
            embedder=WordEmbedder(),
            models=[ConverseGenerator(CHAT, **pieces), ConverseGenerator(SECOND, **pieces)],
            ledger=ledger,
            confidence=Strict(),
            guards=[BedrockGuardrail(GUARDRAIL, "1", **pieces)] if guarded else [],
            research=False,
            clarify=False,
        ) as rag,
        closing(client),  # which waits for streams that were left
    ):
        rag.ingest([Document(str(n), passage(n)) for n in range(ITEM, ITEM + 3)])
        yield rag


def rows(database: Database, answer: Answer) -> list[tuple[str, str, str, Decimal, str]]:
    """Of what costs money, in their order."""
    with psycopg.connect(database.dsn) as connection:
        return connection.execute(
            "SELECT stage, model, status, cost, error FROM ragdiet.call WHERE prompt_id = %s AND region <> '' "
            "ORDER BY started_at",
            [answer.prompt_id],
        ).fetchall()


def test_a_retry_and_a_rejected_answer_are_rows_of_their_own(
    bedrock: BedrockServer, database: Database, tmp_path: Path
) -> None:
    with opened(bedrock, database, tmp_path) as rag:
        bedrock.script(FAULTS["throttled"], FAULTS["reset before the reply"], model=CHAT)
        answer = rag.ask(question(ITEM))
    found = rows(database, answer)
    assert [row[:3] for row in found] == [
        ("generate", CHAT, "failed"),
        ("generate", CHAT, "unknown"),
        ("generate", CHAT, "done"),
        ("generate", SECOND, "done"),
    ]
    assert [row[4] for row in found] == ["ThrottlingException", "ConnectionClosedError", "", ""]
    bills = [charged(call) for call in bedrock.calls]
    assert found[0][3] == 0
    assert found[1][3] > bills[1] > 0
    assert [row[3] for row in found[2:]] == bills[2:]
    assert answer.cost == sum(row[3] for row in found)


def test_a_stream_that_is_left_has_a_row_at_its_price(
    bedrock: BedrockServer, database: Database, tmp_path: Path
) -> None:
    with opened(bedrock, database, tmp_path) as rag:
        bedrock.script(Fault(stall=0.2), model=CHAT)
        stream = rag.ask(question(ITEM), stream=True, prompt_id="left")
        next(iter(stream))
        stream.close()
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute(
            "SELECT status, cost FROM ragdiet.call WHERE prompt_id = 'left' AND region <> ''"
        ).fetchall()
    assert found == [("done", charged(bedrock.calls[0]))]


def test_each_check_of_a_guard_is_a_row(bedrock: BedrockServer, database: Database, tmp_path: Path) -> None:
    with opened(bedrock, database, tmp_path, guarded=True) as rag:
        answer = rag.ask(question(ITEM))
    found = rows(database, answer)
    assert {row[0] for row in found} == {"generate", "guard"}
    assert {row[2] for row in found} == {"done"}
    assert [row[3] for row in found] == [charged(call) for call in bedrock.calls]
    assert answer.cost == sum(row[3] for row in found) > 0
