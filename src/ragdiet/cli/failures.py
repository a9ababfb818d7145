"""Asks that went wrong: looked at, tagged, exported, asked again; and the evaluation that they become part of."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ragdiet.cli.root import main, opened
from ragdiet.failures import CAUSES, MEANINGS
from ragdiet.terminal import columns

if TYPE_CHECKING:
    from ragdiet.failures import Case

_cause = click.Choice(CAUSES)


@main.group("failures")
def failures() -> None:
    """Asks that failed, abstained or were disliked: why, and whether they still do."""


@failures.command("list")
@click.option("--state", type=click.Choice(["open", "fixed", "closed", "all"]), default="open", show_default=True)
@click.option("--cause", type=_cause)
@click.option("--tag")
@click.option("--limit", default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each case.")
@click.pass_obj
def list_cases(options: dict[str, Any], state: str, cause: Any, tag: str | None, limit: int, as_json: bool) -> None:
    """Show the kept cases, the latest first."""
    chosen: Any = None if state == "all" else state
    with opened(options) as rag:
        cases = rag.failures.list(state=chosen, cause=cause, tag=tag, limit=limit)
    if as_json:
        for case in cases:
            click.echo(json.dumps(asdict(case), default=str, ensure_ascii=False))
        return
    if not cases:
        click.echo("no such case is kept")
        return
    cells = [("prompt_id", "when", "kind", "state", "cause", "question")]
    cells += [
        (
            case.prompt_id,
            f"{case.opened_at:%m-%d %H:%M}",
            case.kind,
            case.state,
            case.cause or "",
            _short(case.question),
        )
        for case in cases
    ]
    click.echo(columns(cells))


@failures.command()
@click.argument("prompt_id")
@click.pass_obj
def show(options: dict[str, Any], prompt_id: str) -> None:
    """Show a case: what happened, what was expected, and the likeliest cause."""
    with opened(options) as rag:
        click.echo(rag.failures.export(prompt_id), nl=False)


@failures.command()
@click.argument("prompt_id")
@click.argument("tags", nargs=-1)
@click.option("--cause", type=_cause, help="; ".join(f"{cause}: {meaning}" for cause, meaning in MEANINGS.items()))
@click.option("--answer", "answers", multiple=True, help="What its answer should say; repeat for other wordings.")
@click.option("--document", "documents", multiple=True, help="A document that it should cite; repeat for others.")
@click.option("--outcome", type=click.Choice(["answered", "clarify", "abstained", "failed"]))
@click.option("--note")
@click.option("--state", type=click.Choice(["open", "fixed", "closed"]), help="closed: it is no failure.")
@click.pass_obj
def tag(options: dict[str, Any], /, prompt_id: str, tags: tuple[str, ...], **found: Any) -> None:
    """Say what is known of a case: tags, its cause, what it should have given."""
    with opened(options) as rag:
        click.echo(_line(rag.failures.tag(prompt_id, *tags, **found)))


@failures.command()
@click.argument("prompt_ids", nargs=-1, required=True)
@click.option("--issue", "form", flag_value="issue", default="issue", help="Markdown for a tracker (the default).")
@click.option("--case", "form", flag_value="case", help="JSON lines for ragdiet eval.")
@click.pass_obj
def export(options: dict[str, Any], prompt_ids: tuple[str, ...], form: Any) -> None:
    """Write cases to standard output, as issues or as labelled questions."""
    with opened(options) as rag:
        click.echo(rag.failures.export(prompt_ids, form=form), nl=False)


@failures.command()
@click.argument("prompt_id")
@click.pass_obj
def replay(options: dict[str, Any], prompt_id: str) -> None:
    """Ask the question of a case again, at its usual price. Exit status 2 where it still goes wrong."""
    with opened(options) as rag:
        found = rag.failures.replay(prompt_id)
    assert found.answer is not None
    click.echo(f"then  {found.case.outcome}{f' ({found.case.reason})' if found.case.reason else ''}")
    click.echo(f"now   {found.answer.outcome}, ${found.answer.cost:f}: {_short(found.answer.text, 200)}")
    click.echo(f"cause {found.cause}: {found.evidence}")
    if found.fault:
        click.echo(f"still wrong: {found.fault}")
        sys.exit(2)
    click.echo("as expected")


@main.command()
@click.argument("prompt_id")
@click.option("--good/--bad", required=True, help="Whether the answer was liked.")
@click.option("--note", default="")
@click.pass_obj
def feedback(options: dict[str, Any], prompt_id: str, good: bool, note: str) -> None:
    """Say what you thought of an answer; one that was not liked is kept as a failure."""
    with opened(options) as rag:
        rag.feedback(prompt_id, good=good, note=note)


@main.command("eval")
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False))
@click.option("--cases/--no-cases", default=True, help="Whether the kept regression cases are asked too.")
@click.pass_obj
def evaluate(options: dict[str, Any], files: tuple[str, ...], cases: bool) -> None:
    """Ask labelled questions (JSON lines in FILES) and the kept regression cases. Exit status 2 if any is wrong.

    A line is {"question": ..., "answers": [...], "documents": [...], "outcome": ...}, with one of the last three at
    least.
    """
    from ragdiet.evaluation import read_labelled

    questions = [question for file in files for question in read_labelled(file)]
    with opened(options) as rag:
        evaluation = rag.evaluate(questions, cases=cases)
    click.echo(str(evaluation))
    if evaluation.failed:
        sys.exit(2)


def _line(case: Case) -> str:
    cause = f"{case.cause} ({case.evidence})" if case.evidence else case.cause
    return f"{case.prompt_id}  {case.state}  {cause}  {' '.join(case.tags)}".rstrip()


def _short(text: str, most: int = 70) -> str:
    words = " ".join(text.split())
    return words if len(words) <= most else f"{words[: most - 3]}..."
