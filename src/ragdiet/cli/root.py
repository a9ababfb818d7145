"""The command itself: its options, and the database that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ragdiet.errors import RagdietError

if TYPE_CHECKING:
    from ragdiet.account import PriceBook
    from ragdiet.rag import RAG


language_option = click.option(
    "--language", default="english", show_default=True, help="Of the collection; the name of its Snowball stemmer."
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
@click.option("--confidence", type=click.Path(dir_okay=False), help="A model of confidence that calibrate wrote.")
@click.option("--prices", type=click.Path(dir_okay=False), help="Your own price file; its rows come before ours.")
@click.option("--collection", default="default", show_default=True)
@click.option("--tenant", default="")
@click.option(
    "--log", type=click.Path(dir_okay=False), help="File for what each step saw, decided and cost: JSON lines."
)
@click.pass_context
def main(ctx: click.Context, /, **options: Any) -> None:
    """Answers from your documents for the least money that keeps the answer right.

    Every option can be set by an environment variable: RAGDIET_DATABASE, RAGDIET_REGION, ...
    """
    ctx.obj = options
    if options["log"]:
        from ragdiet.observe import log_to

        ctx.call_on_close(log_to(options["log"]).close)


def prices_of(options: dict[str, Any]) -> PriceBook:
    """The packaged prices, or your own before them."""
    from ragdiet.account import PriceBook

    return PriceBook.load(options["prices"]) if options["prices"] else PriceBook.default()


@contextmanager
def opened(options: dict[str, Any], **more: Any) -> Iterator[RAG]:
    from ragdiet.rag import RAG

    pieces = {name: options[name] for name in ("region", "embedder", "collection", "tenant")} | more
    pieces["models"] = options["models"] or ("local:extractive",)
    if options["prices"]:
        pieces["prices"] = prices_of(options)
    if options["confidence"]:
        from ragdiet.confidence import LogisticConfidence

        pieces["confidence"] = LogisticConfidence.load(options["confidence"])
    database = options["database"]
    with RAG.connect(database, **pieces) if database else RAG.local(options["path"], **pieces) as rag:
        yield rag
