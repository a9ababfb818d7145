"""What was spent, as rows, as text for people and programs, and as a page: each figure is that of the ledger."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from benchmarks.money_report import alarms, forecasts
from benchmarks.money_rows import fill
from lxml import html

from ragdiet import RAG
from ragdiet.account import AskRow, Call, PriceBook, SpendingBudget
from ragdiet.errors import InvalidArgument, StoreError
from ragdiet.report import anomalies, csv_lines, each_cost, forecast, json_lines, read_costs, read_spend
from ragdiet.store import Database
from ragdiet.terminal import costs_lines
from ragdiet.types import Usage
from tests.conftest import Roles, create_database, database_dsn
from tests.embedders import WordEmbedder

NOW = datetime.now(UTC)
MODEL = "us.amazon.nova-lite-v1:0"
HOSTILE = "<script>alert(1)</script><img src=https://evil.example/x> \x1b[2J ‮ & '\""


def call(number: int, cost: str, **more: object) -> Call:
    fields: dict[str, object] = {
        "prompt_id": f"p{number}",
        "attempt": 1,
        "stage": "generate",
        "model": MODEL,
        "started_at": NOW - timedelta(hours=1),
        "usage": Usage(input_tokens=100, output_tokens=10, cache_read_tokens=50, cache_write_5m_tokens=25),
        "status": "done",
    }
    return Call(call_id=f"c{number}-{cost}", cost=Decimal(cost), **(fields | more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(server: object, template: str) -> Iterator[str]:
    """A year of made asks, and the DSN of their database."""
    create_database(server, "test_money_rows", template)  # type: ignore[arg-type]
    dsn = database_dsn(server, "test_money_rows")  # type: ignore[arg-type]
    with psycopg.connect(dsn) as connection:
        fill(connection, 30_000)
    yield dsn
    with psycopg.connect(server.dsn, autocommit=True) as connection:  # type: ignore[attr-defined]
        connection.execute("DROP DATABASE test_money_rows WITH (FORCE)")


def one_value(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return row[0]


def test_rows_say_all_of_a_key(rag: RAG) -> None:
    rag.ledger.record(call(1, "0.00000000000000000001", status="unknown"))
    rag.ledger.record(call(1, "2", attempt=2))
    rag.ledger.record(call(2, "3", region="eu-west-1"))
    (row,) = rag.costs(by="model")
    assert (row.key, row.calls, row.asks) == (MODEL, 3, 2)
    assert (row.input_tokens, row.uncached_tokens, row.cache_read_tokens, row.cache_write_tokens) == (525, 300, 150, 75)
    assert row.cost == Decimal("5.00000000000000000001")
    assert (row.unsettled_calls, row.unsettled) == (1, Decimal("0.00000000000000000001"))
    assert row.cost_per_ask == row.cost / 2
    assert [(r.keys, r.cost) for r in rag.costs(("stage", "region"))] == [
        (("generate", "eu-west-1"), Decimal(3)),
        (("generate", ""), Decimal("2.00000000000000000001")),
    ]


def test_a_period_has_its_first_moment_and_not_its_last(rag: RAG) -> None:
    for number in range(3):
        rag.ledger.record(call(number, "1", started_at=datetime(2026, 11, 1 + number, tzinfo=UTC)))
    first, second, third = (datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2, 3))
    assert [row.key for row in rag.costs("day", since=second)] == ["2026-11-02", "2026-11-03"]
    assert [row.key for row in rag.costs("day", until=third)] == ["2026-11-01", "2026-11-02"]
    assert [row.key for row in rag.costs("hour", first, second)] == ["2026-11-01 00:00"]


def test_asks_are_told_by_collection_and_reuse(rag: RAG) -> None:
    rag.ledger.record(call(1, "1"))
    rag.ledger.record(call(2, "2"))
    rag.ledger.finish(AskRow(prompt_id="p1", outcome="answered", confidence=1, collection="laws", reused="exact"))
    assert {row.key: row.cost for row in rag.costs("collection")} == {"laws": 1, "not an ask": 2}
    assert {row.key: row.cost for row in rag.costs("reused")} == {"exact": 1, "no": 2}


@pytest.mark.parametrize("by", ["stage; DROP TABLE", (), ("day", "day"), ("day", "c.cost")])
def test_keys_are_checked(rag: RAG, by: str) -> None:
    with pytest.raises(InvalidArgument, match="choose one or several of stage"):
        rag.costs(by)  # type: ignore[arg-type]


def test_streamed_rows_are_the_same(made: str) -> None:
    with closing(Database(made)) as database:
        streamed = [*each_cost(database, ("day", "model", "tenant"), tenant="")]
        assert len(streamed) > 2000  # more than the cursor takes at once
        assert tuple(streamed) == read_costs(database, ("day", "model", "tenant"))
        assert sum(row.cost for row in streamed) == one_value(made, "SELECT sum(cost) FROM ragdiet.call")
        assert sum(row.calls for row in streamed) == 30_000


def test_csv_and_json_are_exact_and_inert(rag: RAG) -> None:
    rag.ledger.record(call(1, "0.00000000000000000001", tenant='=HYPERLINK("x"), "y"'))
    rag.ledger.record(call(2, "12345678901234567890.5", tenant="acme"))
    costs = rag.costs("tenant")
    rows = [*csv.DictReader(io.StringIO("\n".join(csv_lines(costs.by, costs))))]
    assert [row["cost"] for row in rows] == ["12345678901234567890.5", "0.00000000000000000001"]
    assert rows[1]["tenant"] == '\'=HYPERLINK("x"), "y"'
    loaded = json.loads("".join(json_lines(costs.by, costs)))
    assert [row["cost"] for row in loaded] == ["12345678901234567890.5", "0.00000000000000000001"]
    assert loaded[0]["uncached_tokens"] == 100
    assert json.loads("".join(json_lines(("stage",), ()))) == []


def test_a_table_for_a_terminal(rag: RAG) -> None:
    assert costs_lines(rag.costs()) == "nothing was spent"
    rag.ledger.record(call(1, "0.12345678901234", model="bad\x1b[2Jmodel", status="started"))
    rag.ledger.record(call(2, "1000"))
    header, first, second, total = costs_lines(rag.costs(("model", "stage"))).splitlines()
    assert header.split()[:3] == ["model", "stage", "calls"]
    assert "$1,000.00" in first
    assert "\x1b" not in second
    assert second.split()[-3:] == ["$0.12", "$0.12", "$0.12"]
    assert total.split() == ["all", "2", "350", "100", "20", "$1,000.12", "$0.12"]
    assert len({len(line) for line in (header, first, second, total)}) == 1


def test_a_notebook_shows_bars_and_no_markup_of_users(rag: RAG) -> None:
    assert "nothing was spent" in rag.costs()._repr_html_()
    rag.ledger.record(call(1, "1", tenant=HOSTILE))
    shown = rag.costs("tenant")._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "$1.00" in shown


def test_a_report_of_nothing_says_so(rag: RAG) -> None:
    report = rag.spend_report()
    assert (report.cost, report.spend, report.forecast, report.anomalies) == (0, (), None, ())
    text = html.fromstring(report.html()).text_content()
    for said in ("No calls were made", "it takes 4 whole weeks", "No day was far", "No asks in this period"):
        assert said in text
    assert "Budgets" not in text
    assert rag.anomalies() == ()
    with pytest.raises(InvalidArgument, match="ends after it begins"):
        rag.spend_report(since=NOW, until=NOW - timedelta(days=1))


def test_the_page_has_the_figures_of_the_ledger(made: str) -> None:
    with closing(Database(made)) as database:
        report = read_spend(database, PriceBook.default(), since=NOW - timedelta(days=30))
        rows = read_costs(database, "stage", since=report.since, until=report.until)
    where = f"WHERE started_at >= '{report.since}' AND started_at < '{report.until}'"
    assert report.cost == one_value(made, f"SELECT sum(cost) FROM ragdiet.call {where}") == rows.cost
    assert sum(day.calls for day in report.spend) == one_value(made, f"SELECT count(*) FROM ragdiet.call {where}")
    asked = where.replace("started_at", "finished_at")
    assert sum(day.asks for day in report.asks) == one_value(made, f"SELECT count(*) FROM ragdiet.ask {asked}")
    assert report.dearest[0].cost == one_value(made, f"SELECT max(cost) FROM ragdiet.ask {asked}")
    left_out = f"SELECT sum(tokens_before - tokens) FROM ragdiet.ask {asked} AND reused = '' AND model = '{MODEL}'"
    (saved,) = (one for one in report.saved if one.model == MODEL)
    assert saved.tokens == one_value(made, left_out)
    assert saved.cost == Decimal(saved.tokens) * Decimal("0.06") / 1_000_000
    assert report.forecast is not None
    assert report.forecast.low <= report.forecast.expected <= report.forecast.high
    text = html.fromstring(report.html()).text_content()
    assert f"${report.cost:,.2f}" in text
    assert f"{saved.tokens:,}" in text


def test_the_page_needs_nothing_and_runs_nothing(rag: RAG) -> None:
    rag.ledger.record(call(1, "1", model=HOSTILE, tenant=HOSTILE))
    rag.ledger.finish(
        AskRow(prompt_id="p1", outcome="answered", confidence=1, question=HOSTILE, model=HOSTILE, cost=Decimal(1))
    )
    report = rag.spend_report()
    page = html.fromstring(report.html())
    assert not page.xpath("//script | //img | //link | //iframe | //object | //a | //@src | //@href | //@onload")
    assert "url(" not in page.findtext(".//style")
    assert "default-src 'none'" in page.xpath("//meta[@http-equiv]/@content")[0]
    assert HOSTILE.split(" ")[0] in page.xpath("//bdi")[0].text
    drawings = page.xpath("//svg")
    assert drawings
    for drawing in drawings:
        assert drawing.get("role") == "img"
        assert drawing.findtext("title")
    labels = {name for drawing in drawings for name in (drawing.get("aria-labelledby") or "").split()}
    assert labels == {*page.xpath("//svg/title/@id"), *page.xpath("//svg/desc/@id")}
    assert all(figure.xpath(".//table") for figure in page.xpath("//figure[.//svg]"))
    frame = html.fromstring(report._repr_html_())
    assert frame.get("srcdoc") == report.html()
    assert frame.get("sandbox") == ""


def test_a_day_far_from_its_history_is_said(rag: RAG) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    for back in range(1, 40):
        cost = "90" if back == 2 else "10"
        rag.ledger.record(call(back, cost, started_at=midnight - timedelta(days=back) + timedelta(hours=5)))
    found = rag.anomalies()
    assert {(one.series, one.key) for one in found} == {("all", ""), ("model", MODEL)}
    assert {one.day for one in found} == {midnight.date() - timedelta(days=2)}
    assert "$90.00 where $10.00 was usual" in str(found[0])
    assert str(found[0]) in html.fromstring(rag.spend_report().html()).text_content()


def test_a_role_sees_its_own_tenant_alone(roles: Roles) -> None:
    with RAG(Database(roles.owner), embedder=WordEmbedder()) as owner:
        for number, tenant in enumerate(("one", "two")):
            owner.ledger.record(call(number, str(number + 1), tenant=tenant))
        assert owner.spend_report().cost == 3
    with RAG(Database(roles.app), embedder=WordEmbedder(), tenant="one") as app:
        assert app.spend_report().cost == 1
        assert [row.key for row in each_cost(app.store, "tenant", tenant="one")] == ["one"]


def test_the_page_says_what_is_left_of_each_budget(roles: Roles) -> None:
    with RAG(Database(roles.owner), embedder=WordEmbedder()) as owner:
        owner.budgets.set(SpendingBudget(name=HOSTILE[:40], usd="10", tenant="one", soft=0.6))
        owner.budgets.set(SpendingBudget(name="another's", tokens=9_000, per="ever", tenant="two"))
        for number, (cost, status) in enumerate((("4", "done"), ("2.5", "started"))):
            owner.ledger.record(call(number, cost, tenant="one", status=status))
    with RAG(Database(roles.app), embedder=WordEmbedder(), tenant="one") as app:
        (mine,) = html.fromstring(app.spend_report().html()).xpath("//section[h2='Budgets now']//tbody/tr")
    resets = (NOW.replace(day=1) + timedelta(days=31)).replace(day=1)
    said = [HOSTILE[:40], "tenant 'one'", "65.0% spent or reserved", "passed", "$10.00", "$4.00", "$2.50", "$3.50"]
    assert [cell.text_content() for cell in mine] == [*said, f"{resets:%Y-%m-%d}"]
    with RAG(Database(roles.app), embedder=WordEmbedder(), tenant="two") as app:
        (mine,) = html.fromstring(app.spend_report().html()).xpath("//section[h2='Budgets now']//tbody/tr")
    assert [cell.text_content() for cell in mine][3:] == [
        "at 80%",
        *(f"{n} tokens" for n in ("9,000", "0", "0", "9,000")),
        "never",
    ]


def test_a_report_that_takes_too_long_says_what_to_do(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragdiet.report.reading._LIMIT", "1ms")
    with closing(Database(made)) as database, pytest.raises(StoreError, match="ask for less, with since="):
        read_costs(database, ("day", "hour", "tenant"))


def test_years_are_shown_by_week_and_month(made: str) -> None:
    with closing(Database(made)) as database:
        year = read_spend(database, PriceBook.default(), since=NOW - timedelta(days=365))
        long = read_spend(database, PriceBook.default(), since=NOW - timedelta(days=1000))
    assert "Spend by week and stage" in year.html()
    assert "Spend by month and model" in long.html()
    assert min(day.day for day in long.spend) >= NOW.date() - timedelta(days=366)


def test_few_alarms_are_false_and_most_that_matter_are_found() -> None:
    rows = {str(row["history"]): row for row in alarms(20)}
    assert max(row["false_in_1000_days"] for row in rows.values()) <= 15
    assert rows["poisson"]["found_x3"] == 1
    assert rows["lognormal .2"]["found_x5"] >= 0.9


def test_months_end_within_the_forecast_as_often_as_it_says() -> None:
    for row in forecasts(20):
        shares = [share for name, share in row.items() if name != "history"]
        least = 0.55 if row["history"] in ("drifting 16% a week", "lognormal .8", "growing 7% a week") else 0.75
        assert sum(shares) / len(shares) >= least, row


def test_pennies_and_young_histories_raise_no_alarm() -> None:
    days = [date(2026, 11, 1) + timedelta(days=number) for number in range(29)]
    pennies = dict.fromkeys(days, Decimal("0.001")) | {days[-1]: Decimal("0.9")}
    assert anomalies("all", "", pennies, days) == []
    dear = dict.fromkeys(days, Decimal(10)) | {days[-1]: Decimal(90)}
    assert [found.day for found in anomalies("all", "", dear, days)] == [days[-1]]
    assert anomalies("all", "", dict([*dear.items()][1:]), days[1:]) == []  # 27 days of history
    fallen = anomalies("all", "", dear | {days[-1]: Decimal(0)}, days)
    assert [found.score < 0 for found in fallen] == [True]
    assert forecast(dict([*dear.items()][2:]), date(2026, 11, 29)) is None
