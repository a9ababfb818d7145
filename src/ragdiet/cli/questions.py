"""Questions: the chunks nearest to one, its answer, its price; and a system text that is looked over."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ragdiet.cli.root import language_option, main, opened, prices_of
from ragdiet.errors import InvalidArgument
from ragdiet.terminal import answer_lines

if TYPE_CHECKING:
    from ragdiet.types import Budget


def _as_budget(text: str) -> Budget:
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number of tokens nor auto") from None


budget_option = click.option(
    "--budget",
    type=_as_budget,
    metavar="TOKENS|auto",
    help="Tokens of context; auto: as many as the question seems to need.",
)


@main.command()
@click.argument("question")
@click.option("-k", default=10, show_default=True)
@click.pass_obj
def retrieve(options: dict[str, Any], question: str, k: int) -> None:
    """Show the chunks nearest to a question."""
    with opened(options) as rag:
        for number, hit in enumerate(rag.retrieve(question, k), 1):
            ranks = f"keyword {hit.keyword_rank or '-'}, dense {hit.dense_rank or '-'}"
            click.echo(f"{number}. {hit.title or hit.document_id}  score {hit.score:.2f} ({ranks})")
            click.echo(textwrap.shorten(hit.text, 200), nl=True)


@main.command()
@click.argument("question")
@budget_option
@click.option("--max-cost", help="USD for the whole ask.")
@click.option("--deadline", type=float, help="Seconds after which no further step begins.")
@click.option("--clarify/--no-clarify", default=True, help="Meet a question that is not clear with choices.")
@language_option
@click.pass_obj
def ask(
    options: dict[str, Any],
    question: str,
    budget: Budget | None,
    max_cost: str | None,
    deadline: float | None,
    clarify: bool,
    language: str,
) -> None:
    """Answer a question, with sources, confidence and price. Exit status 2 if there is no answer."""
    with opened(options, language=language, clarify=clarify) as rag:
        answer = rag.ask(question, budget=budget, max_cost=max_cost, deadline=deadline)
    click.echo(answer_lines(answer))
    if answer.outcome != "answered":
        sys.exit(2)


@main.command()
@click.argument("question")
@budget_option
@language_option
@click.pass_obj
def quote(options: dict[str, Any], question: str, budget: Budget | None, language: str) -> None:
    """What asking would cost, before it is spent."""
    with opened(options, language=language) as rag:
        quoted = rag.quote(question, budget)
    click.echo(f"least ${quoted.least:f}   expected ${quoted.expected:f}   most ${quoted.most:f}")


@main.command()
@click.argument("file", type=click.File("rb"))
@click.pass_obj
def lint(options: dict[str, Any], file: BinaryIO) -> None:
    """Look for wasted tokens in the system text in FILE, or on standard input for "-".

    With --model bedrock:MODEL_ID also what they cost in 1,000 asks. Exit status 1 if something is found.
    """
    from ragdiet.diet import lint as lint_prompt

    billed = [name.removeprefix("bedrock:") for name in options["models"] if name.startswith("bedrock:")]
    price = prices_of(options).price(billed[0], options["region"] or "") if billed else None
    try:
        system = file.read().decode()
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{file.name} is not UTF-8: save it as UTF-8") from error
    findings = lint_prompt(system=system, price=price)
    click.echo(str(findings))
    if findings:
        sys.exit(1)


@main.command()
@click.option("--docs", help="A folder or file of your own, instead of the standard library's documentation.")
@click.option("--question", "questions", multiple=True, help="Your own question; repeat for more.")
@click.pass_obj
def demo(options: dict[str, Any], docs: str | None, questions: tuple[str, ...]) -> None:
    """The main job, on real text: ingest, ask, and show answers, sources, confidence and price."""
    from ragdiet.demo import run

    # A collection for each source: a run over one's own files leaves the library's documentation embedded.
    with opened({**options, "collection": f"demo {Path(docs).absolute()}"[-200:] if docs else "demo"}) as rag:
        run(rag, docs, questions)
