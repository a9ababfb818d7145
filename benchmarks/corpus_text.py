"""Real text to ingest: documents of the evaluation sets and of this Python, each passage once, and folders
of any size made out of it."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, chain
from pathlib import Path

import numpy as np

from benchmarks.datasets import read_lines
from ragdiet import RecursiveChunker
from ragdiet.load import load
from ragdiet.types import Chunk, Document

SETS = ("squad_v2", "nq_lost_in_the_middle", "cranfield", "cacm")
SMALLEST_FILE, LARGEST_FILE = 1_000, 20_000_000

_PHRASE_WORDS = 8
_PHRASES = 200_000
_PHRASES_A_PARAGRAPH = 12
_WORD = re.compile(r"\S+")


def documents(data: Path) -> Iterator[Document]:
    """The evaluation sets and ``real_docs``, then the sources of the standard library and of what is installed."""
    for name in SETS:
        yield from set_documents(data, name)
    sources = [data / "real_docs", *map(Path, (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")))]
    for source in sources:
        files = sorted(source.rglob("*.py")) if source != sources[0] else [source]
        for document in chain.from_iterable(load(file, rejected=lambda _: None) for file in files):
            yield replace(document, id=f"{source.name}/{document.uri}")


def set_documents(data: Path, name: str) -> Iterator[Document]:
    for row in read_lines(data / name / "corpus.jsonl.gz"):
        if row["text"].strip():
            yield Document(f"{name}/{row['id']}", row["text"], title=row["title"] or None)


def chunked(data: Path, number: int, size: int = 220) -> tuple[list[Document], dict[str, tuple[Chunk, ...]]]:
    """Documents with ``number`` chunks of at most ``size`` tokens between them, no text twice.

    Raises ValueError where this machine holds less text.
    """
    chunker = RecursiveChunker(size=size)
    seen: set[str] = set()
    found: list[Document] = []
    chunks: dict[str, tuple[Chunk, ...]] = {}
    left = number
    for document in documents(data):
        new = []
        for chunk in chunker.chunk(document):
            if chunk.text not in seen and len(new) < left:
                seen.add(chunk.text)
                new.append(replace(chunk, ordinal=len(new)))
        if new:
            found.append(document)
            chunks[document.id] = tuple(new)
            left -= len(new)
        if not left:
            return found, chunks
    raise ValueError(f"only {number - left:,} different chunks in all of the text here: ask for fewer")


def paragraphs(data: Path, number: int, seed: int) -> list[str]:
    """Distinct paragraphs of real prose of 10 to 1,000 characters, a sample in random order."""
    prose = load(data / "real_docs", rejected=lambda _: None)
    every = {
        paragraph.strip()
        for document in chain(set_documents(data, "squad_v2"), prose)
        for paragraph in document.text.split("\n\n")
    }
    fitting = sorted(one for one in every if 10 <= len(one) <= 1_000)
    picked = np.random.default_rng(seed).permutation(len(fitting))[:number]
    return [fitting[index] for index in picked]


def phrases(data: Path, seed: int) -> list[str]:
    """Runs of eight words at random places of real text, with the words' real frequencies."""
    words: list[str] = []
    for document in documents(data):
        words += filter(str.isprintable, _WORD.findall(document.text))
        if len(words) > 1_000_000:
            break
    starts = np.random.default_rng(seed).integers(0, len(words) - _PHRASE_WORDS, _PHRASES)
    return [" ".join(words[start : start + _PHRASE_WORDS]) for start in starts]


def shuffled_text(phrases: Sequence[str], size: int, random: np.random.Generator) -> str:
    """About ``size`` characters of sentences in paragraphs, out of phrases in random order: no two are alike."""
    mean = sum(map(len, phrases[:1_000])) / min(1_000, len(phrases)) + 2
    picked = [phrases[index] for index in random.integers(0, len(phrases), max(1, int(size / mean)))]
    groups = (picked[at : at + _PHRASES_A_PARAGRAPH] for at in range(0, len(picked), _PHRASES_A_PARAGRAPH))
    return "\n\n".join(". ".join(group) + "." for group in groups)[:size]


def file_sizes(total: int, random: np.random.Generator) -> list[int]:
    """Sizes that add up to ``total``, 1 KB to 20 MB, small ones far more often (uniform in the logarithm)."""
    draws = np.exp(random.uniform(np.log(SMALLEST_FILE), np.log(LARGEST_FILE), max(16, total // 100_000)))
    sizes = [int(size) for size, before in zip(draws, accumulate(draws, initial=0), strict=False) if before < total]
    sizes[-1] -= max(0, sum(sizes) - total)
    return [size for size in sizes if size > 0]


def write_folder(folder: Path, total: int, phrases: Sequence[str], seed: int) -> int:
    """Fill ``folder`` with ``total`` characters of shuffled real text; returns the number of files."""
    random = np.random.default_rng(seed)
    sizes = file_sizes(total, random)
    for number, size in enumerate(sizes):
        file = folder / f"{number % 100:02}" / f"{number:06}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(shuffled_text(phrases, size, random), "utf-8")
    return len(sizes)
