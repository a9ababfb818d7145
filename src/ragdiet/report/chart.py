"""Charts as inline SVG, each with its figures as a table: no script, no file.

The drawing is stretched to the width of the page, so that all text stands outside of it and keeps its size. Colours are
classes, which the page's style gives a light and a dark value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from itertools import count

from ragdiet.amounts import dollars

_MOST_SERIES = 6
_REST = "all others"
_HEIGHT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacked:
    """Money or counts by step of time and series: ``values[step][series]``. ``unit``: "$", or what is counted."""

    title: str
    says: str
    steps: Sequence[str]
    values: Sequence[Mapping[str, Decimal]]
    unit: str = "$"


def stacked(chart: Stacked, ids: count[int]) -> str:
    """Bars by time, the series upon each other; the dearest six have colours of their own."""
    names, values = _largest(chart.values)
    top = _round_up(max((sum(one.values(), Decimal(0)) for one in values), default=Decimal(0)))
    if not names or not top:
        return _figure(chart.title, "<p class='none'>Nothing in this period.</p>", "")
    bars = [
        _bar(place, one, names, top, f"{step}: ", chart.unit)
        for place, (step, one) in enumerate(zip(chart.steps, values, strict=True))
    ]
    lines = "".join(f"<line x1='0' x2='{len(bars)}' y1='{y}' y2='{y}'/>" for y in (0, 50, 100))
    number = next(ids)
    svg = (
        f"<svg role='img' aria-labelledby='t{number} d{number}' viewBox='0 0 {len(bars)} {_HEIGHT:.0f}' "
        f"preserveAspectRatio='none'><title id='t{number}'>{escape(chart.title)}</title>"
        f"<desc id='d{number}'>{escape(chart.says)}</desc>{lines}{''.join(bars)}</svg>"
    )
    scale = "".join(f"<span>{_amount(top * part / 2, chart.unit)}</span>" for part in (2, 1, 0))
    middle = chart.steps[len(bars) // 2] if len(bars) > 2 else ""
    ends = "".join(f"<span>{escape(step)}</span>" for step in (chart.steps[0], middle, chart.steps[-1]))
    keys = "".join(f"<li><i class='s{place}'></i>{escape(name) or '(none)'}</li>" for place, name in enumerate(names))
    drawing = (
        f"<p class='says'>{escape(chart.says)}</p>"
        f"<div class='chart'><div class='scale' aria-hidden='true'>{scale}</div>"
        f"{svg}<div class='ends' aria-hidden='true'>{ends}</div></div><ul class='keys'>{keys}</ul>"
    )
    return _figure(chart.title, drawing, _steps_table(chart, names, values))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Cells are HTML; the first ``left`` columns are names, the others figures."""
    head = "".join(
        f"<th scope='col'{' class=n' if place >= left else ''}>{name}</th>" for place, name in enumerate(header)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td class={'n' if place >= left else _width(cell)}>{cell}</td>" for place, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _width(cell: str) -> str:
    """Long names get room enough to be read."""
    return "name" if len(cell) > 12 and not cell.startswith("<svg") else "short"


def share_bar(share: float, says: str) -> str:
    """A bar of part of a whole, in a cell of a table that says the figure beside it."""
    width = round(100 * min(max(share, 0.0), 1.0), 1)
    return (
        f"<svg class='share' role='img' viewBox='0 0 100 10' preserveAspectRatio='none'><title>{escape(says)}</title>"
        f"<rect class='track' width='100' height='10'/><rect class='s0' width='{width}' height='10'/></svg>"
    )


def _figure(title: str, drawing: str, figures: str) -> str:
    shown = f"<details><summary>The figures</summary>{figures}</details>" if figures else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{drawing}{shown}</figure>"


def _largest(
    values: Sequence[Mapping[str, Decimal]],
) -> tuple[list[str], list[dict[str, Decimal]]]:
    """The names of the largest series, and the values with the others put together."""
    sums: dict[str, Decimal] = {}
    for one in values:
        for name, value in one.items():
            sums[name] = sums.get(name, Decimal(0)) + value
    names = sorted((name for name, value in sums.items() if value > 0), key=lambda name: (-sums[name], name))
    if len(names) <= _MOST_SERIES:
        return names, [dict(one) for one in values]
    kept = names[: _MOST_SERIES - 1]
    rest = [
        {name: value for name, value in one.items() if name in kept}
        | {_REST: sum((value for name, value in one.items() if name not in kept), Decimal(0))}
        for one in values
    ]
    return [*kept, _REST], rest


def _bar(place: int, values: Mapping[str, Decimal], names: Sequence[str], top: Decimal, step: str, unit: str) -> str:
    parts, below = [], 0.0
    for number, name in enumerate(names):
        value = values.get(name, Decimal(0))
        height = float(value / top) * _HEIGHT
        if height > 0:
            says = escape(f"{step}{name or '(none)'} {_amount(value, unit)}")
            parts.append(
                f"<rect class='s{number}' x='{place + 0.1:.1f}' width='0.8' y='{_HEIGHT - below - height:.2f}' "
                f"height='{height:.2f}'><title>{says}</title></rect>"
            )
            below += height
    return "".join(parts)


def _steps_table(chart: Stacked, names: Sequence[str], values: Sequence[Mapping[str, Decimal]]) -> str:
    rows = [
        (
            escape(step),
            *(_amount(one.get(name, Decimal(0)), chart.unit) for name in names),
            _amount(sum(one.values(), Decimal(0)), chart.unit),
        )
        for step, one in zip(chart.steps, values, strict=True)
    ]
    return table(("", *(escape(name) or "(none)" for name in names), "all"), rows)


def _amount(value: Decimal, unit: str) -> str:
    return dollars(value) if unit == "$" else f"{value:,.0f}"


def _round_up(value: Decimal) -> Decimal:
    """The next of a few round numbers times a power of ten.

    >>> [str(_round_up(Decimal(one))) for one in ("0.013", "7", "60")]
    ['0.02', '8', '6E+1']
    """
    if value <= 0:
        return Decimal(0)
    power = Decimal(1).scaleb(value.adjusted())
    return next(step * power for step in map(Decimal, (1, 2, 3, 4, 5, 6, 8, 10)) if step * power >= value)
