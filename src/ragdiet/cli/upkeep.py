"""The schema, and what is wrong with a database."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from typing import Any

import click
from click.core import ParameterSource

from ragdiet.cli.root import main, opened
from ragdiet.terminal import diagnosis_lines


@main.command()
@click.option("--filter-key", "filter_keys", multiple=True, help="Index this key of metadata; repeat for more.")
@click.option("--runtime-role", help="A role that is to read and write rows, and do nothing else.")
@click.pass_obj
def migrate(options: dict[str, Any], filter_keys: tuple[str, ...], runtime_role: str | None) -> None:
    """Create or upgrade the schema of --database; the embedded one needs no telling."""
    with opened(options) as rag:
        click.echo(f"schema {rag.migrate(filter_keys=filter_keys, runtime_role=runtime_role)}")


@main.command("rebuild-statistics")
@click.pass_obj
def rebuild_statistics(options: dict[str, Any]) -> None:
    """Count anew what keyword search needs of the collection."""
    with opened(options) as rag:
        rag.rebuild_statistics()
    click.echo(f"{options['collection']} was counted anew")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Look for what makes searches slow, wrong or unsafe, with the commands that mend it. Changes nothing.

    Exit status 1 if something fails; warnings alone are 0.
    """
    with opened(ctx.obj) as rag:
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
