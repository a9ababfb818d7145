"""Passages of real text, and questions put to them.

Prose first: the evaluation sets' documents, their distractors and contexts, and real_docs. Then the docstrings of
this Python's standard library and of what is installed, other windows of the prose, the same Python files as source
code, and more windows where even these are too few. Each passage is one document of the store, its title before its
text, at most 220 tokens long; no text stands twice.
"""

from __future__ import annotations

import ast
import re
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.corpus_text import SETS, set_documents
from benchmarks.datasets import read_lines
from ragdiet import RecursiveChunker
from ragdiet.load import load
from ragdiet.types import Document

_SIZE = 220
_OTHER_WINDOWS = (160, 120)
_MORE_WINDOWS = (90, 70, 55, 45)
_IDENTIFIER = re.compile(r"\b(?=\w*[a-z])(?=\w*[\d_])[A-Za-z]\w{5,30}\b")
_LEAST_DOCSTRINGS = 200


@dataclass(frozen=True, slots=True)
class Passage:
    """``document`` is the text's id within its source, ``source`` the set or the kind of text."""

    id: str
    document: str
    source: str
    text: str


@lru_cache(maxsize=1)
def passages(data: Path, number: int) -> tuple[Passage, ...]:
    """The first ``number`` passages. Raises ValueError where this machine holds less text."""
    found = tuple(islice(_distinct(_every(data)), number))
    if len(found) < number:
        raise ValueError(f"only {len(found):,} different passages in all of the text here: ask for fewer")
    return found


def sources(found: Iterable[Passage]) -> dict[str, int]:
    """How many passages came from where."""
    return dict(Counter(passage.source for passage in found))


def real_questions(data: Path, number: int, seed: int) -> list[str]:
    """Questions of people: all of HotpotQA's, the others in equal parts from SQuAD and Natural Questions.

    Without quotation marks, which bind a search to what they hold, and with single blanks, as they are embedded.
    """
    hotpot = [row["question"] for row in read_lines(data / "hotpotqa_distractor" / "contexts.jsonl.gz")]
    others = [
        [row["text"] for row in read_lines(data / name / "queries.jsonl") if row["answerable"]]
        for name in ("squad_v2", "nq_lost_in_the_middle")
    ]
    hotpot, *others = (
        [" ".join(question.split()) for question in own if '"' not in question] for own in (hotpot, *others)
    )
    random = np.random.default_rng(seed)
    picked = [list(random.permutation(own)) for own in others]
    asked = hotpot[: number // 3]
    asked += [question for pair in zip(*picked, strict=False) for question in pair][: number - len(asked)]
    return [str(asked[index]) for index in random.permutation(len(asked))]


def rare_identifiers(found: Sequence[Passage], number: int, seed: int) -> list[str]:
    """Names and codes that a single passage holds, every other one within a question."""
    held = Counter(name for passage in found for name in set(_IDENTIFIER.findall(passage.text)))
    rare = sorted(name for name, passages in held.items() if passages == 1)
    picked = [rare[index] for index in np.random.default_rng(seed).permutation(len(rare))[:number]]
    return [name if place % 2 else f"What is {name} used for?" for place, name in enumerate(picked)]


def _distinct(found: Iterable[Passage]) -> Iterator[Passage]:
    seen: set[str] = set()
    for passage in found:
        if passage.text not in seen and "\0" not in passage.text:
            seen.add(passage.text)
            yield passage


def _every(data: Path) -> Iterator[Passage]:
    yield from _cut(_prose(data), _SIZE)
    yield from _cut(_docstrings(), _SIZE)
    yield from _windows(data, _OTHER_WINDOWS)
    yield from _cut(_code(), _SIZE)
    yield from _windows(data, _MORE_WINDOWS)


def _windows(data: Path, sizes: Iterable[int]) -> Iterator[Passage]:
    for size in sizes:
        for passage in _cut(_prose(data), size):
            yield replace(passage, source=f"other windows of the prose, {size} tokens")


def _cut(documents: Iterable[tuple[str, Document]], size: int) -> Iterator[Passage]:
    chunker = RecursiveChunker(size=size)
    for source, document in documents:
        for chunk in chunker.chunk(document):
            text = f"{document.title}\n{chunk.text}" if document.title else chunk.text
            yield Passage(f"{document.id}#{size}.{chunk.ordinal}", document.id, source, text)


def _prose(data: Path) -> Iterator[tuple[str, Document]]:
    for name in SETS:
        for document in set_documents(data, name):
            yield name, document
    for row in read_lines(data / "hotpotqa_distractor" / "contexts.jsonl.gz"):
        for place, own in enumerate(row["docs"]):
            yield "hotpotqa", Document(f"{row['id']}/{place}", "".join(own["sentences"]), title=own["title"])
    for row in read_lines(data / "nq_lost_in_the_middle" / "contexts20.jsonl.gz"):
        for own in row["docs"]:
            yield "nq contexts", Document(f"{row['id']}/{own['id']}", own["text"], title=own["title"])
    for row in read_lines(data / "chunking_evaluation" / "corpus.jsonl.gz"):
        yield "chunking_evaluation", Document(row["id"], row["text"])
    for row in read_lines(data / "prompt_injection" / "bipia_contexts.jsonl.gz"):
        yield "bipia", Document(row["id"], str(row["context"]))
    for document in load(data / "real_docs", rejected=lambda _: None):
        yield "real_docs", Document(document.id, document.text, title=document.title)


def _docstrings() -> Iterator[tuple[str, Document]]:
    """A document for each module: what its docstrings say."""
    for name, file in _modules():
        try:
            with warnings.catch_warnings(action="ignore"):  # of other people's escapes
                tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError, RecursionError):  # test data of parsers
            continue
        said = [
            text
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and (text := ast.get_docstring(node))
        ]
        if sum(map(len, said)) >= _LEAST_DOCSTRINGS:
            yield "docstrings", Document(f"docstrings/{name}", "\n\n".join(said))


def _code() -> Iterator[tuple[str, Document]]:
    for name, file in _modules():
        for document in load(file, rejected=lambda _: None):
            yield "source code", Document(f"code/{name}", document.text)


def _modules() -> Iterator[tuple[str, Path]]:
    """The Python files of the standard library and of what is installed, each with the place that it has there."""
    for place in dict.fromkeys((sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))):
        for file in sorted(Path(place).rglob("*.py")):
            yield f"{Path(place).name}/{file.relative_to(place)}", file
