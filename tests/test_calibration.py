"""Our tokens as models bill them: the band that is learnt, and that it is kept."""

from __future__ import annotations

import math
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.account import Calibration, PostgresRatios, Ratio
from ragdiet.account.ratio import ENOUGH, WINDOW
from ragdiet.observe import Trace, tracing
from ragdiet.store import Database

KEY = ("model", "cl100k")


def learnt(ratios: list[float]) -> Ratio:
    return Ratio(tuple(map(math.log, ratios)))


def spread(seed: int, many: int, middle: float = 1.25, deviation: float = 0.03) -> list[float]:
    chance = random.Random(seed)
    return [middle * math.exp(chance.gauss(0, deviation)) for _ in range(many)]


def test_until_enough_replies_were_seen_the_constant_holds() -> None:
    for many in (0, 1, ENOUGH - 1):
        ratio = learnt([1.1] * many)
        assert (ratio.is_known, ratio.expected(1000), ratio.most(1000)) == (False, 1000, 1300)
        assert (ratio.least(1300), ratio.fits(600), round(ratio.margin, 9)) == (1000, 600, 0.3)


def test_a_model_that_bills_more_than_the_constant_is_believed_at_once() -> None:
    assert learnt([1.5]).most(1000) == pytest.approx(1650, abs=1)


def test_what_is_billed_as_a_quarter_more_is_expected_as_a_quarter_more() -> None:
    ratio = learnt(spread(1, ENOUGH))
    assert abs(ratio.middle - 1.25) < 0.02
    assert 0.1 < ratio.margin < 0.3
    assert ratio.least(1000) < ratio.expected(1000) < ratio.most(1000)


def test_after_fifty_replies_none_of_the_next_five_hundred_is_billed_above() -> None:
    for seed in range(100):
        ratio = learnt(spread(seed, ENOUGH))
        assert max(spread(seed + 1000, 500)) * 1000 <= ratio.most(1000)


def test_one_absurd_bill_moves_nothing() -> None:
    usual = spread(3, 100)
    with_fault = Ratio(tuple(map(math.log, [*usual, 6.0])))
    assert abs(with_fault.most(10_000) / learnt(usual).most(10_000) - 1) < 0.02


def test_two_high_bills_are_no_accident() -> None:
    assert learnt([*spread(3, 100), 2.0, 2.0]).most(1000) > 2000


def test_a_tokenizer_that_changes_is_followed() -> None:
    calibration = Calibration()
    for ratio in [*spread(1, 500, 1.0), *spread(2, WINDOW, 1.4)]:
        calibration.learn(KEY, 1000, round(1000 * ratio))
    assert abs(calibration.ratio(KEY).middle - 1.4) < 0.02


@given(st.lists(st.floats(0.5, 3), min_size=ENOUGH, max_size=WINDOW), st.integers(1, 10**6))
def test_what_fits_is_not_billed_above_the_budget(ratios: list[float], budget: int) -> None:
    ratio = learnt(ratios)
    fits = ratio.fits(budget)
    assert fits == 1 or fits * max(sorted(ratios)[:-1]) <= budget
    assert ratio.least(fits) <= ratio.expected(fits) <= ratio.most(fits)


def test_short_texts_are_allowed_what_a_model_puts_round_them() -> None:
    ratio = learnt([1.0] * ENOUGH)
    assert ratio.most(2) == 2 + 9
    assert ratio.most(0) == 0
    assert ratio.most(200) < 200 * 1.03 + 1


@pytest.mark.parametrize(("counted", "billed"), [(31, 31), (1000, 0), (1000, -5), (1000, 8_001), (1000, 124), (0, 5)])
def test_a_usage_that_cannot_be_is_not_learnt_from(counted: int, billed: int) -> None:
    calibration = Calibration()
    calibration.of(*KEY).learn(counted, billed)
    assert calibration.ratio(KEY).logs == ()


def test_each_model_counter_and_tenant_has_a_ratio_of_its_own() -> None:
    calibration = Calibration()
    with tracing(Trace(prompt_id="p", tenant="german")):
        for _ in range(ENOUGH):
            calibration.of("a", "cl100k").learn(1000, 1500)
        assert calibration.of("a", "cl100k").now.expected(1000) == 1500
        assert not calibration.of("b", "cl100k").now.is_known
        assert not calibration.of("a", "words").now.is_known
    assert not calibration.of("a", "cl100k").now.is_known


def test_a_full_window_takes_in_eight_ordinary_replies_together_and_an_odd_one_at_once() -> None:
    calibration = Calibration()
    for ratio in spread(1, WINDOW):
        calibration.learn(KEY, 1000, round(1000 * ratio))
    before = calibration.ratio(KEY)
    for _ in range(7):
        calibration.learn(KEY, 1000, round(1000 * before.middle))
    assert calibration.ratio(KEY) is before
    calibration.learn(KEY, 1000, round(1000 * before.middle))
    assert calibration.ratio(KEY).logs[:-8] == before.logs[8:]
    before = calibration.ratio(KEY)
    calibration.learn(KEY, 1000, 3000)
    assert calibration.ratio(KEY).logs[-1] == math.log(3)


def test_threads_lose_nothing() -> None:
    calibration = Calibration()

    def work() -> None:
        for _ in range(20):
            calibration.learn(KEY, 1000, 1250)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calibration.ratio(KEY).logs) == 160


def test_ratios_outlive_the_process(database: Database) -> None:
    first = Calibration(PostgresRatios(database))
    for ratio in spread(1, 55):
        first.learn(KEY, 1000, round(1000 * ratio))
    first.close()
    second = Calibration(PostgresRatios(database))
    assert len(second.ratio(KEY).logs) == 55
    assert second.ratio(KEY).most(1000) == pytest.approx(first.ratio(KEY).most(1000), abs=1)
    with tracing(Trace(prompt_id="p", tenant="other")):
        assert not second.ratio(KEY).is_known


def test_processes_that_learn_at_once_add_up_and_the_latest_are_kept(database: Database) -> None:
    ones, others = (Calibration(PostgresRatios(database)) for _ in range(2))
    assert ones.ratio(KEY).logs == others.ratio(KEY).logs == ()  # both have read before either has kept
    for calibration, billed in ((ones, 1100), (others, 1200)):
        for _ in range(WINDOW - 50):
            calibration.learn(KEY, 1000, billed)
        calibration.close()
    logs = PostgresRatios(database).load("")[KEY]
    assert len(logs) == WINDOW
    assert [round(math.exp(log), 3) for log in logs] == [1.1] * 50 + [1.2] * (WINDOW - 50)
    with database.transaction(tenant="") as connection:
        assert connection.execute("SELECT seen FROM ragdiet.calibration").fetchone() == (2 * (WINDOW - 50),)


def test_a_database_that_cannot_be_reached_costs_no_question(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(dsn, timeout=5)
    database.close()
    calibration = Calibration(PostgresRatios(database))
    for _ in range(ENOUGH):
        calibration.learn(KEY, 1000, 1250)
    calibration.close()
    assert calibration.ratio(KEY).expected(1000) == 1250
    assert "could not be kept" in caplog.text
