"""The billed tokens of one ask: taken before a request, given back as far as they were not billed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ragdiet.account import Call, MemoryLedger, UnitPrice, allowing, exact_sum, metered
from ragdiet.errors import ModelUnavailable, OverBudget
from ragdiet.types import Usage

PRICE = UnitPrice(reference="a price", total=Decimal("0.01"))


def request(ledger: MemoryLedger, worst: int, billed: int | None = None, error: Exception | None = None) -> None:
    with metered(ledger, stage="generate", model="m", price=PRICE, worst=Usage(input_tokens=worst)) as call:
        if error:
            raise error
        if billed is not None:
            call.settle(Usage(input_tokens=billed))


def left(ledger: MemoryLedger) -> int:
    with pytest.raises(OverBudget, match="max_billed_tokens has") as refused:
        request(ledger, 1_000_000)
    return int(refused.value.left)


def test_what_was_not_billed_is_given_back() -> None:
    ledger = MemoryLedger()
    with allowing(100):
        request(ledger, 100, billed=30)
        assert left(ledger) == 70
        with pytest.raises(ModelUnavailable):
            request(ledger, 70, error=ModelUnavailable("gone"))
        assert left(ledger) == 70
        with pytest.raises(ModelUnavailable):
            request(ledger, 20, error=ModelUnavailable("cut off", may_be_billed=True))
        request(ledger, 10)  # nobody said what it cost
        assert left(ledger) == 40
    assert len(ledger.calls) == 4
    request(ledger, 1_000, billed=1_000)


def test_a_request_that_the_ledger_refuses_takes_nothing() -> None:
    class Refusing(MemoryLedger):
        def start(self, call: Call) -> None:
            raise OverBudget(budget="another", unit="usd", left=Decimal(0), asked=call.cost)

    with allowing(100):
        with pytest.raises(OverBudget, match="another has"):
            request(Refusing(), 60)
        assert left(MemoryLedger()) == 100


def test_money_is_held_back_to_the_last_digit() -> None:
    ledger, tail = MemoryLedger(), Decimal("1e-40")
    with allowing(None, exact_sum((PRICE.total, tail))):
        request(ledger, 1, billed=1)
        with pytest.raises(OverBudget, match="max_cost has") as refused:
            request(ledger, 1)
        assert (refused.value.left, refused.value.unit) == (tail, "usd")
    assert [call.cost for call in ledger.calls] == [PRICE.total]


def test_local_work_takes_nothing() -> None:
    ledger = MemoryLedger()
    with allowing(0):
        with metered(ledger, stage="embed", model="local") as call:
            call.settle(Usage(input_tokens=50))
        assert left(ledger) == 0
