"""Embedding spaces: another embedder, and what each space holds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ragdiet.cli.root import main, opened
from ragdiet.errors import InvalidArgument, SourceNotFound
from ragdiet.terminal import columns, reembed_line, reembed_with_progress


@main.command()
@click.argument("new_embedder")
@click.option("--only", is_flag=True, help="Of --collection alone, instead of every collection.")
@click.option("--gate", type=click.Path(path_type=Path), help='JSON lines: {"question": ..., "documents": [id, ...]}.')
@click.option("--margin", default=0.0, show_default=True, help="By how much recall and nDCG may fall.")
@click.option("--dry-run", is_flag=True, help="Write and spend nothing: show what would happen, and its price.")
@click.pass_obj
def reembed(
    options: dict[str, Any], new_embedder: str, only: bool, gate: Path | None, margin: float, dry_run: bool
) -> None:
    """Give what is stored the vectors of NEW_EMBEDDER, and switch to it where it finds as much as --embedder.

    Searches and ingests go on meanwhile; when it is cut off, call it again. Exit status 3 if nothing was switched.
    """
    labelled = None if gate is None else _labelled(gate)
    with opened(options) as rag:
        report = reembed_with_progress(
            rag,
            new_embedder,
            collection=options["collection"] if only else None,
            gate=labelled,
            margin=margin,
            dry_run=dry_run,
        )
    click.echo(reembed_line(report))
    for rejection in report.rejected:
        click.echo(f"rejected {rejection.uri}: {rejection.error}: {rejection.reason}", err=True)
    if report.state != "active" and not dry_run:
        sys.exit(3)


@main.command()
@click.pass_obj
def spaces(options: dict[str, Any]) -> None:
    """Show the embedding spaces, and how many chunks each lacks."""
    with opened(options) as rag:
        found = rag.spaces()
    cells = [("space", "model", "dimensions", "state", "chunks", "missing", "index")]
    cells += [
        (
            space.name,
            space.model,
            f"{space.dimensions:,}",
            space.state,
            f"{space.chunks:,}",
            f"{space.missing:,}",
            "valid" if space.is_indexed else "none",
        )
        for space in found
    ]
    click.echo(columns(cells))


@main.command()
@click.argument("space")
@click.pass_obj
def retire(options: dict[str, Any], space: str) -> None:
    """Drop an embedding space that another has replaced, with all its vectors."""
    with opened(options) as rag:
        rag.retire_space(space)
    click.echo(f"{space} is retired")


def _labelled(path: Path) -> list[tuple[str, set[str]]]:
    """Labelled questions out of a file of JSON lines. Raises SourceNotFound, InvalidArgument."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        raise SourceNotFound(f"no labelled questions at {path}: check the path", uri=str(path)) from error
    labelled = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            labelled.append((str(row["question"]), {str(document) for document in row["documents"]}))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidArgument(
                f'line {number} of {path} is not like {{"question": "...", "documents": ["id", ...]}}: mend it'
            ) from error
    return labelled
