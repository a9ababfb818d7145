"""What models cost, and where that was read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragdiet.cli.root import main, prices_of
from ragdiet.terminal import columns

if TYPE_CHECKING:
    from ragdiet.account import PriceRow
    from ragdiet.account.price_import import Difference, Imported


def _day(ctx: click.Context, param: click.Parameter, value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no date such as 2026-11-30") from error


@main.group()
def prices() -> None:
    """What models cost: the packaged table, and --prices FILE, your own, before it."""


@prices.command("list")
@click.option("--kind", type=click.Choice(["generate", "embed", "rerank", "guard", "database"]))
@click.option("--with", "part", default="", help="Only ids that hold this text.")
@click.pass_obj
def list_(options: dict[str, Any], kind: str | None, part: str) -> None:
    """The rates that hold now, USD per million tokens (or per 1,000 units)."""
    cells: list[tuple[str, ...]] = [("model", "region", "input", "output", "per 1,000", "read on")]
    for row in sorted(prices_of(options).newest, key=lambda row: (row.model, row.region)):
        if part in row.model and kind in (None, row.kind):
            rates = (row.input, row.output, row.per_1000_units)
            shown = ["" if rate is None else f"{rate:f}" for rate in rates]
            cells.append((row.model, row.region, *shown, str(row.checked)))
    click.echo(columns(cells))


@prices.command()
@click.argument("model")
@click.option("--region", help="Instead of the --region of Bedrock.")
@click.option("--on", callback=_day, help="The rates that held on this day.")
@click.pass_obj
def show(options: dict[str, Any], model: str, region: str | None, on: date | None) -> None:
    """All rates of one exact MODEL id, their source, and what they were before."""
    book = prices_of(options)
    row = book.price(model, region or options["region"] or "", on=on)
    click.echo(f"{row.model}{f' in {row.region}' if row.region else ''}\n{row.reference}")
    click.echo(columns([("rate", "USD"), *row.said().items()]))
    before = [
        one for one in book.rows if (one.model, one.region) == (row.model, row.region) and one.checked < row.checked
    ]
    for one in reversed(before):
        click.echo(f"before: {_rates(one)} ({one.reference})")


@prices.command()
@click.option("--aws", "offers", multiple=True, type=click.Path(dir_okay=False), help="An offer file; repeat for more.")
@click.option("--litellm", type=click.Path(dir_okay=False), help="litellm's wheel, or the JSON table within it.")
@click.option("--checked", callback=_day, help="The day the prices were read; today if not given.")
@click.option(
    "--write", is_flag=False, flag_value="", help="Append what is new or changed to this price file, or to --prices."
)
@click.option("--skipped", is_flag=True, help="Say too what gave no row, and why.")
@click.pass_obj
def refresh(
    options: dict[str, Any],
    offers: tuple[str, ...],
    litellm: str | None,
    checked: date | None,
    write: str | None,
    skipped: bool,
) -> None:
    """Show how prices differ from the AWS Price List, or from litellm's table (MIT).

    Reads files only, and of the installed litellm if none is named. A past row is never changed: --write appends rows
    of today, and leaves rows of your own, such as a discount, as they are.
    """
    from ragdiet.account import PriceBook
    from ragdiet.account.price_file import add_rows
    from ragdiet.account.price_import import aws_prices, differences, litellm_prices

    day = checked or datetime.now(UTC).date()
    target = options["prices"] if write == "" else write
    if write is not None and not target:
        raise click.UsageError("say where the rows are to be written: --write FILE, or --prices FILE")
    base = target or options["prices"]
    book = PriceBook.load(base) if base and (base != target or Path(base).exists()) else PriceBook.default()
    imports = [aws_prices(offer, book=book, checked=day) for offer in offers]
    if litellm or not offers:
        imports.append(litellm_prices(litellm, checked=day))
    rows: list[PriceRow] = []
    for imported in imports:
        found = differences(book, imported)
        _show(imported, found, skipped=skipped)
        rows += [one.after for one in found if one.change in ("new", "changed") and one.after]
        book = book.with_prices(rows)
    if target and rows:
        add_rows(target, rows)
        click.echo(f"{len(rows):,} rows were added to {target}", err=True)


def _show(imported: Imported, found: tuple[Difference, ...], *, skipped: bool) -> None:
    for one in found:
        place = f" in {one.region}" if one.region else ""
        rates = ", ".join(f"{name} {before} -> {after}" for name, before, after in one.rates)
        said = _rates(one.after) if one.change == "new" and one.after else rates
        click.echo(f"{one.change:8}{one.model}{place}{f': {said}' if one.change != 'gone' else ''}")
    if skipped:
        for name, reason in sorted(imported.skipped.items()):
            click.echo(f"skipped {name}: {reason}")
    counts = {change: sum(one.change == change for one in found) for change in ("new", "changed", "gone", "kept")}
    same = len(imported.rows) - counts["new"] - counts["changed"] - counts["kept"]
    said = ", ".join(f"{count:,} {change}" for change, count in counts.items())
    click.echo(f"{imported.family}: {same:,} the same, {said}, {len(imported.skipped):,} skipped", err=True)


def _rates(row: PriceRow) -> str:
    return ", ".join(f"{name} {rate}" for name, rate in row.said().items())
