"""The benchmark of Bedrock's calls, small; and that its bookkeeping sees what is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from benchmarks import bedrock_storm
from benchmarks.bedrock_faults import agree, merged
from benchmarks.bedrock_pieces import item_of, passage, question
from benchmarks.bedrock_storm import books

from ragdiet.account import Call
from ragdiet.testing.bedrock import Served

ROW = Call(
    call_id="1",
    prompt_id="7",
    attempt=1,
    stage="generate",
    model="m",
    started_at=datetime(2026, 11, 30, tzinfo=UTC),
    status="done",
    cost=Decimal("0.002"),
)
REQUEST = Served(
    request_id="r",
    operation="Converse",
    model="m",
    status=200,
    region="us-east-1",
    request={"messages": [{"content": [{"text": f"{passage(7)} {question(7)}"}]}]},
    billed=True,
    cost=Decimal("0.002"),
)


def test_rows_agree_with_the_bill_to_the_last_digit() -> None:
    assert agree(ROW, REQUEST)
    assert not agree(ROW, replace(REQUEST, cost=Decimal("0.0020000000001")))
    assert not agree(replace(ROW, status="failed", cost=Decimal(0)), REQUEST)
    assert agree(replace(ROW, status="failed", cost=Decimal(0)), replace(REQUEST, billed=False))
    assert agree(replace(ROW, status="unknown", cost=Decimal("0.01")), REQUEST)
    assert not agree(replace(ROW, status="unknown", cost=Decimal("0.001")), REQUEST)
    assert not agree(replace(ROW, status="started"), REQUEST)
    with pytest.raises(LookupError, match="no rate"):
        agree(ROW, replace(REQUEST, cost=None))


def test_a_lost_row_and_a_double_one_are_told_apart() -> None:
    assert item_of(REQUEST.request) == 7
    right = books([ROW], [REQUEST])
    assert (right["lost_rows"], right["double_rows"], right["calls_whose_books_differ"]) == (0, 0, 0)
    assert books([], [REQUEST])["lost_rows"] == 1
    assert books([ROW, ROW], [REQUEST])["double_rows"] == 1
    other = replace(ROW, prompt_id="8")
    assert (books([other], [REQUEST])["lost_rows"], books([other], [REQUEST])["double_rows"]) == (1, 1)


def test_a_small_storm_loses_nothing() -> None:
    found = bedrock_storm.measure(120, seed=3)
    assert sum(row["calls"] for row in found["outcomes"]) == 120
    assert found["requests"] > 120
    for name in ("wrong_answers", "hung_threads", "lost_rows", "double_rows", "calls_whose_books_differ"):
        assert found[name] == 0, name


def test_rows_of_one_outcome_are_one() -> None:
    rows = [
        {"fault": "reset", "way": "thread", "seconds": 0.1, "outcome": "right"},
        {"fault": "reset", "way": "awaited", "seconds": 0.3, "outcome": "right"},
        {"fault": "reset", "way": "streamed", "seconds": 0.2, "outcome": "wrong"},
    ]
    assert merged(rows) == [
        {"fault": "reset", "way": ["thread", "awaited"], "seconds": 0.3, "outcome": "right"},
        {"fault": "reset", "way": ["streamed"], "seconds": 0.2, "outcome": "wrong"},
    ]
