"""Questions that someone has labelled, and what their labels say of an answer.

A row holds a question and one of these:

- ``answers``: texts of which a right answer holds one, or ``documents``: ids of which it cites one;
- ``answerable``: false, or ``outcome``: "abstained", where the documents hold no answer and any answer is wrong;
- ``right``: the verdict on the answer that ragdiet gives, with ``reply``, the text that was judged: another reply than
  that has no verdict. Without ``reply`` the verdict is taken to be on whatever is answered.

So the questions of an evaluation can be labels; their ``id`` is not looked at.

``group``: questions of one group (of one document, one user, one day) stay in one half.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

from ragdiet.errors import BadEncoding, InvalidArgument, SourceNotFound
from ragdiet.gold import holds, normalised


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One labelled question; the module says what its fields mean."""

    question: str
    answers: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    answerable: bool | None = None
    right: bool | None = None
    reply: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        gold = bool(self.answers or self.documents)
        if not isinstance(self.question, str) or not self.question.strip():
            raise InvalidArgument("a labelled question is empty")
        if gold + (self.answerable is False) + (self.right is not None) != 1:
            raise InvalidArgument(
                f"{self.question[:60]!r} must have one label: answers or documents, or answerable: false, or right"
            )
        if self.reply is not None and self.right is None:
            raise InvalidArgument(f"{self.question[:60]!r} has a reply, but no verdict on it: add right")

    @property
    def has_answer(self) -> bool | None:
        """Whether the documents hold an answer; None where the label does not say."""
        if self.right is None:
            return self.answerable is not False
        return True if self.right else None

    def verdict(self, reply: str, documents: Iterable[str]) -> bool | None:
        """Whether ``reply``, which cites ``documents``, is right; None where the label is on another reply."""
        if self.answerable is False:
            return False
        if self.right is not None:
            return self.right if self.reply is None or normalised(self.reply) == normalised(reply) else None
        return holds(reply, self.answers) or not set(self.documents).isdisjoint(documents)

    @property
    def is_fitted_on(self) -> bool:
        """Whether it is of the half that weights are fitted on; by a hash, so that a file with more rows moves none."""
        key = self.question.casefold() if self.group is None else f"group {self.group}"
        return hashlib.sha256(" ".join(key.split()).encode()).digest()[0] % 2 == 0


_OF_AN_EVALUATION = frozenset({"id", "answer", "outcome"})

Labelled: TypeAlias = str | os.PathLike[str] | Iterable[Label | Mapping[str, Any]]


def read_labels(labelled: Labelled) -> tuple[Label, ...]:
    """Labels from a JSONL file, or rows, each once. Raises SourceNotFound, BadEncoding, and InvalidArgument for a row
    that is no label and for labels that contradict each other."""
    labels = dict.fromkeys(_labels(labelled))
    if not labels:
        raise InvalidArgument("there are no labels: give one question a line, as the guide shows")
    seen: dict[tuple[str, str | None], Label] = {}
    for label in labels:
        key = " ".join(label.question.casefold().split()), label.reply and normalised(label.reply)
        other = seen.setdefault(key, label)
        if (other.right, other.answerable is False) != (label.right, label.answerable is False):
            raise InvalidArgument(f"two labels contradict each other on {label.question[:80]!r}: remove one of them")
    return tuple(labels)


def _labels(labelled: Labelled) -> Iterable[Label]:
    if isinstance(labelled, str | os.PathLike):
        path = Path(labelled)
        try:
            lines: Sequence[str] = path.read_text("utf-8").splitlines()
        except FileNotFoundError as error:
            raise SourceNotFound(f"no labels at {path}: check the path", uri=str(path)) from error
        except UnicodeDecodeError as error:
            raise BadEncoding(f"{path} is not UTF-8: save it as UTF-8", uri=str(path)) from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _label(_row(line, f"{path.name}, line {number}"), f"{path.name}, line {number}")
        return
    for number, row in enumerate(labelled, 1):
        yield row if isinstance(row, Label) else _label(row, f"label {number}")


def _row(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise InvalidArgument(f"{where} is not JSON: {error}") from error


def _label(row: Any, where: str) -> Label:
    known = {each.name for each in fields(Label)}
    if not isinstance(row, Mapping):
        raise InvalidArgument(f'{where} is no label: give an object such as {{"question": "...", "answers": ["..."]}}')
    if unknown := set(row) - known - _OF_AN_EVALUATION:
        raise InvalidArgument(f"{where} has fields that no label has: {', '.join(sorted(map(str, unknown)))}")
    values = {name: value for name, value in row.items() if name not in _OF_AN_EVALUATION}
    if row.get("outcome") == "abstained":
        values.setdefault("answerable", False)
    if "answer" in row:
        values["answers"] = [*values.get("answers", ()), row["answer"]]
    for name in ("answers", "documents"):
        given = values.get(name) or ()
        values[name] = (given,) if isinstance(given, str) else tuple(map(str, given))
    for name in ("answerable", "right"):
        if not isinstance(values.get(name), bool | None):
            raise InvalidArgument(f"{where}: {name} is {values[name]!r}, not true or false")
    try:
        return Label(**values)
    except (InvalidArgument, TypeError) as error:
        raise InvalidArgument(f"{where}: {error}") from error
