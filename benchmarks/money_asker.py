"""A process that asks, to be killed at any moment: `python -m benchmarks.money_asker`.

It says what it has done in a file, a line for each answer, written after the answer was given out: lines of a killed
process stay. Each ask has a ticket of its own in its question, which is its prompt_id, and is in all of its requests.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.bedrock_pieces import CHAT, code, given, passage
from ragdiet import RAG, Document
from ragdiet.account import Ledger, MemoryLedger, PostgresLedger
from ragdiet.bedrock import BedrockClient, RetryPolicy
from ragdiet.embed import TitanEmbedder
from ragdiet.errors import RagdietError
from ragdiet.generate import ConverseGenerator
from ragdiet.store import Database
from ragdiet.types import Context, Generation, Hit

REGION = "us-east-1"
SECOND = "us.amazon.nova-pro-v1:0"
ITEMS = range(1000, 1100)
READ_TIMEOUT = 1.0
_RETRY = RetryPolicy(attempts=4, billed_attempts=3, base_delay=0.02, max_delay=0.2, deadline=20.0)
_STREAMED = 4  # every fourth ask is


class Trusting:
    """Confidence that lets everything pass, so that faults alone decide how the chain goes on."""

    gate = accept = 0.0

    def of_retrieval(self, question: str, hits: Sequence[Hit]) -> float:
        return 1.0

    def of_answer(self, question: str, hits: Sequence[Hit], context: Context, generation: Generation) -> float:
        return 1.0


def opened(dsn: str, client: BedrockClient, spool: Path | None, threads: int) -> RAG:
    store = Database(dsn, max_size=min(threads, 20))
    ledger: Ledger = PostgresLedger(store, spool=spool) if spool else MemoryLedger()
    pieces = given(client, ledger)
    return RAG(
        store,
        embedder=TitanEmbedder(**pieces),
        models=[ConverseGenerator(CHAT, **pieces), ConverseGenerator(SECOND, **pieces)],
        ledger=ledger,
        confidence=Trusting(),
        research=False,
        clarify=False,
    )


def fill(dsn: str, client: BedrockClient) -> None:
    """The documents, in a database that was migrated."""
    with opened(dsn, client, None, 1) as rag:
        rag.ingest([Document(str(n), passage(n)) for n in ITEMS])


def ticket(number: int, run: int) -> str:
    """The name of the ask ``number`` in the process ``run``."""
    return f"t{number}r{run}"


def ask(rag: RAG, number: int, run: int) -> dict[str, str]:
    """One answer, and what it says that it cost."""
    item = ITEMS[number % len(ITEMS)]
    prompt_id = ticket(number, run)
    question = f"Ticket {prompt_id}: what is the code of item {item}?"
    if number % _STREAMED:
        answer = rag.ask(question, prompt_id=prompt_id)
    else:
        stream = rag.ask(question, prompt_id=prompt_id, stream=True)
        for _ in stream:
            pass
        answer = stream.answer
    right = "right" if code(item) in answer.text else "wrong"
    outcome = right if answer.outcome == "answered" else answer.outcome
    return {"prompt_id": prompt_id, "cost": f"{answer.cost:f}", "outcome": outcome}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--run", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # what it says of an outage ragdiet says as well
    numbers = [int(word) for word in sys.stdin.read().split()]
    log = os.open(arguments.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    client = BedrockClient(
        REGION,
        endpoint_url=arguments.endpoint,
        read_timeout=READ_TIMEOUT,
        max_connections=arguments.threads,
        retry=_RETRY,
    )

    def one(rag: RAG, number: int) -> None:
        try:
            said = ask(rag, number, arguments.run)
        except RagdietError as error:
            said = {"prompt_id": ticket(number, arguments.run), "outcome": type(error).__name__}
        os.write(log, (json.dumps(said) + "\n").encode())

    with (
        opened(arguments.dsn, client, arguments.spool, arguments.threads) as rag,
        ThreadPoolExecutor(arguments.threads) as pool,
    ):
        for done in [pool.submit(one, rag, number) for number in numbers]:
            done.result()


if __name__ == "__main__":
    main()
