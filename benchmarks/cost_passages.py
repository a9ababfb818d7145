"""Passages joined into documents, and whether an answer survives in what was retrieved of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chunk_metrics import Range
from benchmarks.datasets import judgements, read_lines
from benchmarks.diet_tasks import normal
from ragdiet.types import Document, Span

_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question, the forms of its answer, and where the passages that hold it stand."""

    question: str
    answers: tuple[str, ...]
    gold: tuple[Range, ...]


def joined(folder: Path, limit: int) -> tuple[list[Document], list[Asked]]:
    """A document for each title, and at most ``limit`` of the questions whose gold passages hold the answer."""
    texts: dict[str, str] = {}
    range_of: dict[str, Range] = {}
    for row in read_lines(folder / "corpus.jsonl.gz"):
        title = row["title"]
        before = f"{texts[title]}{_BETWEEN}" if title in texts else ""
        texts[title] = before + row["text"]
        range_of[row["id"]] = (title, len(before), len(texts[title]))
    grades = judgements(folder)
    asked = [
        Asked(
            question=row["text"],
            answers=tuple(row["answers"]),
            gold=tuple(range_of[one] for one in grades[row["id"]]),
        )
        for row in read_lines(folder / "queries.jsonl")
        if row["answerable"] and row["id"] in grades
    ]
    asked = [one for one in asked if survives(one, texts, one.gold)]
    documents = [Document(title, text, title=title) for title, text in texts.items()]
    return documents, asked[:: max(1, len(asked) // limit)][:limit]


def survives(asked: Asked, text_of: Mapping[str, str], found: Sequence[Range]) -> bool:
    """Whether a form of the answer stands, in one piece, in what was found of a gold passage."""
    forms = [form for form in map(normal, asked.answers) if form.strip()]
    for gold in asked.gold:
        text = text_of[gold[0]]
        for start, end in pieces(text, gold, found):
            block = normal(text[start:end])
            if any(form in block for form in forms):
                return True
    return False


def pieces(text: str, gold: Range, found: Iterable[Range]) -> list[Span]:
    """What the ranges found hold of ``gold``, a range of ``text``; those with nothing but white space between are
    one piece.

    >>> pieces("one two three", ("d", 4, 13), [("d", 8, 13), ("d", 0, 7), ("another", 0, 99)])
    [(4, 13)]
    """
    gold_document, first, last = gold
    made: list[Span] = []
    for document, start, end in sorted(found):
        start, end = max(start, first), min(end, last)
        if document != gold_document or start >= end:
            continue
        if made and not text[made[-1][1] : start].strip():
            made[-1] = made[-1][0], max(made[-1][1], end)
        else:
            made.append((start, end))
    return made
