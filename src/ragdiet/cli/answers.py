"""Answers that are kept: what they saved, and forgetting them."""

from __future__ import annotations

import click
from click.core import ParameterSource

from ragdiet.cli.root import main, opened
from ragdiet.terminal import columns


@main.command()
@click.option("--clear", is_flag=True, help="Forget them: those of --collection where it is given, else all.")
@click.pass_context
def answers(ctx: click.Context, clear: bool) -> None:
    """What answers that were given again have saved."""
    named = ctx.find_root().get_parameter_source("collection") is not ParameterSource.DEFAULT
    with opened(ctx.obj) as rag:
        if clear:
            click.echo(f"{rag.answers.clear(ctx.obj['collection'] if named else None):,} answers were forgotten")
            return
        stats = rag.answers.stats()
    cells = [
        ("kept now", f"{stats.entries:,}"),
        ("asks", f"{stats.asks:,}"),
        ("the same question", f"{stats.exact:,}"),
        ("the same in other words", f"{stats.similar:,}"),
        ("the same, on its way", f"{stats.shared:,}"),
        ("given again", f"{stats.hit_rate:.1%}"),
        ("saved, USD", f"{stats.saved:f}"),
        ("of prompts, in the provider's cache", f"{stats.prompt_cache_rate:.1%}"),
    ]
    click.echo(columns(cells))
