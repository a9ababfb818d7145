"""The storm of kills and faults, small; and that its bookkeeping sees what is wrong."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from benchmarks.money_storm import Kept, books, storm

from ragdiet.testing.bedrock import Served

ROW = Kept(prompt_id="t1r1", status="done", cost=Decimal("0.002"), error="")
REQUEST = Served(
    request_id="r",
    operation="InvokeModel",
    model="m",
    status=200,
    region="us-east-1",
    request={"inputText": "Ticket t1r1: what is the code of item 1001?"},
    billed=True,
    cost=Decimal("0.002"),
)
ABANDONED = replace(ROW, status="unknown", error="Abandoned")


def test_no_row_is_lost_or_doubled_when_asker_and_database_are_killed() -> None:
    found = storm(120, process_kills=1, database_kills=1, threads=16)
    assert found["answers"] == 120
    assert found["left_in_spool"] == 0
    assert found["rows_that_waited_on_disk"] > 0
    assert found["lost_rows"] == found["double_rows"] == found["rows_that_differ_from_their_request"] == 0
    assert Decimal(found["difference_usd"]) == 0 < Decimal(found["settled_usd"])
    assert found["answers_without_a_row"] == found["answers_whose_cost_is_not_their_rows"] == 0


@pytest.mark.parametrize(
    ("rows", "requests", "wrong"),
    [
        ([ROW], [REQUEST], None),
        ([ROW, ABANDONED], [REQUEST], None),  # the process died before the request was out
        ([ABANDONED], [REQUEST], None),
        ([], [REQUEST], "lost_rows"),
        ([ROW], [REQUEST, REQUEST], "lost_rows"),
        ([ROW, ROW], [REQUEST], "double_rows"),
        ([ROW], [], "double_rows"),
        ([replace(ROW, cost=Decimal("0.0021"))], [REQUEST], "rows_that_differ_from_their_request"),
        ([replace(ROW, status="failed", cost=Decimal(0))], [REQUEST], "rows_that_differ_from_their_request"),
        ([replace(ABANDONED, cost=Decimal("0.001"))], [REQUEST], "rows_that_differ_from_their_request"),
        ([replace(ROW, prompt_id="t2r1")], [REQUEST], "lost_rows"),
    ],
)
def test_books_tell_what_is_wrong(rows: list[Kept], requests: list[Served], wrong: str | None) -> None:
    found = books(rows, requests)
    faults = ("lost_rows", "double_rows", "rows_that_differ_from_their_request")
    assert (found[wrong] > 0) if wrong else not any(found[name] for name in faults)
