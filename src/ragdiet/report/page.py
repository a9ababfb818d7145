"""A report of spend as one HTML page: no script, nothing from elsewhere, and nothing but text of what users wrote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from html import escape
from importlib.resources import files
from itertools import count
from typing import TYPE_CHECKING

from ragdiet.amounts import dollars
from ragdiet.report.chart import Stacked, share_bar, stacked, table
from ragdiet.report.forecast import LEAST_WEEKS
from ragdiet.report.steps import steps

if TYPE_CHECKING:
    from datetime import date

    from ragdiet.report.spend import DaySpend, SpendReport

_MOST_UNUSUAL = 20


def page(report: SpendReport) -> str:
    """The whole of it. Its policy forbids scripts and requests, whatever a text in it may hold."""
    ids = count(1)
    last = _last_day(report)
    period = f"{report.since:%Y-%m-%d} to {last}"
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    sections = "".join(
        f"<section><h2>{name}</h2>{body}</section>" for name, made in _SECTIONS if (body := made(report, ids))
    )
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Spend, {period}</title><style>{_style()}</style></head><body><main>"
        f"<h1>What was spent</h1><p class='muted'>{period}, days of UTC, US dollars</p>"
        f"{_tiles(report)}{sections}</main>"
        f"<footer>As of {report.until:%Y-%m-%d %H:%M} UTC. Not settled: the worst case of calls whose "
        "bill is not known, as they are on their way or were cut off; it is part of all sums.</footer></body></html>\n"
    )


def framed(report: SpendReport) -> str:
    """The page in a frame of its own, for a notebook, which keeps its styles apart."""
    return f'<iframe title="What was spent" sandbox srcdoc="{escape(page(report))}" width="100%" height="700"></iframe>'


@cache
def _style() -> str:
    return files("ragdiet.report").joinpath("page.css").read_text("utf-8")


def _last_day(report: SpendReport) -> date:
    return (report.until - timedelta(microseconds=1)).date()


def _tiles(report: SpendReport) -> str:
    asks = sum(one.asks for one in report.asks)
    answered = sum(one.asks for one in report.asks if one.outcome == "answered")
    reused = sum(one.asks for one in report.asks if one.reused)
    on_asks = sum((one.cost for one in report.asks), Decimal(0))
    saved = sum((one.cost for one in report.saved if one.cost), Decimal(0))
    tokens = sum(one.tokens for one in report.saved)
    unsettled = f"{dollars(report.unsettled)} of it not settled" if report.unsettled else "all settled"
    tiles = (
        ("Spent", dollars(report.cost), unsettled),
        ("Asks", f"{asks:,}", f"{answered:,} answered"),
        ("An answer", dollars(on_asks / answered) if answered else "&ndash;", "all asks' cost over the answered"),
        ("Saved by the diet", dollars(saved), f"{tokens:,} tokens not sent"),
        ("Reused answers", f"{reused / asks:.1%}" if asks else "&ndash;", f"{reused:,} not generated again"),
    )
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>" for name, value, note in tiles)
    return f"<dl class='tiles'>{cells}</dl>"


def _spend(report: SpendReport, ids: count[int]) -> str:
    if not report.spend:
        return "<p class='none'>No calls were made in this period.</p>"
    by_stage = _over_time(report, "stage", ((one.day, one.stage, one.cost) for one in report.spend))
    by_model = _over_time(report, "model", ((one.day, one.model, one.cost) for one in report.spend))
    models: dict[tuple[str, str], list[DaySpend]] = defaultdict(list)
    for one in report.spend:
        models[one.stage, one.model].append(one)
    costs = {key: sum((day.cost for day in days), Decimal(0)) for key, days in models.items()}
    whole = report.cost or Decimal(1)
    rows = [
        (
            *map(escape, key),
            share_bar(float(costs[key] / whole), f"{costs[key] / whole:.1%} of all"),
            dollars(costs[key]),
            dollars(unsettled) if (unsettled := sum((day.unsettled for day in models[key]), Decimal(0))) else "",
            f"{sum(day.calls for day in models[key]):,}",
            f"{sum(day.input_tokens for day in models[key]):,}",
            f"{sum(day.output_tokens for day in models[key]):,}",
        )
        for key in sorted(models, key=lambda key: (-costs[key], key))
    ]
    header = ("stage", "model", "share", "cost", "not settled", "calls", "tokens in", "tokens out")
    return stacked(by_stage, ids) + stacked(by_model, ids) + table(header, rows, left=3)


def _budgets(report: SpendReport, ids: count[int]) -> str:
    rows = []
    for state in report.budgets:
        budget = state.budget
        used = float((state.spent + state.reserved) / budget.most) if budget.most else 1.0
        rows.append(
            (
                escape(budget.name),
                escape(budget.binds),
                share_bar(used, f"{used:.1%} spent or reserved"),
                "passed" if state.is_past_soft else f"at {budget.soft:.0%}",
                *(
                    dollars(part) if budget.unit == "usd" else f"{part:,f} tokens"
                    for part in (budget.most, state.spent, state.reserved, state.left)
                ),
                f"{state.resets_at:%Y-%m-%d}" if state.resets_at else "never",
            )
        )
    header = ("budget", "binds", "share", "soft limit", "limit", "spent", "reserved", "left", "begins anew (UTC)")
    return table(header, rows, left=4) if rows else ""


def _forecast(report: SpendReport, ids: count[int]) -> str:
    made = report.forecast
    if made is None:
        return f"<p class='none'>None: it takes {LEAST_WEEKS} whole weeks of spend before today.</p>"
    return (
        f"<p><strong>{made.month:%B %Y} will end at about {dollars(made.expected)}</strong>, "
        f"and in 8 of 10 such months between {dollars(made.low)} and {dollars(made.high)}. "
        f"{dollars(made.spent)} were spent before today.</p>"
        f"<p class='muted'>From the last {made.weeks} weeks: a level that moves from week to week, the share of each "
        "weekday and the days' own noise, drawn 2,000 times. It knows nothing of what you plan.</p>"
    )


def _unusual(report: SpendReport, ids: count[int]) -> str:
    method = (
        "<p class='muted'>A day is compared with the same weekdays of the 8 weeks before it; 4 weeks are needed. "
        "Differences below a dollar are left out, and today is not judged.</p>"
    )
    if not report.anomalies:
        return f"<p>No day was far from its own history.</p>{method}"
    found = "".join(f"<li>{escape(str(one))}</li>" for one in report.anomalies[:_MOST_UNUSUAL])
    more = len(report.anomalies) - _MOST_UNUSUAL
    return f"<ul class='unusual'>{found}{f'<li>and {more:,} more</li>' if more > 0 else ''}</ul>{method}"


def _diet(report: SpendReport, ids: count[int]) -> str:
    kept = [one for one in report.asks if one.model and not one.reused]
    if not kept:
        return "<p class='none'>No context was cut down in this period.</p>"
    days = (
        (one.day, name, Decimal(tokens))
        for one in kept
        for name, tokens in (("sent", one.tokens), ("left out", one.tokens_before - one.tokens))
    )
    chart = _over_time(report, "what became of it", days, unit="tokens", title="Tokens of context")
    rows = [
        (
            escape(one.model),
            f"{one.tokens:,}",
            "no price known" if one.cost is None else dollars(one.cost),
        )
        for one in report.saved
    ]
    note = "<p class='muted'>Tokens as counted here, in money at the model's input rate without any cache.</p>"
    return stacked(chart, ids) + table(("model", "tokens left out", "saved"), rows) + note


def _reuse(report: SpendReport, ids: count[int]) -> str:
    names = {"": "generated or none", "exact": "the same question", "similar": "one like it", "shared": "asked at once"}
    asks: dict[str, int] = defaultdict(int)
    for one in report.asks:
        asks[one.reused] += one.asks
    whole = sum(asks.values()) or 1
    rows = [
        (
            names.get(kind, escape(kind)),
            share_bar(number / whole, f"{number / whole:.1%}"),
            f"{number / whole:.1%}",
            f"{number:,}",
        )
        for kind, number in sorted(asks.items())
    ]
    read: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for day in report.spend:
        if day.stage == "generate":
            read[day.model][0] += day.cache_read_tokens
            read[day.model][1] += day.input_tokens
    hits = [
        (escape(model), share_bar(cached / sent, f"{cached / sent:.1%}"), f"{cached / sent:.1%}", f"{cached:,}")
        for model, (cached, sent) in sorted(read.items())
        if sent
    ]
    return (
        "<h3>Answers</h3>"
        + (table(("answer", "share", "", "asks"), rows, left=2) if rows else _NO_ASKS)
        + "<h3>The provider's prompt cache</h3>"
        + (table(("model", "share of input read from it", "", "tokens"), hits, left=2) if hits else _NO_CALLS)
    )


_NO_ASKS = "<p class='none'>No asks in this period.</p>"
_NO_CALLS = "<p class='none'>No model was asked in this period.</p>"


def _outcomes(report: SpendReport, ids: count[int]) -> str:
    sums: dict[str, tuple[int, Decimal]] = {}
    for one in report.asks:
        asks, cost = sums.get(one.outcome, (0, Decimal(0)))
        sums[one.outcome] = asks + one.asks, cost + one.cost
    if not sums:
        return _NO_ASKS
    whole = sum((cost for _, cost in sums.values()), Decimal(0)) or Decimal(1)
    rows = [
        (
            escape(outcome),
            share_bar(float(cost / whole), f"{cost / whole:.1%} of what asks cost"),
            dollars(cost),
            f"{asks:,}",
            dollars(cost / asks),
        )
        for outcome, (asks, cost) in sorted(sums.items(), key=lambda item: -item[1][1])
    ]
    return table(("outcome", "share", "cost", "asks", "an ask"), rows, left=2)


def _dearest(report: SpendReport, ids: count[int]) -> str:
    if not report.dearest:
        return _NO_ASKS
    rows = [
        (
            f"<bdi>{escape(one.question[:300]) or '(not kept)'}</bdi>",
            escape(one.model),
            escape(one.outcome),
            escape(one.tenant),
            f"<span class=day>{one.finished_at:%Y-%m-%d}</span>",
            f"<code>{escape(one.prompt_id)}</code>",
            dollars(one.cost),
        )
        for one in report.dearest
    ]
    return table(("question", "model", "outcome", "tenant", "day", "prompt_id", "cost"), rows, left=6)


# What the page holds, in its order; a section without anything is left out.
_SECTIONS: Sequence[tuple[str, Callable[[SpendReport, count[int]], str]]] = (
    ("Spend", _spend),
    ("Budgets now", _budgets),
    ("This month", _forecast),
    ("Out of the ordinary", _unusual),
    ("The diet", _diet),
    ("Not paid twice", _reuse),
    ("By outcome", _outcomes),
    ("The dearest questions", _dearest),
)


def _over_time(
    report: SpendReport,
    series: str,
    amounts: Iterable[tuple[date, str, Decimal]],
    *,
    unit: str = "$",
    title: str = "Spend",
) -> Stacked:
    name, starts, step_of = steps(report.since.date(), _last_day(report))
    values: dict[date, dict[str, Decimal]] = {start: {} for start in starts}
    for day, key, amount in amounts:
        cell = values[step_of(day)]
        cell[key] = cell.get(key, Decimal(0)) + amount
    sums = {start: sum(cell.values(), Decimal(0)) for start, cell in values.items()}
    dearest = max(sums, key=lambda start: sums[start])
    shown = dollars(sums[dearest]) if unit == "$" else f"{sums[dearest]:,.0f} {unit}"
    return Stacked(
        title=f"{title} by {name} and {series}",
        says=f"Most {'on' if name == 'day' else f'in the {name} of'} {dearest}: {shown}.",
        steps=[str(start) for start in starts],
        values=list(values.values()),
        unit=unit,
    )
