"""The limiter: what its clock lets go, what throttles teach it, and the order of those that wait."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.bedrock.limiter import Limiter, Pace, Quota
from ragdiet.errors import InvalidArgument, Throttled


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def turn_comes_in(limiter: Limiter, clock: Clock, tokens: int = 0) -> float:
    """Seconds that a request would wait; takes the turn where that is none."""
    try:
        limiter.acquire(tokens, ends=clock.now)
    except Throttled as error:
        return error.retry_after or math.nan
    return 0.0


def cut(limiter: Limiter, tokens: int = 0) -> None:
    for _ in range(3):
        limiter.throttled(limiter.acquire(tokens, ends=math.inf))


def test_without_a_quota_and_throttles_nobody_waits(clock: Clock) -> None:
    limiter = Limiter("m", clock=clock)
    assert all(turn_comes_in(limiter, clock, 10_000) == 0 for _ in range(5_000))
    assert limiter.rate() is None


def test_the_quota_of_requests_is_kept_in_any_minute(clock: Clock) -> None:
    limiter = Limiter("m", Quota(requests=3), clock=clock)
    for _ in range(3):
        assert turn_comes_in(limiter, clock) == 0
        clock.now += 10
    assert turn_comes_in(limiter, clock) == 30
    clock.now += 30
    assert turn_comes_in(limiter, clock) == 0
    assert turn_comes_in(limiter, clock) == 10


def test_the_quota_of_tokens_is_kept_and_what_was_not_used_is_given_back(clock: Clock) -> None:
    limiter = Limiter("m", Quota(tokens=1_000), clock=clock)
    first = limiter.acquire(900, ends=clock.now)
    assert turn_comes_in(limiter, clock, 200) == 60
    limiter.done(first, tokens=300)
    assert turn_comes_in(limiter, clock, 700) == 0
    assert turn_comes_in(limiter, clock, 1) == 60


def test_a_request_above_the_whole_quota_goes_alone(clock: Clock) -> None:
    limiter = Limiter("m", Quota(tokens=100), clock=clock)
    assert turn_comes_in(limiter, clock, 250) == 0
    assert turn_comes_in(limiter, clock, 1) == 60
    assert turn_comes_in(limiter, clock, 250) == 120
    clock.now += 60
    assert turn_comes_in(limiter, clock, 250) == 0


@given(
    arrivals=st.lists(st.tuples(st.floats(0, 20), st.integers(0, 400)), max_size=80),
    requests=st.integers(1, 12),
    tokens=st.integers(400, 2_000),
)
def test_no_minute_ever_holds_more_than_the_quota(
    arrivals: list[tuple[float, int]], requests: int, tokens: int
) -> None:
    clock = Clock()
    limiter = Limiter("m", Quota(requests=requests, tokens=tokens), clock=clock)
    went: deque[tuple[float, int]] = deque()
    for pause, amount in arrivals:
        clock.now += pause
        wait = turn_comes_in(limiter, clock, amount)
        assert 0 <= wait <= 60.001
        if wait == 0:
            went.append((clock.now, amount))
        minute = [each for each in went if each[0] > clock.now - 60]
        assert len(minute) <= requests
        assert sum(each[1] for each in minute) <= tokens


@pytest.mark.parametrize(
    ("outcomes", "cuts"),
    [("xx.xx." + "." * 14, False), ("x......" * 20, False), ("xxx", True), ("x..." * 4 + "x", True), ("xx.xx.x", True)],
)
def test_a_throttle_now_and_then_may_be_chance(outcomes: str, cuts: bool, clock: Clock) -> None:
    limiter = Limiter("m", clock=clock)
    for outcome in outcomes:
        turn = limiter.acquire(ends=math.inf)
        clock.now += 0.01
        limiter.throttled(turn) if outcome == "x" else limiter.done(turn)
    assert (limiter.rate() is not None) is cuts


def test_throttles_halve_the_rate_and_quiet_brings_it_back(clock: Clock) -> None:
    limiter = Limiter("m", clock=clock)
    for _ in range(100):  # 10 a second, all served
        limiter.done(limiter.acquire(ends=math.inf))
        clock.now += 0.1
    cut(limiter)
    assert limiter.rate() == pytest.approx(5, rel=0.05)
    assert turn_comes_in(limiter, clock) == 0
    assert turn_comes_in(limiter, clock) == pytest.approx(0.2, rel=0.05)
    clock.now += 10
    assert limiter.rate() == pytest.approx(10, rel=0.05)
    clock.now += 64
    assert limiter.rate() is None


def test_tokens_are_spread_out_too(clock: Clock) -> None:
    limiter = Limiter("m", clock=clock)
    for _ in range(100):
        limiter.done(limiter.acquire(100, ends=math.inf))
        clock.now += 0.1
    cut(limiter, tokens=100)
    assert turn_comes_in(limiter, clock, 2_500) == 0
    assert turn_comes_in(limiter, clock, 100) == pytest.approx(2_500 / 500, rel=0.1)


def test_requests_under_way_when_the_rate_was_cut_do_not_cut_it_again(clock: Clock) -> None:
    limiter = Limiter("m", clock=clock)
    turns = [limiter.acquire(ends=math.inf) for _ in range(40)]
    clock.now += 1
    for turn in turns[:37]:
        limiter.done(turn)
    for turn in turns[37:]:
        limiter.throttled(turn)
    once = limiter.rate()
    late = [limiter.acquire(ends=math.inf)]
    for turn in [*turns[:9], *late]:
        limiter.throttled(turn)
    assert limiter.rate() == once


def test_the_rate_never_falls_to_nothing(clock: Clock) -> None:
    limiter = Limiter("m", clock=clock)
    for _ in range(20):
        for _ in range(3):
            clock.now += 3
            limiter.throttled(limiter.acquire(ends=clock.now))
    rate = limiter.rate()
    assert rate is not None
    assert rate >= 0.5


def test_what_was_refused_took_no_tokens_of_the_quota(clock: Clock) -> None:
    limiter = Limiter("m", Quota(tokens=1_000), clock=clock)
    limiter.done(limiter.acquire(100, ends=math.inf))
    limiter.throttled(limiter.acquire(900, ends=math.inf))
    assert turn_comes_in(limiter, clock, 900) == 0


def test_a_retry_after_holds_all_back(clock: Clock) -> None:
    limiter = Limiter("m", clock=clock)
    for _ in range(3):
        limiter.throttled(limiter.acquire(ends=math.inf), retry_after=7.0)
    assert turn_comes_in(limiter, clock) == 7
    clock.now += 7
    assert turn_comes_in(limiter, clock) == 0


def test_no_retry_after_holds_back_for_more_than_a_minute(clock: Clock) -> None:
    limiter = Limiter("m", clock=clock)
    for _ in range(3):
        limiter.throttled(limiter.acquire(ends=math.inf), retry_after=86_400.0)
    assert turn_comes_in(limiter, clock) == 60


@pytest.mark.parametrize(("quota", "seconds"), [(60.0, 600), (600.0, 300)])
def test_an_unknown_quota_is_found_and_filled(quota: float, seconds: int, clock: Clock) -> None:
    """Against a service that admits ``quota`` a minute by a token bucket, as AWS does, with no end of work."""
    limiter = Limiter("m", clock=clock)
    level, at, served, refused, began = quota, clock.now, 0, 0, clock.now
    while clock.now < began + seconds:
        try:
            turn = limiter.acquire(ends=clock.now)
        except Throttled as error:
            clock.now += (error.retry_after or math.nan) + 1e-6
            continue
        clock.now += 0.02
        level, at = min(quota, level + (clock.now - at) * quota / 60), clock.now
        if level >= 1:
            level -= 1
            served += 1
            limiter.done(turn)
        else:
            refused += 1
            limiter.throttled(turn)
    assert served >= 0.8 * quota * seconds / 60
    assert refused <= 0.2 * served


def test_who_comes_first_goes_first() -> None:
    limiter = Limiter("m")
    for _ in range(20):
        limiter.done(limiter.acquire(ends=math.inf))
    for _ in range(3):
        limiter.throttled(limiter.acquire(ends=math.inf))
    order: list[tuple[int, float]] = []

    def go(number: int) -> None:
        limiter.acquire(ends=time.monotonic() + 10)
        order.append((number, time.monotonic()))

    threads = [threading.Thread(target=go, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
        time.sleep(0.005)
    for thread in threads:
        thread.join()
    assert [number for number, _ in order] == list(range(10))
    gaps = [later - earlier for (_, earlier), (_, later) in pairwise(order)]
    assert 0.3 < sum(gaps) < 2  # ten a second; without a limit it would be all at once


def test_a_newcomer_does_not_pass_one_who_still_sleeps(clock: Clock) -> None:
    limiter = Limiter("m", Quota(requests=2), clock=clock)
    limiter.acquire(ends=math.inf)
    limiter.acquire(ends=math.inf)
    order: list[str] = []

    def go(name: str) -> None:
        limiter.acquire(ends=clock.now + 300)
        order.append(name)

    threads = [threading.Thread(target=go, args=(name,)) for name in ("first", "newcomer")]
    threads[0].start()
    time.sleep(0.05)
    clock.now += 61  # its turn has come, and it does not know it yet
    threads[1].start()
    time.sleep(0.05)
    assert order == []
    with limiter._lock:
        limiter._call_next()
    for thread in threads:
        thread.join(5)
    assert order == ["first", "newcomer"]


def test_what_is_given_back_wakes_who_waits() -> None:
    limiter = Limiter("m", Quota(tokens=1_000))
    turn = limiter.acquire(1_000, ends=math.inf)
    went = threading.Event()

    def go() -> None:
        limiter.acquire(500, ends=time.monotonic() + 100)
        went.set()

    thread = threading.Thread(target=go)
    thread.start()
    assert not went.wait(0.05)
    limiter.done(turn, tokens=100)
    assert went.wait(2)
    thread.join()


def test_a_turn_that_comes_too_late_is_told_at_once() -> None:
    limiter = Limiter("us.model", Quota(requests=1))
    limiter.acquire(ends=math.inf)
    began = time.monotonic()
    with pytest.raises(Throttled, match=r"us\.model.*with 5\.0 s left") as caught:
        limiter.acquire(ends=began + 5)
    assert time.monotonic() - began < 1
    assert (caught.value.code, caught.value.retryable, caught.value.may_be_billed) == ("NoTurn", False, False)
    assert caught.value.retry_after == pytest.approx(60, abs=1)


def test_those_behind_one_who_gives_up_move_on() -> None:
    limiter = Limiter("m")
    for _ in range(3):
        limiter.throttled(limiter.acquire(ends=math.inf), retry_after=0.3)
    outcomes: list[str] = []

    def go(name: str, seconds: float) -> None:
        try:
            limiter.acquire(ends=time.monotonic() + seconds)
            outcomes.append(name)
        except Throttled:
            outcomes.append(f"{name} gave up")

    threads = [threading.Thread(target=go, args=each) for each in (("first", 20.0), ("hasty", 0.1), ("last", 20.0))]
    for thread in threads:
        thread.start()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert outcomes == ["hasty gave up", "first", "last"]


def test_the_concurrency_that_fills_the_quota(clock: Clock) -> None:
    limiter = Limiter("m", Quota(requests=600), clock=clock)
    assert limiter.concurrency(32) == 32  # nothing is known of the seconds yet
    turn = limiter.acquire(ends=math.inf)
    clock.now += 0.45
    limiter.done(turn)
    assert limiter.concurrency(32) == 5  # ten a second, 0.45 s each
    assert limiter.concurrency(3) == 3
    by_tokens = Limiter("m", Quota(requests=600, tokens=6_000), clock=clock)
    turn = by_tokens.acquire(50, ends=math.inf)
    clock.now += 3.9
    by_tokens.done(turn)
    assert by_tokens.concurrency(32) == 8  # two a second


def test_a_pace_of_nothing_before_waits_for_nobody() -> None:
    pace = Pace(4.0, now=0.0)
    assert pace.wait(0.0) == 0
    pace.take(0.0, 3)
    assert pace.wait(0.5) == 1.0
    assert pace.wait(9.0) == 0


@pytest.mark.parametrize("bad", [{"requests": 0}, {"tokens": -1}, {"requests": math.inf}, {"tokens": math.nan}])
def test_a_quota_that_is_none_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InvalidArgument, match="a minute"):
        Quota(**bad)
