"""Questions that deserve choices, made out of a corpus, each with the fault that is to be told.

- "empty" and "vague": signs, stop words, and what people say without saying what about.
- "ambiguous": a word that the headings of three documents or more share, as a question and alone.
- "two in one": two of the set's own questions that different documents answer, joined in one of three ways.

"one document": two questions of the same document, joined alike. Those deserve none.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.datasets import judgements, read_lines
from ragdiet.analysis import analyzer
from ragdiet.clarify.wording import subject_terms
from ragdiet.types import Document

_NUMBER = 100
_LEAST_DOCUMENTS = 3
_JOINED = (" and ", "? Also, ", "? ")
_ASKED = ("What is the {}?", "{}", "How does the {} work?")
_EMPTY = ("???", "...", "?!", "- - -", "。。。")
_VAGUE = (
    "tell me about it",
    "how does this work?",
    "What is it?",
    "the",
    "of the and",
    "more",
    "Explain this please",
    "Can you help me?",
    "I have a question",
    "what do you know?",
    "How long does it take?",
    "How much does it cost?",
    "what about that one",
    "Give me some more information on this",
    "Where can I find it?",
    "What are the rules for this?",
    "summarize everything",
    "Why?",
    "When does it start?",
    "what does this mean",
)
_WORD = re.compile(r"[A-Za-z]{4,}")


def made_questions(data: Path, name: str, documents: Sequence[Document], seed: int) -> Iterator[tuple[str, str]]:
    """Questions and the fault of each, of a set and its documents."""
    order = random.Random(f"{seed} {name}")
    yield from ((question, "empty") for question in _EMPTY)
    yield from ((question, "vague") for question in _VAGUE)
    for number, word in enumerate(_shared(documents, order)):
        yield _ASKED[number % len(_ASKED)].format(word), "ambiguous"
    if (data / name / "qrels.tsv").exists():
        yield from _pairs(data / name, order)


def _shared(documents: Sequence[Document], order: random.Random) -> list[str]:
    """Words that stand in the titles or headings of several documents, a sample."""
    words = analyzer()
    holding: dict[str, set[str]] = defaultdict(set)
    written: dict[str, str] = {}
    for document in documents:
        headings = [str(entry[2]) for entry in document.meta.get("headings", ())]
        for word in _WORD.findall(" ".join([document.title or "", *headings])):
            terms = words.terms(word)
            if len(terms) == 1 and subject_terms(word, words):
                holding[terms[0]].add(document.title or "")
                written[terms[0]] = word.lower()
    shared = sorted(term for term, titles in holding.items() if len(titles) >= _LEAST_DOCUMENTS)
    return [written[term] for term in order.sample(shared, min(_NUMBER, len(shared)))]


def _pairs(folder: Path, order: random.Random) -> Iterator[tuple[str, str]]:
    grades = judgements(folder)
    by_document: dict[str, list[str]] = defaultdict(list)
    for row in read_lines(folder / "queries.jsonl"):
        if row.get("answerable") and len(grades.get(row["id"], {})) == 1:
            by_document[next(iter(grades[row["id"]]))].append(row["text"])
    first = [questions[0] for questions in by_document.values()]
    order.shuffle(first)
    for number, (one, other) in enumerate(pairwise(first[: _NUMBER + 1])):
        yield _join(one, other, number), "two in one"
    twice = [questions[:2] for questions in by_document.values() if len(questions) > 1]
    for number, (one, other) in enumerate(twice[:_NUMBER]):
        yield _join(one, other, number), "one document"


def _join(one: str, other: str, number: int) -> str:
    between = _JOINED[number % len(_JOINED)]
    begins_in_capitals = other[:2].isupper()
    other = other if between == "? " or begins_in_capitals else f"{other[0].lower()}{other[1:]}"
    return f"{one.rstrip(' ?')}{between}{other.rstrip(' ?')}?"
