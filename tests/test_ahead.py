"""Stages side by side: order, bounds, errors, and that nothing is left running."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ragdiet.ingest.ahead import Ahead, Room
from ragdiet.observe import Trace, current, tracing


def running() -> int:
    return sum(thread.name == "ragdiet-ingest" for thread in threading.enumerate())


def test_results_come_in_their_order() -> None:
    assert list(Ahead(range(100), 3)) == list(range(100))
    assert running() == 0


def test_no_more_than_depth_results_ahead() -> None:
    made = []

    def source() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    stage = Ahead(source(), 2)
    time.sleep(0.3)
    assert len(made) == 3  # two wait, and one is in hand
    next(stage)
    time.sleep(0.3)
    assert len(made) == 4
    stage.close()
    assert running() == 0


def test_no_more_than_so_much_weight_ahead_but_one_result_always() -> None:
    made = []

    def source() -> Iterator[int]:
        for number in (5, 5, 5, 100, 1):
            made.append(number)
            yield number

    stage = Ahead(source(), 10, lambda number: number)
    time.sleep(0.3)
    assert made == [5, 5, 5]
    assert [next(stage) for _ in range(3)] == [5, 5, 5]
    time.sleep(0.3)
    assert made == [5, 5, 5, 100, 1]  # the heavy one waits alone, the last one in hand
    assert list(stage) == [100, 1]


def test_room_is_for_so_much_weight_or_for_one_heavier_thing() -> None:
    room = Room(10)
    entered: list[int] = []

    def enter() -> None:
        for weight in (4, 6, 1, 100, 1):
            room.enter(weight)
            entered.append(weight)

    thread = threading.Thread(target=enter)
    thread.start()
    for left, then in ((0, [4, 6]), (4, [4, 6, 1]), (6, [4, 6, 1]), (1, [4, 6, 1, 100])):
        room.leave(left)
        time.sleep(0.2)
        assert entered == then
    room.close()
    thread.join(timeout=5)
    assert entered == [4, 6, 1, 100, 1]


def test_an_error_comes_where_its_result_would_have_come() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    stage = Ahead(source(), 5)
    assert next(stage) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stage)
    with pytest.raises(StopIteration):
        next(stage)
    stage.close()


def test_close_stops_stages_behind_stages_and_closes_generators() -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield from iter(int, 1)
        finally:
            closed.append(True)

    def doubled(numbers: Ahead[int]) -> Iterator[int]:
        for number in numbers:
            yield 2 * number

    first = Ahead(source(), 1)
    second = Ahead(doubled(first), 1)
    next(second)
    first.close()
    second.close()
    assert closed == [True]
    assert running() == 0


def test_ready_does_not_wait() -> None:
    gate = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        gate.wait()
        yield 2

    stage = Ahead(source(), 5)
    assert next(stage) == 1
    assert stage.ready() is None
    gate.set()
    assert next(stage) == 2
    assert list(stage) == []
    assert stage.ready() is None


def test_the_thread_has_the_trace_of_its_maker() -> None:
    with tracing(Trace(prompt_id="mine", tenant="t", tags={})):
        stage = Ahead((current().prompt_id for _ in range(2)), 1)
        assert list(stage) == ["mine", "mine"]
