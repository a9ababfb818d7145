"""What was spent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ragdiet.cli.root import main, opened
from ragdiet.terminal import columns


@main.command()
@click.option("--by", type=click.Choice(["stage", "model", "tenant", "tag", "day", "outcome"]), default="stage")
@click.option("--since", help="A date (2026-11-01), or a number of days such as 7d.")
@click.pass_obj
def costs(options: dict[str, Any], by: Any, since: str | None) -> None:
    """What was spent, and on what."""
    with opened(options) as rag:
        rows = rag.costs(by=by, since=_moment(since) if since else None)
    cells = [(by, "calls", "asks", "tokens in", "tokens out", "USD")]
    cells += [
        (row.key, f"{row.calls:,}", f"{row.asks:,}", f"{row.input_tokens:,}", f"{row.output_tokens:,}", f"{row.cost:f}")
        for row in rows
    ]
    click.echo(columns(cells))


def _moment(since: str) -> datetime:
    try:
        if since.endswith("d"):
            return datetime.now(UTC) - timedelta(days=float(since[:-1]))
        return datetime.fromisoformat(since).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{since!r} is neither a date (2026-11-01) nor days (7d)") from error
