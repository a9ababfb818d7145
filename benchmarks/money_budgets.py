"""Budgets under load: 64 threads on one of $1, with what it costs them, and what ledger and budget add to an ask.

All calls go over HTTP to the stand-in for Bedrock, which runs in a process of its own and keeps a bill of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from statistics import median

from benchmarks.bedrock_asks import Trusting
from benchmarks.bedrock_pieces import REGION, credentials, given, passage, prompt, question, stand_in
from benchmarks.database import Databases
from benchmarks.report import Row
from benchmarks.timing import percentiles
from ragdiet import RAG, Document, SpendingBudget
from ragdiet.account import AskRow, Budgets, Call, Ledger, MemoryLedger, PostgresLedger
from ragdiet.bedrock import BedrockClient
from ragdiet.embed import MiniLM
from ragdiet.errors import OverBudget
from ragdiet.generate import ConverseGenerator
from ragdiet.store import Database
from ragdiet.testing.bedrock import BedrockServer

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
LIMIT = Decimal(1)
_THREADS = 64
_CONNECTIONS = 32
_CALLS = 640
"""Of one measurement: at their worst less than the limit, so that none is refused while they are timed."""


def budgets(databases: Databases, *, rounds: int = 5) -> Row:
    """Calls a second of 64 threads with a budget and without, in turn; then they go on until nothing is left of it."""
    with (
        stand_in(process=True, chat=(MODEL,)) as server,
        credentials(server),
        databases.fresh(MiniLM().space) as dsn,
        ThreadPoolExecutor(_THREADS) as threads,
        _database(dsn) as store,
    ):
        client = BedrockClient(REGION, endpoint_url=server.url, max_connections=_THREADS)
        generator = ConverseGenerator(MODEL, **given(client, PostgresLedger(store)))
        kept = Budgets(store, tenant="")
        _timed(threads, generator, _CALLS)
        rates: dict[bool, list[float]] = {False: [], True: []}
        for number in range(rounds):
            for bound in (False, True) if number % 2 else (True, False):
                if bound:
                    kept.set(SpendingBudget(name="load", usd=10**6, per="ever"))
                rates[bound].append(_CALLS / _timed(threads, generator, _CALLS))
                if bound:
                    kept.remove("load")
        drained = _drained(threads, generator, kept, server)
        client.close()
    ratios = [bound / free for bound, free in zip(rates[True], rates[False], strict=True)]
    return {
        "threads": _THREADS,
        "calls_a_second": round(median(rates[True])),
        "without_budgets": round(median(rates[False])),
        "ratio": round(median(ratios), 2),
        "ratio_least": round(min(ratios), 2),
        "ratio_most": round(max(ratios), 2),
        **drained,
    }


def _timed(threads: ThreadPoolExecutor, generator: ConverseGenerator, calls: int) -> float:
    """Seconds of so many calls."""
    began = time.perf_counter()
    list(threads.map(lambda n: generator.generate(prompt(n)), range(calls)))
    return time.perf_counter() - began


def _drained(threads: ThreadPoolExecutor, generator: ConverseGenerator, kept: Budgets, server: BedrockServer) -> Row:
    """A new budget of the limit, on which all threads spend until each was refused."""
    before = server.bill.total
    kept.set(SpendingBudget(name="drained", usd=LIMIT, per="ever"))
    already = kept.list()[0].spent
    kept.set(SpendingBudget(name="drained", usd=already + LIMIT, per="ever"))
    numbers, stop = count(), threading.Event()
    most = Decimal(0)

    def watch() -> None:
        nonlocal most
        while not stop.wait(0.01):
            (state,) = kept.list()
            most = max(most, state.spent + state.reserved)

    def spend(_: int) -> int:
        refused = 0
        while refused < 3:
            try:
                generator.generate(prompt(next(numbers)))
            except OverBudget:
                refused += 1
        return refused

    watcher = threading.Thread(target=watch)
    watcher.start()
    refused = sum(threads.map(spend, range(_THREADS)))
    stop.set()
    watcher.join()
    (state,) = kept.list()
    return {
        "limit": str(LIMIT),
        "spent": str(state.spent - already),
        "most_spent_and_reserved": str(most - already),
        "still_reserved": str(state.reserved),
        "bill_less_spent": str(server.bill.total - before - (state.spent - already)),
        "refused": refused,
    }


def overhead(databases: Databases, *, asks: int = 200) -> Row:
    """Milliseconds that the ledger in the database and a budget add to an ask: the difference to the same ask with a
    ledger in memory, which goes before it or after it in turn, and what an ask waits in the ledger's own methods."""
    with (
        stand_in(process=True, chat=(MODEL,)) as server,
        credentials(server),
        databases.fresh(MiniLM().space) as dsn,
        _database(dsn) as store,
    ):
        Budgets(store, tenant="").set(SpendingBudget(name="all", usd=10**6, per="day"))
        client, embedder = BedrockClient(REGION, endpoint_url=server.url), MiniLM()
        waited = _Waited(store)

        def opened(ledger: Ledger) -> RAG:
            generator = ConverseGenerator(MODEL, **given(client, ledger))
            return RAG(
                store,
                embedder=embedder,
                models=[generator],
                ledger=ledger,
                confidence=Trusting(),
                clarify=False,
                answer_cache=None,  # each question is asked twice
            )

        with_budget, in_memory = opened(waited), opened(MemoryLedger())
        with_budget.ingest([Document(str(n), passage(n)) for n in range(asks)])
        for n in range(asks):  # each question's vector is then known to both, and connections are open
            for rag in (with_budget, in_memory):
                rag.ask(question(n))
        added, own = [], []
        for n in range(asks):
            seconds = {}
            for rag in (with_budget, in_memory) if n % 2 else (in_memory, with_budget):
                waited.seconds, began = 0.0, time.perf_counter()
                answer = rag.ask(question(n))
                seconds[rag is with_budget] = time.perf_counter() - began
                assert answer.outcome == "answered"
                assert answer.attempts[-1].step == "read"
                if rag is with_budget:
                    own.append(waited.seconds)
            added.append(seconds[True] - seconds[False])
        waited.close()
        client.close()
    return {
        "asks": asks,
        "added": [
            {"what": "an ask with ledger and budget, less one with a ledger in memory", **percentiles(added)},
            {"what": "of it in the ledger's own methods", **percentiles(own)},
        ],
    }


class _Waited(PostgresLedger):
    """The ledger, with the seconds that its callers waited for it."""

    seconds = 0.0

    def start(self, call: Call) -> None:
        with self._noted():
            super().start(call)

    def settle(self, call: Call) -> None:
        with self._noted():
            super().settle(call)

    def record(self, call: Call) -> None:
        with self._noted():
            super().record(call)

    def finish(self, ask: AskRow) -> None:
        with self._noted():
            super().finish(ask)

    def cost_of(self, prompt_id: str, *, tenant: str) -> Decimal:
        with self._noted():
            return super().cost_of(prompt_id, tenant=tenant)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - began


@contextmanager
def _database(dsn: str) -> Iterator[Database]:
    store = Database(dsn, max_size=_CONNECTIONS)
    try:
        yield store
    finally:
        store.close()
