"""A confidence model of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ragdiet.cli.root import language_option, main, opened
from ragdiet.terminal import calibrated_lines


@main.command()
@click.argument("labelled", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--alpha", default=0.05, show_default=True, help="The share of answers that may be wrong.")
@click.option("--delta", default=0.1, show_default=True, help="The chance that more are.")
@click.option("--save", type=click.Path(path_type=Path), help="Write the model to this file, for --confidence.")
@language_option
@click.pass_obj
def calibrate(
    options: dict[str, Any], labelled: Path, alpha: float, delta: float, save: Path | None, language: str
) -> None:
    """Fit the confidence model on labelled questions, and certify its threshold.

    LABELLED is JSONL: {"question": ..., "answers": [...]}, or "documents" (ids), or "answerable": false, or "right":
    true or false. Every question is asked, and paid for. The exit status is 1 where nothing could be certified.
    """
    with opened(options, language=language) as rag:
        calibrated = rag.calibrate(labelled, alpha=alpha, delta=delta)
    click.echo(calibrated_lines(calibrated))
    if save and calibrated.certified:
        calibrated.save(save)
        click.echo(f"wrote {save}", err=True)
    raise SystemExit(not calibrated.certified)
