"""`metered`: a row before the request, settled after it, whatever happens between."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from ragdiet.account import LOCAL_PRICE, Call, MemoryLedger, PriceRow, metered
from ragdiet.errors import AccessDenied, BadReply, ModelError, ModelTimeout, ModelUnavailable, Throttled
from ragdiet.observe import Trace, tracing
from ragdiet.types import Usage

PRICE = PriceRow(
    model="m",
    kind="generate",
    input=Decimal(1),
    output=Decimal(4),
    tiers={"flex": Decimal("0.5")},
    source="here",
    checked=date(2026, 1, 1),
)
WORST = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


class Recorder(MemoryLedger):
    """Keeps the order of what is written, too."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[str, Call]] = []

    def start(self, call: Call) -> None:
        self.written.append(("start", call))
        super().start(call)

    def settle(self, call: Call) -> None:
        self.written.append(("settle", call))
        super().settle(call)

    def record(self, call: Call) -> None:
        self.written.append(("record", call))
        super().record(call)


@pytest.fixture
def ledger() -> Recorder:
    return Recorder()


def test_a_row_is_written_before_the_body_runs_and_settled_after(ledger: Recorder) -> None:
    with (
        tracing(Trace(prompt_id="p", tenant="t", tags={"k": "v"}, attempt=2)),
        metered(ledger, stage="generate", model="m", price=PRICE, worst=WORST, region="r") as call,
    ):
        ((verb, started),) = ledger.written
        assert (verb, started.status, started.cost, started.usage) == ("start", "started", 5, WORST)
        call.settle(Usage(input_tokens=1_000_000), served="n", tier="flex")
    (_, (verb, settled)) = ledger.written
    assert (verb, settled.status, settled.cost) == ("settle", "done", Decimal("0.5"))
    assert (settled.call_id, settled.served, settled.tier) == (started.call_id, "n", "flex")
    assert (settled.prompt_id, settled.tenant, settled.attempt, settled.tags) == ("p", "t", 2, {"k": "v"})
    assert (settled.stage, settled.model, settled.region, settled.price) == ("generate", "m", "r", PRICE.reference)
    assert settled.seconds > 0
    assert timedelta(0) <= datetime.now(UTC) - settled.started_at < timedelta(minutes=1)
    assert ledger.calls == (call.call,) == (settled,)


def test_the_worst_case_is_that_of_the_tier_asked_for(ledger: Recorder) -> None:
    with metered(ledger, stage="generate", model="m", price=PRICE, worst=WORST, tier="flex") as call:
        assert (call.call.cost, call.call.tier) == (Decimal("2.5"), "flex")
        call.settle(Usage())


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (Throttled("t", code="ThrottlingException"), "failed", "ThrottlingException"),
        (AccessDenied("a"), "failed", "AccessDenied"),
        (ModelUnavailable("u", may_be_billed=False), "failed", "ModelUnavailable"),
        (ModelUnavailable("u", may_be_billed=True), "unknown", "ModelUnavailable"),
        (ModelTimeout("t"), "unknown", "ModelTimeout"),
        (BadReply("b"), "unknown", "BadReply"),
        (BadReply("b", may_be_billed=False), "failed", "BadReply"),
        (ZeroDivisionError(), "unknown", "ZeroDivisionError"),
        (KeyboardInterrupt(), "unknown", "KeyboardInterrupt"),
    ],
)
def test_a_failed_try_costs_nothing_only_where_that_is_sure(
    error: BaseException, status: str, name: str, ledger: Recorder
) -> None:
    with (
        pytest.raises(type(error)),
        metered(ledger, stage="generate", model="m", price=PRICE, worst=WORST),
    ):
        raise error
    (row,) = ledger.calls
    assert (row.status, row.error) == (status, name)
    assert (row.cost, row.usage) == ((0, Usage()) if status == "failed" else (5, WORST))


def test_an_error_after_the_bill_is_known_keeps_the_bill(ledger: Recorder) -> None:
    def request() -> None:
        with metered(ledger, stage="embed", model="m", price=PRICE, worst=WORST) as call:
            call.settle(Usage(input_tokens=10))
            raise BadReply("NaN", code="InvalidEmbedding")

    with pytest.raises(BadReply):
        request()
    (row,) = ledger.calls
    assert (row.status, row.cost, row.error) == ("done", Decimal("0.00001"), "InvalidEmbedding")


def test_a_body_that_forgets_to_settle_is_unknown(ledger: Recorder) -> None:
    with metered(ledger, stage="embed", model="m", price=PRICE, worst=WORST):
        pass
    assert [(row.status, row.cost) for row in ledger.calls] == [("unknown", 5)]


def test_local_work_is_written_once_and_free(ledger: Recorder) -> None:
    with metered(ledger, stage="retrieve", model="bm25"):
        assert ledger.written == []
    ((verb, row),) = ledger.written
    assert (verb, row.status, row.cost, row.price, row.served) == ("record", "done", 0, LOCAL_PRICE, "bm25")


def test_local_work_that_fails(ledger: Recorder) -> None:
    with pytest.raises(ZeroDivisionError), metered(ledger, stage="compress", model="diet"):
        raise ZeroDivisionError
    assert [(row.status, row.cost, row.error) for row in ledger.calls] == [("failed", 0, "ZeroDivisionError")]


def test_a_ledger_that_cannot_write_stops_the_request() -> None:
    class Broken(MemoryLedger):
        def start(self, call: Call) -> None:
            raise OSError("disk full")

    sent = False
    with pytest.raises(OSError, match="disk full"), metered(Broken(), stage="embed", model="m", price=PRICE):
        sent = True
    assert not sent


def test_another_price_when_another_model_served(ledger: Recorder) -> None:
    with metered(ledger, stage="generate", model="m", price=PRICE) as call:
        call.settle(Usage(input_tokens=1_000_000), served="n", price=PRICE.noted("of n"))
    assert ledger.calls[0].price == "here @ 2026-01-01 (of n)"


def test_threads_lose_no_row() -> None:
    ledger = MemoryLedger()

    def spend() -> None:
        for _ in range(200):
            with metered(ledger, stage="embed", model="m", price=PRICE) as call:
                call.settle(Usage(input_tokens=1))

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.calls) == 1600
    assert sum(row.cost for row in ledger.calls) == Decimal("0.0016")


def test_whether_a_failed_try_may_be_billed_is_part_of_the_error() -> None:
    assert [kind("m").may_be_billed for kind in (ModelError, Throttled, AccessDenied, ModelUnavailable)] == [False] * 4
    assert [kind("m").may_be_billed for kind in (ModelTimeout, BadReply)] == [True] * 2
    assert Throttled("m", retry_after=2.5).retry_after == 2.5
