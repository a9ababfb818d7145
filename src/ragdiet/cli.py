"""The command line: the same verbs as RAG. Results go to standard output, all else to standard error."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from click.core import ParameterSource

from ragdiet.errors import InvalidArgument, RagdietError, SourceNotFound
from ragdiet.terminal import (
    answer_lines,
    columns,
    diagnosis_lines,
    ingest_with_progress,
    reembed_line,
    reembed_with_progress,
    rejection_lines,
    report_line,
)

if TYPE_CHECKING:
    from ragdiet.rag import RAG
    from ragdiet.types import Budget


def _as_budget(text: str) -> Budget:
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number of tokens nor auto") from None


_WAYS = click.Choice(["flag", "mask", "reject", "keep"])
_language = click.option(
    "--language", default="english", show_default=True, help="Of the collection; the name of its Snowball stemmer."
)

_budget = click.option(
    "--budget",
    type=_as_budget,
    metavar="TOKENS|auto",
    help="Tokens of context; auto: as many as the question seems to need.",
)


class _Command(click.Group):
    """A group whose commands end a ragdiet error as one line on standard error and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RagdietError as error:
            raise click.ClickException(f"{type(error).__name__}: {error}") from error


@click.group(cls=_Command, context_settings={"auto_envvar_prefix": "RAGDIET", "help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ragdiet")
@click.option("--path", default=".ragdiet", show_default=True, help="Folder of the embedded database.")
@click.option("--database", help="DSN of another PostgreSQL with pgvector, instead of the embedded one.")
@click.option("--region", help="AWS region of Bedrock.")
@click.option("--embedder", default="local:minilm", show_default=True, help="local:minilm or bedrock:MODEL_ID.")
@click.option("--model", "models", multiple=True, help="local:extractive or bedrock:MODEL_ID; repeat, cheapest first.")
@click.option("--collection", default="default", show_default=True)
@click.option("--tenant", default="")
@click.pass_context
def main(ctx: click.Context, /, **options: Any) -> None:
    """Answers from your documents for the least money that keeps the answer right.

    Every option can be set by an environment variable: RAGDIET_DATABASE, RAGDIET_REGION, ...
    """
    ctx.obj = options


@contextmanager
def _opened(options: dict[str, Any], **more: Any) -> Iterator[RAG]:
    from ragdiet.rag import RAG

    pieces = {name: options[name] for name in ("region", "embedder", "collection", "tenant")} | more
    pieces["models"] = options["models"] or ("local:extractive",)
    database = options["database"]
    with RAG.connect(database, **pieces) if database else RAG.local(options["path"], **pieces) as rag:
        yield rag


@main.command()
@click.option("--filter-key", "filter_keys", multiple=True, help="Index this key of metadata; repeat for more.")
@click.option("--runtime-role", help="A role that is to read and write rows, and do nothing else.")
@click.pass_obj
def migrate(options: dict[str, Any], filter_keys: tuple[str, ...], runtime_role: str | None) -> None:
    """Create or upgrade the schema of --database; the embedded one needs no telling."""
    with _opened(options) as rag:
        click.echo(f"schema {rag.migrate(filter_keys=filter_keys, runtime_role=runtime_role)}")


@main.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--sync", is_flag=True, help="Delete documents that the sources no longer have.")
@click.option("--dry-run", is_flag=True, help="Write and spend nothing: show what would happen, and its price.")
@click.option("--expires-in", "days", type=float, metavar="DAYS", help="Find these documents for so many days only.")
@_language
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
    with _opened(options, quality=quality, language=language) as rag:
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
    with _opened(options) as rag:
        rag.swap(one, other)
    click.echo(f"{one} and {other} have changed names")


@main.command()
@click.argument("name")
@click.pass_obj
def drop(options: dict[str, Any], name: str) -> None:
    """Delete a collection with all that is in it."""
    with _opened(options) as rag:
        click.echo(f"documents deleted: {rag.drop(name):,}")


@main.command()
@click.pass_obj
def sweep(options: dict[str, Any]) -> None:
    """Delete the documents whose time has come, in every collection."""
    with _opened(options) as rag:
        click.echo(f"documents deleted: {rag.sweep():,}")


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
    with _opened(options) as rag:
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
    with _opened(options) as rag:
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
    with _opened(options) as rag:
        rag.retire_space(space)
    click.echo(f"{space} is retired")


@main.command()
@click.argument("question")
@click.option("-k", default=10, show_default=True)
@click.pass_obj
def retrieve(options: dict[str, Any], question: str, k: int) -> None:
    """Show the chunks nearest to a question."""
    with _opened(options) as rag:
        for number, hit in enumerate(rag.retrieve(question, k), 1):
            ranks = f"keyword {hit.keyword_rank or '-'}, dense {hit.dense_rank or '-'}"
            click.echo(f"{number}. {hit.title or hit.document_id}  score {hit.score:.2f} ({ranks})")
            click.echo(textwrap.shorten(hit.text, 200), nl=True)


@main.command()
@click.argument("question")
@_budget
@click.option("--max-cost", help="USD for the whole ask.")
@click.option("--deadline", type=float, help="Seconds after which no further step begins.")
@click.option("--clarify/--no-clarify", default=True, help="Meet a question that is not clear with choices.")
@_language
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
    with _opened(options, language=language, clarify=clarify) as rag:
        answer = rag.ask(question, budget=budget, max_cost=max_cost, deadline=deadline)
    click.echo(answer_lines(answer))
    if answer.outcome != "answered":
        sys.exit(2)


@main.command()
@click.argument("question")
@_budget
@_language
@click.pass_obj
def quote(options: dict[str, Any], question: str, budget: Budget | None, language: str) -> None:
    """What asking would cost, before it is spent."""
    with _opened(options, language=language) as rag:
        quoted = rag.quote(question, budget)
    click.echo(f"least ${quoted.least:f}   expected ${quoted.expected:f}   most ${quoted.most:f}")


@main.command()
@click.option("--by", type=click.Choice(["stage", "model", "tenant", "tag", "day", "outcome"]), default="stage")
@click.option("--since", help="A date (2026-11-01), or a number of days such as 7d.")
@click.pass_obj
def costs(options: dict[str, Any], by: Any, since: str | None) -> None:
    """What was spent, and on what."""
    with _opened(options) as rag:
        rows = rag.costs(by=by, since=_moment(since) if since else None)
    cells = [(by, "calls", "asks", "tokens in", "tokens out", "USD")]
    cells += [
        (row.key, f"{row.calls:,}", f"{row.asks:,}", f"{row.input_tokens:,}", f"{row.output_tokens:,}", f"{row.cost:f}")
        for row in rows
    ]
    click.echo(columns(cells))


@main.command("rebuild-statistics")
@click.pass_obj
def rebuild_statistics(options: dict[str, Any]) -> None:
    """Count anew what keyword search needs of the collection."""
    with _opened(options) as rag:
        rag.rebuild_statistics()
    click.echo(f"{options['collection']} was counted anew")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Look for what makes searches slow, wrong or unsafe, with the commands that mend it. Changes nothing.

    Exit status 1 if something fails; warnings alone are 0.
    """
    with _opened(ctx.obj) as rag:
        diagnosis = rag.doctor()
    if as_json:
        findings = [asdict(finding) for finding in diagnosis.findings]
        click.echo(json.dumps({"status": diagnosis.status, "findings": findings}, indent=2))
    else:
        click.echo(diagnosis_lines(diagnosis, [_as_called(ctx, command) for command in diagnosis.mend]))
    if diagnosis.status == "fail":
        sys.exit(1)


def _as_called(ctx: click.Context, command: str) -> str:
    """A command of ragdiet with the options that this one was given, but for a password, on its line."""
    above = ctx.find_root()
    given = [
        word
        for name in ("path", "database", "region", "embedder")
        if above.get_parameter_source(name) is ParameterSource.COMMANDLINE
        for word in (f"--{name}", _without_password(ctx.obj[name]) if name == "database" else ctx.obj[name])
    ]
    name = "ragdiet "
    return f"{name}{shlex.join(given)} {command.removeprefix(name)}" if given and command.startswith(name) else command


def _without_password(dsn: str) -> str:
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    return make_conninfo("", **{**conninfo_to_dict(dsn), "password": None})


@main.command()
@click.argument("file", type=click.File("rb"))
@click.pass_obj
def lint(options: dict[str, Any], file: BinaryIO) -> None:
    """Look for wasted tokens in the system text in FILE, or on standard input for "-".

    With --model bedrock:MODEL_ID also what they cost in 1,000 asks. Exit status 1 if something is found.
    """
    from ragdiet.account import PriceBook
    from ragdiet.diet import lint as lint_prompt

    billed = [name.removeprefix("bedrock:") for name in options["models"] if name.startswith("bedrock:")]
    price = PriceBook.default().price(billed[0], options["region"] or "") if billed else None
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
    with _opened({**options, "collection": f"demo {Path(docs).absolute()}"[-200:] if docs else "demo"}) as rag:
        run(rag, docs, questions)


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


def _moment(since: str) -> datetime:
    try:
        if since.endswith("d"):
            return datetime.now(UTC) - timedelta(days=float(since[:-1]))
        return datetime.fromisoformat(since).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{since!r} is neither a date (2026-11-01) nor days (7d)") from error
