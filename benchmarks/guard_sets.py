"""The sets that the guard is fitted and measured on, and which half is for which.

Attacks of BIPIA are halved by their category, so that no kind of attack is in both halves; everything else by turns.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets import read_lines
from ragdiet.sentences import split_sentences


@dataclass(frozen=True, kw_only=True)
class Text:
    """``kind`` is where it comes from, ``is_attack`` that it gives orders, ``fitted`` which half it is of."""

    text: str
    kind: str
    is_attack: bool
    fitted: bool


def prompts(folder: Path) -> list[Text]:
    rows = [*read_lines(folder / "prompt_injection" / "prompts.jsonl")]
    categories = sorted({row["category"] for row in rows if is_bipia(row["source"])})
    turn: Counter[str] = Counter()
    texts = []
    for row in rows:
        source = row["source"]
        turn[source] += 1
        number = categories.index(row["category"]) if is_bipia(source) else turn[source] - 1
        kind = f"{source.removesuffix('_train')}: {row['category']}" if is_bipia(source) else source.split("/")[-1]
        texts.append(Text(text=row["text"], kind=kind, is_attack=bool(row["label"]), fitted=number % 2 == 0))
    return texts


def contexts(folder: Path, *, fitted: bool) -> list[tuple[str, str]]:
    """Task and text of BIPIA's mails, tables and questions about code, of one half; each text once."""
    rows = read_lines(folder / "prompt_injection" / "bipia_contexts.jsonl.gz")
    texts = (
        (row["task"], row["context"] if isinstance(row["context"], str) else "\n".join(row["context"])) for row in rows
    )
    return [pair for number, pair in enumerate(dict.fromkeys(texts)) if (number % 2 == 0) == fitted]


def is_bipia(kind: str) -> bool:
    return kind.startswith("BIPIA")


def questions(folder: Path) -> dict[str, list[str]]:
    """Questions that nobody meant as an attack, by set."""
    return {
        "squad_v2": [row["text"] for row in read_lines(folder / "squad_v2" / "queries.jsonl")],
        "nq": [row["text"] for row in read_lines(folder / "nq_lost_in_the_middle" / "queries.jsonl")],
        "hotpotqa": [row["question"] for row in read_lines(folder / "hotpotqa_distractor" / "contexts.jsonl.gz")],
        "cranfield": [row["text"] for row in read_lines(folder / "cranfield" / "queries.jsonl")],
        "chunking_evaluation": [row["text"] for row in read_lines(folder / "chunking_evaluation" / "queries.jsonl")],
    }


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]
