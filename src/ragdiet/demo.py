"""The demonstration: real text that every Python has, real questions, and what each answer cost."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragdiet.account import PriceBook
from ragdiet.errors import InvalidArgument
from ragdiet.terminal import answer_lines, ingest_with_progress, rejection_lines, report_line
from ragdiet.tokens import default_counter
from ragdiet.types import Document, Usage

if TYPE_CHECKING:
    from ragdiet.rag import RAG
    from ragdiet.types import Answer, Context

MODULES = (
    "argparse bisect calendar collections configparser contextlib copy csv dataclasses datetime fractions functools "
    "glob gzip hashlib heapq itertools json os.path pathlib queue random sched secrets shelve shutil statistics string "
    "subprocess tempfile textwrap time timeit traceback urllib.parse uuid zipfile"
).split()

QUESTIONS = (
    "What does functools.lru_cache do when maxsize is None?",
    "What does statistics.median return when the number of data points is even?",
    "Which function of textwrap removes common leading whitespace from every line?",
    "What is the notice period for an employee on probation?",
)
"""Three that the documentation answers, and one that it cannot."""

WHOLE = 1_000_000
# Named so that the comparison can be checked: the price book's row of this id.
COMPARED_MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def run(rag: RAG, docs: str | None, questions: Sequence[str]) -> None:
    """Ingest ``docs`` (or the standard library's documentation) and ask ``questions`` (or the demo's)."""
    if docs and not questions:
        raise InvalidArgument('DOCS alone asks nothing: give a question too, QUESTION="..."')
    source = Path(docs) if docs else list(standard_library())
    click.echo(f"Ingesting {docs or f'the documentation of {len(MODULES)} standard library modules'} ...")
    report = ingest_with_progress(rag, source, sync=True)
    click.echo(report_line(report))
    for line in rejection_lines(report):
        click.echo(line)
    for question in questions or QUESTIONS:
        click.echo(f"\n{question}\n")
        answer = rag.ask(question)
        whole = rag.compress(question, rag.retrieve(question), WHOLE)
        click.echo(textwrap.indent(answer_lines(answer), "  "))
        click.echo(f"    {_compared(answer, whole)}")


def standard_library() -> Iterator[Document]:
    """A Document for each of MODULES: its own documentation, and that of its public names."""
    for name in MODULES:
        module = importlib.import_module(name)
        parts = [f"# {name}\n\n{inspect.getdoc(module) or ''}"]
        for public in sorted(set(getattr(module, "__all__", None) or vars(module))):
            member = getattr(module, public, None)
            if public.startswith("_") or not callable(member) or inspect.getmodule(member) not in (module, None):
                continue
            parts.append(f"## {name}.{public}\n\n{_documentation(member)}")
            if inspect.isclass(member):
                parts += [
                    f"### {name}.{public}.{attribute}\n\n{_documentation(method)}"
                    for attribute, method in sorted(vars(member).items())
                    if not attribute.startswith("_") and callable(method)
                ]
        text = "\n\n".join(part for part in parts if part.partition("\n\n")[2].strip())
        headings = [[match.start(), len(match[1]), match[2]] for match in re.finditer(r"(?m)^(#{1,3}) (.+)$", text)]
        yield Document(id=name, text=text, title=name, uri=f"pydoc:{name}", meta={"headings": headings})


def _documentation(member: object) -> str:
    # Only what the object says itself: getdoc would repeat a base class's text for each heir.
    own = getattr(member, "__doc__", None)
    return inspect.cleandoc(own) if isinstance(own, str) else ""


def _compared(answer: Answer, whole: Context) -> str:
    """What a named model would cost: with its passages whole, and as they were sent, by our count of tokens."""
    price = PriceBook.default().price(COMPARED_MODEL)
    reply = default_counter().count(answer.text)
    before = price.cost(Usage(input_tokens=whole.tokens, output_tokens=reply))
    told = f"{COMPARED_MODEL}: ${before:.6f} with the passages whole ({whole.tokens:,} tokens)"
    if answer.context is None:
        return f"{told}, $0 as it was not asked"
    after = price.cost(Usage(input_tokens=answer.context.tokens, output_tokens=reply))
    return f"{told}, ${after:.6f} after the diet"
