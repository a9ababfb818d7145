"""Chunks and their vectors as they are handed from one Python to another: two files in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

_NAMESPACE = UUID("6f0e4a5c-9a43-4c27-93f5-2f4ad1f2b8c1")


@dataclass(frozen=True, slots=True)
class Row:
    """One chunk: the document it belongs to, its place there, and its text."""

    document: str
    ordinal: int
    text: str

    @property
    def id(self) -> str:
        """A UUID, which every store takes, the same for the same place."""
        return str(uuid5(_NAMESPACE, f"{self.document}\0{self.ordinal}"))

    @property
    def meta(self) -> dict[str, object]:
        return {"document": self.document, "ordinal": self.ordinal}


def save_rows(folder: Path, rows: Sequence[Row], vectors: NDArray[np.float32]) -> None:
    (folder / "rows.json").write_text(json.dumps([astuple(row) for row in rows]), "utf-8")
    np.save(folder / "vectors.npy", vectors)


def load_rows(folder: Path) -> tuple[list[Row], NDArray[np.float32]]:
    rows = [Row(*values) for values in json.loads((folder / "rows.json").read_text("utf-8"))]
    return rows, np.load(folder / "vectors.npy")


def save_questions(folder: Path, questions: Sequence[str], vectors: NDArray[np.float32]) -> None:
    (folder / "questions.json").write_text(json.dumps(list(questions)), "utf-8")
    np.save(folder / "question_vectors.npy", vectors)


def load_questions(folder: Path) -> tuple[list[str], NDArray[np.float32]]:
    return json.loads((folder / "questions.json").read_text("utf-8")), np.load(folder / "question_vectors.npy")


def blocks(number: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` that cover ``range(number)``."""
    return (slice(start, start + size) for start in range(0, number, size))
