"""Thousands of calls from many threads while a fifth of all requests meets a fault, drawn by a seed.

Each call has a prompt_id and an item of its own, so that rows, requests and answers can be matched afterwards: a
request without a row is lost, a row without a request is one too many.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from benchmarks.bedrock_faults import agree, charged
from benchmarks.bedrock_pieces import REGION, credentials, item_of, operations, stand_in
from benchmarks.report import Row
from ragdiet.account import Call, MemoryLedger
from ragdiet.bedrock import BedrockClient, RetryPolicy
from ragdiet.errors import ModelError
from ragdiet.observe import Trace, tracing
from ragdiet.testing.bedrock import Served
from ragdiet.testing.bedrock.named_faults import faults_of

THREADS = 32
RATE = 0.2
LONGEST = 60.0
"""Seconds from the first try of a call to the start of its last."""
READ_TIMEOUT = 0.4


def measure(calls: int, seed: int) -> Row:
    """Outcomes, and what ledger and bill say of each other."""
    ledger = MemoryLedger()
    with stand_in(process=True) as server, credentials(server):
        patient = BedrockClient(REGION, endpoint_url=server.url)
        kinds = operations(patient, range(calls))
        patient.close()
        client = BedrockClient(
            REGION,
            endpoint_url=server.url,
            read_timeout=READ_TIMEOUT,
            max_connections=THREADS,
            retry=RetryPolicy(attempts=6, billed_attempts=4, base_delay=0.02, max_delay=0.2, deadline=LONGEST),
        )
        asked = [kind.made(client, ledger) for kind in kinds]
        server.reset()
        for kind in {kind.name for kind in kinds}:
            server.at_random(RATE, *faults_of(kind).values(), seed=seed, operation=kind)
        before = threading.active_count()

        def one(number: int) -> str:
            with tracing(Trace(prompt_id=str(number))):
                try:
                    return asked[number % len(asked)](number)
                except ModelError as error:
                    return type(error).__name__

        began = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            outcomes = Counter(pool.map(one, range(calls)))
        seconds = time.perf_counter() - began
        client.close()
        served = server.calls
        hung = threading.active_count() - before
    return {
        "calls": calls,
        "threads": THREADS,
        "seconds": round(seconds, 1),
        "requests": len(served),
        "outcomes": [{"outcome": name, "calls": count} for name, count in outcomes.most_common()],
        "wrong_answers": outcomes["wrong"],
        "hung_threads": hung,
        **books(ledger.calls, served),
    }


def books(calls: Sequence[Call], served: Sequence[Served]) -> Row:
    """Rows held against requests, call by call in their order."""
    rows: dict[int, list[Call]] = defaultdict(list)
    requests: dict[int, list[Served]] = defaultdict(list)
    for call in calls:
        rows[int(call.prompt_id)].append(call)
    for one in served:
        requests[item_of(one.request)].append(one)
    lost = double = differing = 0
    for number in rows.keys() | requests.keys():
        own, sent = rows[number], sorted(requests[number], key=lambda one: one.at)
        lost += max(0, len(sent) - len(own))
        double += max(0, len(own) - len(sent))
        differing += not all(map(agree, own, sent))
    settled = sum((call.cost for call in calls if call.status == "done"), Decimal(0))
    return {
        "rows": [{"status": name, "rows": count} for name, count in Counter(call.status for call in calls).items()],
        "lost_rows": lost,
        "double_rows": double,
        "calls_whose_books_differ": differing,
        "settled_usd": f"{settled:f}",
        "unknown_usd_at_most": f"{sum((call.cost for call in calls if call.status == 'unknown'), Decimal(0)):f}",
        "bill_usd": f"{sum(map(charged, served), Decimal(0)):f}",
    }
