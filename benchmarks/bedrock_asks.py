"""Whole asks while the first model of the chain fails: asked, awaited and streamed, over a real database.

The second model is well. Whatever the fault, an ask must end as an Answer, whose cost is the sum of its rows, and the
rows must say what the stand-in's bill says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import psycopg

from benchmarks.bedrock_faults import READ_TIMEOUT, RETRY, agree, merged
from benchmarks.bedrock_pieces import CHAT, REGION, credentials, given, stand_in
from benchmarks.database import Databases
from benchmarks.report import Row
from benchmarks.timing import percentiles
from ragdiet import RAG, Answer, Document
from ragdiet.account import MemoryLedger, PostgresLedger
from ragdiet.aio import AsyncRAG
from ragdiet.bedrock import BedrockClient
from ragdiet.embed import TitanEmbedder
from ragdiet.generate import ConverseGenerator
from ragdiet.store import Database
from ragdiet.testing.bedrock import BedrockServer, Fault
from ragdiet.testing.bedrock.named_faults import faults_of
from ragdiet.types import Context, Generation, Hit

SECOND = "us.amazon.nova-pro-v1:0"
_ANIMALS = "fox heron badger owl otter lynx marten hare beaver stoat raven adder newt toad mole shrew".split()
ANIMAL = "heron"
_DEADLINE = 10.0
_ASKS = 200
_AT_BEDROCK = "SELECT sum(seconds) FROM ragdiet.call WHERE prompt_id = %s AND region <> ''"


class Trusting:
    """Confidence that lets everything pass, so that faults alone decide how the chain goes on."""

    gate = accept = 0.0

    def of_retrieval(self, question: str, hits: Sequence[Hit]) -> float:
        return 1.0

    def of_answer(self, question: str, hits: Sequence[Hit], context: Context, generation: Generation) -> float:
        return 1.0


def _question(animal: str) -> str:
    return f"At what hour is the {animal} fed?"


def _passage(animal: str) -> str:
    return f"The {animal} is fed at {_hour(animal)} by its keeper. Visitors of the {animal} stay behind the fence."


def _hour(animal: str) -> str:
    return f"{9 + _ANIMALS.index(animal) % 8}:{10 + _ANIMALS.index(animal)}"


def _streamed(rag: RAG) -> Answer:
    stream = rag.ask(_question(ANIMAL), stream=True, deadline=_DEADLINE)
    for _ in stream:
        pass
    return stream.answer


WAYS: Mapping[str, Callable[[RAG], Answer]] = {
    "asked": lambda rag: rag.ask(_question(ANIMAL), deadline=_DEADLINE),
    "awaited": lambda rag: asyncio.run(AsyncRAG(rag).ask(_question(ANIMAL), deadline=_DEADLINE)),
    "streamed": _streamed,
}


def faults(databases: Databases) -> Row:
    """Every fault of Converse and ConverseStream at the first model, once and always, in each way."""
    table: list[Row] = []
    with stand_in() as server, credentials(server), _documents(databases, server) as dsn:
        for way, ask in WAYS.items():
            operation = "ConverseStream" if way == "streamed" else "Converse"
            for name, fault in faults_of(operation).items():
                for how in ("once", "always"):
                    row = _case(dsn, server, fault, how, ask)
                    table.append({"operation": operation, "fault": name, "how": how, "way": way, **row})
    return {
        "asks": len(table),
        "answered": sum(row["outcome"] == "answered" for row in table),
        "wrong_answers": sum(row["wrong"] for row in table),
        "exceptions": sum(row["outcome"].startswith("raised") for row in table),
        "books_differ": sum(not row["agree"] for row in table),
        "longest_seconds": max(row["seconds"] for row in table),
        "table": merged(table),
    }


def overhead(databases: Databases) -> Row:
    """Milliseconds of an ask beside those that its requests to Bedrock took, each answered after 100 ms."""
    with stand_in(process=True) as server, credentials(server), _documents(databases, server) as dsn:
        server.always(Fault(delay=0.1), operation="Converse")
        # The ledger is the store's own, as in use: its rows are part of what an ask adds.
        with psycopg.connect(dsn, autocommit=True) as connection, _opened(dsn, server, None, read_timeout=5.0) as rag:
            rag.ask(_question(ANIMAL))
            added = []
            for n in range(_ASKS):
                began = time.perf_counter()
                answer = rag.ask(_question(_ANIMALS[n % len(_ANIMALS)]))
                seconds = time.perf_counter() - began
                at_bedrock = connection.execute(_AT_BEDROCK, [answer.prompt_id]).fetchone()
                assert at_bedrock
                added.append(seconds - at_bedrock[0])
    return {"asks": _ASKS, "added": [{"beside": "the requests to Bedrock", **percentiles(added)}]}


def _case(dsn: str, server: BedrockServer, fault: Fault, how: str, ask: Callable[[RAG], Answer]) -> Row:
    ledger = MemoryLedger()
    server.reset()
    with _opened(dsn, server, ledger, read_timeout=READ_TIMEOUT) as rag:
        (server.script if how == "once" else server.always)(fault, model=CHAT)
        began = time.perf_counter()
        try:
            answer = ask(rag)
        except Exception as error:  # noqa: BLE001  # that none comes is what is measured
            outcome, wrong, costs = f"raised {type(error).__name__}", False, True
        else:
            outcome = answer.outcome
            wrong = answer.outcome == "answered" and _hour(ANIMAL) not in answer.text
            costs = answer.cost == sum(call.cost for call in ledger.calls if call.prompt_id == answer.prompt_id)
        seconds = time.perf_counter() - began
    billed = [call for call in ledger.calls if call.model in (CHAT, SECOND) or call.stage == "embed"]
    served = server.calls
    return {
        "outcome": outcome,
        "wrong": wrong,
        "seconds": round(seconds, 2),
        "rows": [f"{call.stage}:{call.status}" for call in billed],
        "agree": costs and len(billed) == len(served) and all(map(agree, billed, served)),
    }


@contextmanager
def _documents(databases: Databases, server: BedrockServer) -> Iterator[str]:
    client = BedrockClient(REGION, endpoint_url=server.url)
    with databases.fresh(TitanEmbedder(**given(client, MemoryLedger())).space) as dsn:
        with _opened(dsn, server, MemoryLedger(), read_timeout=30.0) as rag:
            rag.ingest([Document(animal, _passage(animal)) for animal in _ANIMALS])
        yield dsn
    client.close()


@contextmanager
def _opened(dsn: str, server: BedrockServer, ledger: MemoryLedger | None, *, read_timeout: float) -> Iterator[RAG]:
    client = BedrockClient(REGION, endpoint_url=server.url, read_timeout=read_timeout, retry=RETRY)
    store = Database(dsn)
    books = ledger or PostgresLedger(store)
    pieces = given(client, books)
    with (
        closing(store),
        RAG(
            store,
            embedder=TitanEmbedder(**pieces),
            models=[ConverseGenerator(CHAT, **pieces), ConverseGenerator(SECOND, **pieces)],
            ledger=books,
            confidence=Trusting(),
            answer_cache=None,
        ) as rag,
    ):
        yield rag
    client.close()
