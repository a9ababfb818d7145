"""What goes into a collection, and out of it."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import click

from ragdiet.cli.root import language_option, main, opened
from ragdiet.terminal import ingest_with_progress, rejection_lines, report_line

_WAYS = click.Choice(["flag", "mask", "reject", "keep"])


@main.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--sync", is_flag=True, help="Delete documents that the sources no longer have.")
@click.option("--dry-run", is_flag=True, help="Write and spend nothing: show what would happen, and its price.")
@click.option("--expires-in", "days", type=float, metavar="DAYS", help="Find these documents for so many days only.")
@language_option
@click.option("--keep-duplicates", is_flag=True, help="Keep documents that say what another one says.")
@click.option("--secrets", type=_WAYS, default="flag", show_default=True, help="Keys, tokens and passwords.")
@click.option("--personal", type=_WAYS, default="flag", show_default=True, help="Addresses, numbers, cards and so on.")
@click.pass_obj
def ingest(
    options: dict[str, Any],
    sources: tuple[str, ...],
    sync: bool,
    dry_run: bool,
    days: float | None,
    language: str,
    keep_duplicates: bool,
    secrets: Any,
    personal: Any,
) -> None:
    """Put files, folders or globs into the collection.

    Exit status 3 if something could not be read or embedded; what the quality gates keep out is no fault.
    """
    from ragdiet.quality import Quality

    copies: Any = "keep" if keep_duplicates else "reject"
    quality = Quality(duplicates=copies, near_duplicates=copies, secrets=secrets, personal=personal)
    expires_at = None if days is None else timedelta(days=days)
    with opened(options, quality=quality, language=language) as rag:
        report = ingest_with_progress(rag, sources, sync=sync, dry_run=dry_run, expires_at=expires_at)
    click.echo(report_line(report))
    for line in rejection_lines(report):
        click.echo(line, err=True)
    if any(not rejection.by_policy for rejection in report.rejected):
        sys.exit(3)


@main.command()
@click.argument("one")
@click.argument("other")
@click.pass_obj
def swap(options: dict[str, Any], one: str, other: str) -> None:
    """Let two collections change names, so that one made anew takes the place of the old one."""
    with opened(options) as rag:
        rag.swap(one, other)
    click.echo(f"{one} and {other} have changed names")


@main.command()
@click.argument("name")
@click.pass_obj
def drop(options: dict[str, Any], name: str) -> None:
    """Delete a collection with all that is in it."""
    with opened(options) as rag:
        click.echo(f"documents deleted: {rag.drop(name):,}")


@main.command()
@click.pass_obj
def sweep(options: dict[str, Any]) -> None:
    """Delete the documents whose time has come, in every collection, and mark calls that a crash left open."""
    with opened(options) as rag:
        click.echo(f"documents deleted: {rag.sweep():,}")
