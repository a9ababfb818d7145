"""How much may be spent, by whom."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import click

from ragdiet.account import SpendingBudget
from ragdiet.amounts import dollars
from ragdiet.cli.root import main, opened
from ragdiet.terminal import columns


@main.group()
def budgets() -> None:
    """What tenants, tags or all may spend in a day, a month, or ever."""


@budgets.command("set")
@click.argument("name")
@click.option("--usd", help="The limit in USD; or give --tokens.")
@click.option("--tokens", type=int, help="The limit in tokens, as they are billed.")
@click.option("--per", type=click.Choice(["day", "month", "ever"]), default="month", show_default=True, help="In UTC.")
@click.option("--of-tenant", help='Whose calls it binds ("" is the default tenant); of all together without.')
@click.option("--tag", help="KEY=VALUE: only calls with this tag.")
@click.option("--soft", type=float, default=0.8, show_default=True, help="The share of the limit that is told of.")
@click.option("--on-soft", type=click.Choice(["warn", "cheaper"]), default="warn", show_default=True)
@click.pass_obj
def set_(options: dict[str, Any], /, tag: str | None, of_tenant: str | None, **limit: Any) -> None:
    """Make the budget NAME, or change it. What was spent in its period so far counts."""
    key, sign, value = (tag or "").partition("=")
    if tag is not None and not (key and sign):
        raise click.BadParameter(f"{tag!r} is no KEY=VALUE, such as team=search", param_hint="--tag")
    budget = SpendingBudget(tag=None if tag is None else (key, value), tenant=of_tenant, **limit)
    with opened(options) as rag:
        rag.budgets.set(budget)


@budgets.command("list")
@click.pass_obj
def list_(options: dict[str, Any]) -> None:
    """Each budget, and what is spent, reserved and left of it."""
    with opened(options) as rag:
        states = rag.budgets.list()
    cells = [("budget", "binds", "per", "limit", "spent", "reserved", "left", "begins anew (UTC)")]
    for state in states:
        budget = state.budget
        most, spent, reserved, left = (
            _amount(budget, part) for part in (budget.most, state.spent, state.reserved, state.left)
        )
        until = f"{state.resets_at:%Y-%m-%d}" if state.resets_at else "never"
        cells.append((budget.name, budget.binds, budget.per, most, spent, reserved, left, until))
    click.echo(columns(cells))


@budgets.command()
@click.argument("name")
@click.pass_obj
def remove(options: dict[str, Any], name: str) -> None:
    """Take the budget NAME away."""
    with opened(options) as rag:
        rag.budgets.remove(name)


def _amount(budget: SpendingBudget, part: Decimal) -> str:
    return dollars(part) if budget.unit == "usd" else f"{part:,f}"
