"""The circuit breaker: when it opens, what it lets through, and what closes it."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.bedrock.breaker import Breaker, BreakerPolicy, Circuit, is_outage
from ragdiet.errors import (
    AccessDenied,
    BadReply,
    CircuitOpen,
    InvalidArgument,
    ModelError,
    ModelInputError,
    ModelTimeout,
    ModelUnavailable,
    Throttled,
)

POLICY = BreakerPolicy(in_a_row=3, window=6, share=0.5, lasting=0.0, rest=10.0, longest_rest=35.0, trials=2)


def fed(circuit: Circuit, outcomes: str, *, now: float = 0.0) -> Circuit:
    """The circuit after calls one after the other: ``.`` succeeds, ``x`` fails."""
    for outcome in outcomes:
        circuit = circuit.admitted(now=now)
        circuit = circuit.failed(circuit.period, now=now) if outcome == "x" else circuit.succeeded(circuit.period)
    return circuit


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("", "closed"),
        ("xx", "closed"),
        ("xxx", "open"),
        ("xx..xx", "open"),  # four of the latest six
        (".xx.x", "closed"),  # fewer than a window
        ("x.x..x", "open"),  # half of six
        ("x....x", "closed"),
        ("......xx", "closed"),
        (".........xxx", "open"),
    ],
)
def test_when_it_opens(outcomes: str, state: str) -> None:
    assert fed(Circuit(policy=POLICY), outcomes).state == state


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([(0.0, "x" * 64)], "closed"),  # every connection is dropped at once
        ([(0.0, "x" * 64), (0.3, "." * 64), (1.5, "xx")], "closed"),
        ([(0.0, "xxx"), (0.9, "x"), (1.0, "x")], "open"),
        ([(0.0, "xxx"), (0.9, "......"), (1.0, "xxx")], "closed"),  # it began anew
        ([(0.0, "......x.x.x"), (0.6, ".x"), (1.2, ".x")], "open"),  # half of six, all the time
    ],
)
def test_it_opens_for_what_lasts_a_second(outcomes: list[tuple[float, str]], state: str) -> None:
    circuit = Circuit(policy=dataclasses.replace(POLICY, lasting=1.0))
    for now, these in outcomes:
        circuit = fed(circuit, these, now=now)
    assert circuit.state == state


def test_it_rests_tries_and_closes() -> None:
    circuit = fed(Circuit(policy=POLICY), "xxx", now=100.0)
    assert circuit.left(now=103.0) == 7
    assert circuit.left(now=110.0) == 0
    trial = circuit.admitted(now=110.0)
    assert trial.state == "half-open"
    assert trial.left(now=110.0) > 0  # one trial at a time
    once = trial.succeeded(trial.period)
    assert (once.state, once.left(now=110.0)) == ("half-open", 0)
    twice = once.admitted(now=111.0).succeeded(once.period)
    assert twice.state == "closed"
    assert fed(twice, "xx").state == "closed"  # what was before is forgotten


def test_a_failed_trial_doubles_the_rest_up_to_its_longest() -> None:
    circuit, now, rests = fed(Circuit(policy=POLICY), "xxx"), 0.0, []
    for _ in range(4):
        rests.append(circuit.left(now=now))
        now += rests[-1]
        circuit = circuit.admitted(now=now)
        circuit = circuit.failed(circuit.period, now=now)
    assert rests == [10, 20, 35, 35]


def test_a_trial_of_which_nothing_is_heard_makes_room_for_another() -> None:
    trial = fed(Circuit(policy=POLICY), "xxx").admitted(now=10.0)
    assert trial.left(now=44.0) == 1
    assert trial.left(now=45.0) == 0
    assert trial.dropped(trial.period).left(now=10.0) == 0


def test_calls_of_another_period_change_nothing() -> None:
    before = Circuit(policy=POLICY)
    opened = fed(before, "xxx")
    assert opened.failed(before.period, now=5.0) == opened
    trial = opened.admitted(now=10.0)
    for late in (
        trial.succeeded(before.period),
        trial.failed(before.period, now=10.0),
        trial.dropped(opened.period),
    ):
        assert late == trial


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60))
def test_nothing_passes_an_open_circuit_and_success_closes_it(calls: list[tuple[float, bool]]) -> None:
    circuit, now = Circuit(policy=POLICY), 0.0
    for pause, fails in calls:
        now += pause
        if circuit.left(now=now) > 0:
            assert circuit.state == "open"
            assert now < circuit.since + POLICY.longest_rest
            continue
        circuit = circuit.admitted(now=now)
        assert circuit.state in ("closed", "half-open")
        circuit = circuit.failed(circuit.period, now=now) if fails else circuit.succeeded(circuit.period)
    assert fed(circuit, "..", now=now + POLICY.longest_rest).state == "closed"


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (ModelUnavailable("503", retryable=True), True),
        (ModelUnavailable("no region", retryable=False), False),
        (ModelTimeout("silent", retryable=True), True),
        (BadReply("cut off", retryable=True), True),
        (BadReply("without its usage"), False),
        (Throttled("slow down", retryable=True), False),
        (ModelInputError("too long"), False),
        (AccessDenied("no key"), False),
        (CircuitOpen("open"), False),
        (ModelError("else"), False),
        (KeyboardInterrupt(), False),
        (ValueError(), False),
    ],
)
def test_only_what_is_the_services_making_counts(error: BaseException, counts: bool) -> None:
    assert is_outage(error) is counts
    breaker = Breaker("m", BreakerPolicy(in_a_row=1, lasting=0.0))
    breaker.failed(breaker.admit(), error)
    assert breaker.state == ("open" if counts else "closed")


def test_an_open_circuit_says_why_and_until_when() -> None:
    now = [50.0]
    breaker = Breaker("us.model", POLICY, clock=lambda: now[0])
    for _ in range(3):
        breaker.failed(breaker.admit(), ModelUnavailable("the cellar is flooded.", retryable=True))
    now[0] = 54.0
    with pytest.raises(CircuitOpen, match=r"us\.model.*6\.0 s.*the cellar is flooded") as caught:
        breaker.admit()
    assert (caught.value.retry_after, caught.value.retryable, caught.value.may_be_billed) == (6, False, False)


def test_of_many_threads_one_makes_the_trial() -> None:
    now = [0.0]
    breaker = Breaker("m", POLICY, clock=lambda: now[0])
    for _ in range(3):
        breaker.failed(breaker.admit(), ModelTimeout("silent"))
    now[0] = 10.0
    gate, admitted, refused = threading.Barrier(16), [], []

    def call() -> None:
        gate.wait()
        try:
            admitted.append(breaker.admit())
        except CircuitOpen as error:
            refused.append(error)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(admitted), len(refused)) == (1, 15)


@pytest.mark.parametrize(
    "bad",
    [
        {"in_a_row": 0},
        {"window": 0},
        {"trials": 0},
        {"share": 0.0},
        {"share": 1.5},
        {"lasting": -1.0},
        {"rest": 0.0},
        {"rest": 5.0, "longest_rest": 4.0},
    ],
)
def test_a_policy_that_cannot_work_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InvalidArgument, match="BreakerPolicy"):
        BreakerPolicy(**bad)  # type: ignore[arg-type]
