"""What the chain's benchmark makes of replies that it has noted, and how it chooses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.chain_checks import Checked, Guard, Odds
from benchmarks.chain_money import Policy, choices
from benchmarks.chain_played import Read, Reply


def reply(confidence: float | None = None, *, right: bool = True, cost: float = 0.01) -> Reply:
    """An answer of this confidence; a refusal without one."""
    return Reply(refused=confidence is None, right=right, confidence=confidence or 0.0, cost=cost)


BIG = reply(0.9, cost=1.0)


@pytest.mark.parametrize(
    ("found", "small", "right", "cost", "escalated"),
    [
        (0.1, reply(0.9), False, 0.0, ""),
        (0.9, reply(0.5), True, 0.01, ""),
        (0.9, reply(0.4), True, 1.01, "right answer"),
        (0.9, reply(0.4, right=False), True, 1.01, "wrong answer"),
        (0.6, reply(right=False), True, 1.01, "wrong refusal"),
        (0.59, reply(right=False), False, 0.01, ""),
    ],
)
def test_a_policy_ends_as_its_chain_does(found: float, small: Reply, right: bool, cost: float, escalated: str) -> None:
    ended = Policy(0.2, 0.5, 0.6).ends(Read(answerable=True, found=found, small=small, big=BIG))
    assert (ended.right, ended.escalated) == (right, escalated)
    assert ended.cost == pytest.approx(cost)


def test_no_question_is_answered_for_nothing() -> None:
    ended = Policy(0.2, 0.5, 0.6).ends(Read(answerable=False, found=0.1, small=reply(0.9), big=BIG))
    assert (ended.right, ended.answered, ended.cost) == (True, False, 0.0)


def test_thresholds_that_tell_right_from_wrong_are_found() -> None:
    read = [
        Read(answerable=True, found=0.9, small=reply(0.7), big=BIG),
        Read(answerable=True, found=0.9, small=reply(0.55, right=False), big=BIG),
        Read(answerable=True, found=0.7, small=reply(right=False), big=BIG),
        Read(answerable=False, found=0.5, small=reply(), big=reply(cost=1.0)),
        Read(answerable=False, found=0.5, small=reply(), big=reply(cost=1.0)),
    ] * 4
    chosen = choices(read)
    as_right = chosen["as right as always big"]
    assert 0.55 < as_right.accept <= 0.7
    assert 0.5 < as_right.believed <= 0.7
    assert chosen["no refusal believed, as right as always big"].believed == 0
    assert sum(as_right.ends(each).cost for each in read) == pytest.approx(4 * 2.05)


@pytest.mark.parametrize(
    ("small", "right", "cost"),
    [
        (reply(0.7), True, 0.0103),
        (reply(0.7, right=False), True, 1.0103),
        (reply(0.4), True, 1.01),  # once allowed it would be 0.67, under 0.8
        (reply(0.8), True, 0.01),
        (reply(right=False), True, 1.01),
    ],
)
def test_an_answer_in_doubt_is_checked_at_its_price(small: Reply, right: bool, cost: float) -> None:
    guard = Guard(are=Odds(1.0, 1.0), told=Odds(0.9, 0.7))
    read = Read(answerable=True, found=0.9, small=replace(small, checked=2_001), big=BIG)
    ended = Checked(Policy(0.0, 0.8, 0.0), guard).ends("Why?", read)
    assert ended.right == right
    assert ended.cost == pytest.approx(cost)


def test_a_check_dearer_than_what_follows_is_not_asked() -> None:
    guard = Guard(are=Odds(1.0, 1.0), told=Odds(0.9, 0.7))
    read = Read(answerable=True, found=0.9, small=replace(reply(0.7), checked=100_000), big=reply(0.9, cost=0.01))
    assert Checked(Policy(0.0, 0.8, 0.0), guard).ends("Why?", read).cost == pytest.approx(0.02)


def test_a_lot_passes_as_often_as_its_odds() -> None:
    odds = Odds(0.9, 0.7)
    passed = {right: sum(odds.passes(right, str(n)) for n in range(1_000)) for right in (True, False)}
    assert passed[True] == pytest.approx(900, abs=40)
    assert passed[False] == pytest.approx(300, abs=60)
