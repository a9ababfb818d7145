"""Labelled questions out of a file: what each should give."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ragdiet.errors import BadEncoding, InvalidArgument, SourceNotFound
from ragdiet.failures import Expected
from ragdiet.types import Outcome

_KEYS = {"id", "question", "answers", "answer", "documents", "outcome"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledQuestion:
    """A question and what is expected of its answer; ``name`` tells it from others in a report."""

    question: str
    expected: Expected
    name: str = ""


def read_labelled(path: str | Path) -> tuple[LabelledQuestion, ...]:
    """JSON lines such as ``{"question": "How long is the notice period?", "answers": ["three months"]}``, with
    ``answers`` (one must stand in the answer), ``documents`` (one must be cited), ``outcome``, or several of these.

    Raises SourceNotFound, BadEncoding, and InvalidArgument, which names the line.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        raise SourceNotFound(f"no labelled questions at {path}: check the path", uri=str(path)) from error
    except UnicodeDecodeError as error:
        raise BadEncoding(f"{path} is not UTF-8: save it as UTF-8", uri=str(path)) from error
    return tuple(_parsed(line, f"line {number} of {path}") for number, line in enumerate(lines, 1) if line.strip())


def labelled(rows: Iterable[LabelledQuestion | Mapping[str, Any]]) -> tuple[LabelledQuestion, ...]:
    """The same of mappings with the keys of such a line. Raises InvalidArgument, which names the row."""
    return tuple(
        row if isinstance(row, LabelledQuestion) else _checked(row, f"labelled question {number}")
        for number, row in enumerate(rows, 1)
    )


def _parsed(line: str, place: str) -> LabelledQuestion:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InvalidArgument(f"{place} is not JSON: {error}") from error
    return _checked(row, place)


def _checked(row: Any, place: str) -> LabelledQuestion:
    if not isinstance(row, Mapping) or not isinstance(row.get("question"), str) or not row["question"].strip():
        raise InvalidArgument(f'{place} has no question: write {{"question": "...", "answers": ["..."]}}')
    if unknown := set(row) - _KEYS:
        raise InvalidArgument(f"{place} has unknown keys {', '.join(sorted(unknown))}: use {', '.join(sorted(_KEYS))}")
    answers = [*row.get("answers", ()), *([row["answer"]] if "answer" in row else ())]
    documents = row.get("documents", ())
    outcome = row.get("outcome")
    if isinstance(row.get("answers"), str) or isinstance(documents, str):
        raise InvalidArgument(f"{place}: answers and documents are lists of texts")
    if not all(isinstance(text, str) and text.strip() for text in (*answers, *documents)):
        raise InvalidArgument(f"{place}: an answer or document that is empty or no text says nothing")
    if outcome is not None and outcome not in get_args(Outcome):
        raise InvalidArgument(f"{place}: outcome is {outcome!r}, none of {', '.join(get_args(Outcome))}")
    expected = Expected(answers=tuple(answers), documents=tuple(documents), outcome=outcome)
    if not expected:
        raise InvalidArgument(f"{place} says nothing of what is expected: give answers, documents or an outcome")
    return LabelledQuestion(question=row["question"], expected=expected, name=str(row.get("id", "")))
