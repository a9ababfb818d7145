"""Every fault with every operation: once, with a good reply after it, and always. What comes of it, and what it costs.

A case is one call: from a thread, or awaited. Each HTTP attempt is held against the stand-in's own bill: a settled row
must be what the stand-in charged, to the last digit, a failed one must be free on both sides, and a reply that was
lost must stand in the ledger as unknown, at no less than the stand-in charged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import TypeAlias

import boto3

from benchmarks.bedrock_pieces import Asked, Operation, credentials, operations, stand_in
from benchmarks.report import Row
from ragdiet.account import Call, MemoryLedger
from ragdiet.bedrock import BedrockClient, RetryPolicy
from ragdiet.errors import ModelError
from ragdiet.testing.bedrock import BedrockServer, Fault, Served
from ragdiet.testing.bedrock.named_faults import faults_of

RETRY = RetryPolicy(attempts=3, base_delay=0.01, max_delay=0.05, deadline=10.0)
ITEM = 1
READ_TIMEOUT = 0.25
"""Seconds, less than the stand-in is slow or silent for: every fault then bites."""

Way: TypeAlias = Callable[[Callable[[], str]], str]

WAYS: Mapping[str, Way] = {
    "thread": lambda call: call(),
    "awaited": lambda call: asyncio.run(asyncio.to_thread(call)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What came of one call. ``outcome`` is the name of the error, or what `bedrock_pieces.Asked` gave."""

    outcome: str
    is_error: bool
    is_ours: bool
    seconds: float
    calls: Sequence[Call]
    served: Sequence[Served]

    @property
    def is_accounted(self) -> bool:
        """Whether ledger and bill agree, request by request."""
        return len(self.calls) == len(self.served) and all(map(agree, self.calls, self.served))


def agree(call: Call, served: Served) -> bool:
    """Whether a row says what the stand-in's bill says of the same request."""
    billed = charged(served)
    if call.status == "done":
        return call.cost == billed
    if call.status == "failed":
        return call.cost == 0 and not served.billed
    return call.status == "unknown" and call.cost >= billed


def charged(served: Served) -> Decimal:
    """USD on the stand-in's bill for a request. Raises LookupError where it has no rate for it."""
    if not served.billed:
        return Decimal(0)
    if served.cost is None:
        raise LookupError(f"the stand-in has no rate for {served.model}")
    return served.cost


def measure() -> Row:
    """All cases, and how many of them were wrong, not mapped or badly accounted."""
    table: list[Row] = []
    cases: list[Case] = []
    session = boto3.Session()
    with stand_in() as server, credentials(server):
        plain = _client(server, session)
        for operation in operations(plain, [ITEM]):
            for (name, fault), how, way in product(faults_of(operation.name).items(), ("once", "always"), WAYS):
                made = _case(server, session, operation, fault, how == "once", WAYS[way])
                cases.append(made)
                about = {"operation": operation.name, "model": operation.model, "fault": name, "how": how, "way": way}
                table.append(about | _shown(made))
        plain.close()
    return {
        "cases": len(cases),
        "right": sum(case.outcome == "right" for case in cases),
        "typed_errors": sum(case.is_ours for case in cases),
        "wrong_answers": sum(case.outcome == "wrong" for case in cases),
        "other_errors": sum(case.is_error and not case.is_ours for case in cases),
        "badly_accounted": sum(not case.is_accounted for case in cases),
        "longest_seconds": round(max(case.seconds for case in cases), 2),
        "table": merged(table),
    }


def merged(rows: Sequence[Row]) -> list[Row]:
    """Rows that differ in their ``way`` and ``seconds`` alone as one, with all ways and the longest time."""
    found: dict[str, Row] = {}
    for row in rows:
        same = str({name: value for name, value in row.items() if name not in ("way", "seconds")})
        known = found.setdefault(same, row | {"way": []})
        known["way"].append(row["way"])
        known["seconds"] = max(known["seconds"], row["seconds"])
    return list(found.values())


def _case(
    server: BedrockServer, session: boto3.Session, operation: Operation, fault: Fault, once: bool, way: Way
) -> Case:
    # A client of its own: a circuit that one fault has opened must not stand before the next.
    client, ledger = _client(server, session), MemoryLedger()
    asked: Asked = operation.made(client, ledger)
    server.reset()
    (server.script if once else server.always)(fault, operation=operation.name)
    began = time.perf_counter()
    error: Exception | None = None
    try:
        outcome = way(lambda: asked(ITEM))
    except Exception as raised:  # noqa: BLE001  # that nothing but ModelErrors comes is what is measured
        error, outcome = raised, type(raised).__name__
    seconds = time.perf_counter() - began
    client.close()
    return Case(
        outcome=outcome,
        is_error=error is not None,
        is_ours=isinstance(error, ModelError),
        seconds=seconds,
        calls=ledger.calls,
        served=server.calls,
    )


def _client(server: BedrockServer, session: boto3.Session) -> BedrockClient:
    return BedrockClient(
        server.region, endpoint_url=server.url, read_timeout=READ_TIMEOUT, retry=RETRY, session=session
    )


def _shown(case: Case) -> Row:
    return {
        "outcome": case.outcome,
        "tries": len(case.served),
        "seconds": round(case.seconds, 2),
        "rows": [call.status for call in case.calls],
        "ledger_usd": f"{sum(call.cost for call in case.calls):f}",
        "bill_usd": f"{sum(map(charged, case.served)):f}",
        "agree": case.is_accounted,
    }
