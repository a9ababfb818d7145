"""One row for every request, written before it is sent and settled after.

A crash between the two leaves a row whose status is ``started`` and whose cost is the worst case, so
no spend is silent. Local work has rows too: they cost 0 and their price says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from ragdiet.account.allowance import allowance
from ragdiet.account.exact import exact_sum
from ragdiet.account.history import PastAsk, past_of
from ragdiet.errors import ModelError
from ragdiet.observe import CallEnded, category_of, current, emit, new_id
from ragdiet.types import Outcome, Usage

Stage: TypeAlias = Literal["embed", "retrieve", "rerank", "compress", "generate", "guard", "count", "reuse"]
Status: TypeAlias = Literal["started", "done", "failed", "unknown"]
Reused: TypeAlias = Literal["", "exact", "similar", "shared"]

LOCAL_PRICE = "local: free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A ledger row. ``cost`` is USD; while ``started`` or ``unknown`` it is the worst case.

    ``price`` names the price row used: its source and date.
    """

    call_id: str
    prompt_id: str
    attempt: int
    stage: Stage
    model: str
    started_at: datetime
    tenant: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    served: str = ""
    tier: str = ""
    region: str = ""
    usage: Usage = field(default_factory=Usage)
    price: str = LOCAL_PRICE
    cost: Decimal = Decimal(0)
    status: Status = "started"
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRow:
    """How an ask ended. ``question`` is as it may be kept: with personal data and secrets masked. ``reason`` is that of
    the last step, ``model`` the one whose reply is the answer, ``cost`` the sum of the ask's calls, USD.
    ``tokens_before`` and ``tokens`` are those of the context before the diet and after it. ``reused`` says why nothing
    was generated for an answer: the same question was answered before, or one like it, or is being answered now.
    ``record`` is what the ask saw and did, as JSON, masked too.
    """

    prompt_id: str
    outcome: Outcome
    confidence: float
    tenant: str = ""
    collection: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    question: str = ""
    reason: str = ""
    model: str = ""
    cost: Decimal = Decimal(0)
    tokens: int = 0
    tokens_before: int = 0
    seconds: float = 0.0
    reused: Reused = ""
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    database_seconds: float = 0.0
    database_blocks: int | None = None
    database_cost: Decimal | None = None


class Ledger(Protocol):
    """Where rows are kept. ``start`` inserts; ``settle`` overwrites the row of the same call_id;
    ``record`` inserts a row that is already settled. ``finish`` notes how an ask ended; ``cost_of``
    sums the rows of a tenant's prompt_id, USD."""

    def start(self, call: Call) -> None: ...

    def settle(self, call: Call) -> None: ...

    def record(self, call: Call) -> None: ...

    def finish(self, ask: AskRow) -> None: ...

    def cost_of(self, prompt_id: str, *, tenant: str) -> Decimal: ...


@runtime_checkable
class Budgeted(Protocol):
    """A ledger that knows budgets: ``strain`` says, in words, which of them holds asks of this tenant with these tags
    to the cheapest model; empty where none does."""

    def strain(self, tenant: str, tags: Mapping[str, str]) -> str: ...


class MemoryLedger:
    """Rows in a list, for use without a store."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}
        self._asks: dict[tuple[str, str], AskRow] = {}
        self._lock = threading.Lock()

    @property
    def calls(self) -> tuple[Call, ...]:
        with self._lock:
            return tuple(self._calls.values())

    @property
    def asks(self) -> tuple[AskRow, ...]:
        with self._lock:
            return tuple(self._asks.values())

    def start(self, call: Call) -> None:
        with self._lock:
            self._calls[call.call_id] = call

    settle = record = start

    def finish(self, ask: AskRow) -> None:
        with self._lock:
            self._asks[ask.tenant, ask.prompt_id] = ask

    def cost_of(self, prompt_id: str, *, tenant: str) -> Decimal:
        own = (call for call in self.calls if (call.prompt_id, call.tenant) == (prompt_id, tenant))
        return exact_sum(call.cost for call in own)

    def past(self, *, collection: str, tenant: str) -> tuple[PastAsk, ...]:
        """How the latest asks of a tenant's collection went, the last one first."""
        return past_of(self.asks, self.calls, collection=collection, tenant=tenant)


class Price(Protocol):
    """A price row: what a usage costs, and where the rates come from."""

    @property
    def reference(self) -> str: ...

    def cost(self, usage: Usage, *, tier: str = "") -> Decimal: ...


class OpenCall:
    """A request on its way. ``settle`` says what the provider billed; ``finish_reason`` and ``guardrail`` are for
    observers."""

    finish_reason = ""
    guardrail = ""
    category = ""

    def __init__(self, call: Call, price: Price | None) -> None:
        self.call = call
        self._price = price
        self._began = 0.0

    def begin(self) -> None:
        """The request is sent now."""
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the request was sent."""
        return time.perf_counter() - self._began

    def settle(self, usage: Usage, *, served: str = "", tier: str = "", price: Price | None = None) -> None:
        """Price ``usage``; ``price`` when another model served than was asked."""
        rates = price or self._price
        self.call = replace(
            self.call,
            usage=usage,
            served=served or self.call.model,
            tier=tier,
            price=rates.reference if rates else LOCAL_PRICE,
            cost=rates.cost(usage, tier=tier) if rates else Decimal(0),
            status="done",
            seconds=self.seconds,
        )

    def broke_off(self, error: BaseException) -> None:
        """Note the error, and unless it was settled before, what the provider may bill all the same."""
        name = (error.code if isinstance(error, ModelError) else "") or type(error).__name__
        self.call = replace(self.call, error=name)
        self.category = category_of(error)
        if self.call.status != "started":
            return
        refused = isinstance(error, ModelError) and not error.may_be_billed
        self.call = replace(
            self.call,
            status="failed" if refused or not self._price else "unknown",
            cost=Decimal(0) if refused or not self._price else self.call.cost,
            usage=Usage() if refused else self.call.usage,
            seconds=self.seconds,
        )

    def end(self) -> None:
        """What nobody settled is local work that is done, or not known."""
        if self.call.status == "started":
            status: Status = "unknown" if self._price else "done"
            self.call = replace(self.call, status=status, served=self.call.model, seconds=self.seconds)


@contextmanager
def metered(
    ledger: Ledger,
    *,
    stage: Stage,
    model: str,
    price: Price | None = None,
    worst: Usage | None = None,
    region: str = "",
    tier: str = "",
) -> Iterator[OpenCall]:
    """Account for one request: the body sends it and calls ``settle`` on what this yields.

    Raises OverBudget, and sends nothing, where the request may take more than a budget or the ask has left.
    ``price=None`` is local work, written once, when it is done. A body that fails before it settles
    leaves a ``failed`` row at no cost, or ``unknown`` at the worst case where the provider may bill
    the try all the same (``ModelError.may_be_billed``, or an error that is no ModelError). A body
    that fails after it settled leaves a ``done`` row that names the error.
    """
    trace = current()
    opened = OpenCall(
        Call(
            call_id=new_id(),
            prompt_id=trace.prompt_id,
            attempt=trace.attempt,
            tenant=trace.tenant,
            tags=trace.tags,
            stage=stage,
            model=model,
            region=region,
            tier=tier,
            started_at=datetime.now(UTC),
            price=price.reference if price else LOCAL_PRICE,
            cost=price.cost(worst or Usage(), tier=tier) if price else Decimal(0),
            usage=worst or Usage(),
        ),
        price,
    )
    granted, most = allowance() if price else None, opened.call
    if granted:
        granted.take(tokens=most.usage.total_tokens, usd=most.cost)
    if price:
        try:
            ledger.start(opened.call)
        except BaseException:
            if granted:
                granted.give_back(tokens=most.usage.total_tokens, usd=most.cost)
            raise
    opened.begin()
    try:
        yield opened
    except BaseException as error:
        opened.broke_off(error)
        raise
    finally:
        opened.end()
        emit(
            CallEnded(
                call=opened.call,
                max_tokens=worst.output_tokens if worst else 0,
                finish_reason=opened.finish_reason,
                guardrail=opened.guardrail,
                category=opened.category,
            )
        )
        if granted:
            granted.give_back(
                tokens=most.usage.total_tokens - opened.call.usage.total_tokens,
                usd=exact_sum((most.cost, opened.call.cost.copy_negate())),
            )
        if price:
            ledger.settle(opened.call)
        else:
            ledger.record(opened.call)
