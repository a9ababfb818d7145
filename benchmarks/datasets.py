"""The evaluation sets, read from the folder that ``--data`` or RAGDIET_DATA names."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DEFAULT = Path(__file__).parents[2] / "shared" / "data"


def data_folder(given: str | None) -> Path:
    """The folder of the sets; ends the program, loudly, when it is not there."""
    folder = Path(given or os.environ.get("RAGDIET_DATA") or DEFAULT)
    if not folder.is_dir():
        sys.exit(f"DATASET ABSENT: no folder {folder}: nothing was measured. Give --data or set RAGDIET_DATA.")
    return folder


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a .jsonl or .jsonl.gz file."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def judgements(folder: Path) -> dict[str, dict[str, int]]:
    """Grades by document, by question."""
    grades: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        question, document, grade = line.split("\t")
        grades.setdefault(question, {})[document] = int(grade)
    return grades
