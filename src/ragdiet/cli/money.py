"""What was spent."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from ragdiet.cli.root import main, opened
from ragdiet.errors import InvalidArgument
from ragdiet.report import CostKey, csv_lines, each_cost, json_lines
from ragdiet.terminal import costs_lines

if TYPE_CHECKING:
    from collections.abc import Callable


class _Moment(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs only
    """A day or moment in ISO 8601, UTC unless it says otherwise, or a number of days ago such as 7d."""

    name = "DATE|DAYS"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            if value.endswith("d"):
                return datetime.now(UTC) - timedelta(days=float(value[:-1]))
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a date (2026-11-01) nor days (7d)", param, ctx)


def _period(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("--until", type=_Moment(), help="The end of the period, not within it; else now.")(command)
    return click.option("--since", type=_Moment(), help="A date (2026-11-01, UTC), or a number of days such as 7d.")(
        command
    )


@main.command()
@click.option(
    "--by",
    type=click.Choice(get_args(CostKey)),
    multiple=True,
    default=("stage",),
    help="Repeat it for each combination: --by day --by model.",
)
@_period
@click.option("--json", "form", flag_value="json", help="Exact figures, as a JSON array.")
@click.option("--csv", "form", flag_value="csv", help="Exact figures, as CSV.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with charts into this file instead; of the last 90 days unless --since says more.",
)
@click.pass_obj
def costs(
    options: dict[str, Any],
    by: tuple[CostKey, ...],
    since: datetime | None,
    until: datetime | None,
    form: str | None,
    page: Path | None,
) -> None:
    """What was spent, and on what."""
    if since and since >= (until or datetime.now(UTC)):
        raise click.BadParameter("the period would end before it begins", param_hint="--since")
    with opened(options) as rag:
        if page:
            try:
                page.write_text(rag.spend_report(since=since, until=until).html(), encoding="utf-8")
            except OSError as error:
                raise InvalidArgument(f"{page} cannot be written: {error.strerror}") from error
            click.echo(f"written: {page}", err=True)
        elif form:
            # Closed before the database is, also where the reader of a pipe has left.
            with closing(each_cost(rag.store, by, since=since, until=until, tenant=rag.tenant)) as rows:
                for line in (csv_lines if form == "csv" else json_lines)(by, rows):
                    click.echo(line)
        else:
            click.echo(costs_lines(rag.costs(by, since, until)))
            for found in () if until else rag.anomalies(since=since):
                click.echo(f"unusual: {found}")
