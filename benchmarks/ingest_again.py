"""What a second run over the same folder costs, and one paragraph that was edited."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import median

from benchmarks.cheap_embedder import DigestEmbedder
from benchmarks.ingest_settings import Row, Settings
from ragdiet import RAG, MiniLM
from ragdiet.types import Embedding, EmbedKind, Span

GOAL_TIMES = 20.0
GOAL_CHUNKS = 3
EDITS = 10
_LOCAL_BYTES = 400_000  # what MiniLM reads in some minutes on two cores
_EDITED_SUFFIXES = (".md", ".rst", ".txt", ".py")
_ADDED = "This sentence was added afterwards, in the middle of the text."


class CountingMiniLM:
    """MiniLM, with a count of the texts it embedded."""

    def __init__(self) -> None:
        self._embedder = MiniLM()
        self.space = self._embedder.space
        self.texts = 0

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        self.texts += len(texts)
        return self._embedder.embed(texts, kind=kind)

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> Embedding:
        self.texts += len(texts)
        return self._embedder.embed_sentences(texts, spans)


def measure(settings: Settings) -> Row:
    source = settings.data / "real_docs"
    every = sorted(file for file in source.rglob("*") if file.is_file())
    cases: dict[str, tuple[DigestEmbedder | CountingMiniLM, list[Path]]] = {
        "a digest of the text": (DigestEmbedder(), every),
        "MiniLM, some files of each format": (CountingMiniLM(), mixed(every, _LOCAL_BYTES)),
    }
    rows, edits = [], []
    for name, (embedder, files) in cases.items():
        with tempfile.TemporaryDirectory() as temporary, settings.databases.fresh(embedder.space) as dsn:
            folder = Path(temporary)
            for file in files:
                copy = folder / file.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, copy)
            row, edited = _measure_folder(settings, dsn, folder, embedder)
        rows.append({"embedder": name, "files": len(files), **row})
        edits += [{"embedder": name, **edit} for edit in edited]
    return {"runs": rows, "edits": edits}


def mixed(files: Sequence[Path], most_bytes: int) -> list[Path]:
    """Some files of each format in turn, the smaller ones first, with at most ``most_bytes`` between them."""
    by_format: dict[str, list[Path]] = {}
    for file in sorted(files, key=lambda file: file.stat().st_size):
        by_format.setdefault(file.suffix, []).append(file)
    found: list[Path] = []
    left = most_bytes
    for place in range(max(map(len, by_format.values()))):
        for group in by_format.values():
            if place < len(group) and group[place].stat().st_size <= left:
                found.append(group[place])
                left -= group[place].stat().st_size
    return found


def edited(text: str, random: Random, *, is_code: bool = False) -> str:
    """``text`` with a sentence added to one paragraph, neither the first nor the last; in code, with a comment."""
    paragraphs = text.split("\n\n")
    place = random.randrange(1, len(paragraphs) - 1)
    paragraphs[place] = f"{paragraphs[place]} {'# ' if is_code else ''}{_ADDED}"
    return "\n\n".join(paragraphs)


def _measure_folder(
    settings: Settings, dsn: str, folder: Path, embedder: DigestEmbedder | CountingMiniLM
) -> tuple[Row, list[Row]]:
    with RAG.connect(dsn, embedder=embedder) as rag:
        first = rag.ingest(folder)
        print(f"  first run {first.seconds:.1f} s, {first.chunks:,} chunks", flush=True)
        before = embedder.texts
        again = [rag.ingest(folder) for _ in range(settings.rounds)]
        embedded_again = embedder.texts - before
        random = Random(settings.seed)
        editable = [
            file
            for file in sorted(folder.rglob("*"))
            if file.suffix in _EDITED_SUFFIXES and file.read_text("utf-8").count("\n\n") > 20
        ]
        edits: list[Row] = []
        for _ in range(EDITS):
            file = random.choice(editable)
            file.write_text(edited(file.read_text("utf-8"), random, is_code=file.suffix == ".py"), "utf-8")
            before = embedder.texts
            report = rag.ingest(folder)
            edits.append(
                {
                    "file": str(file.relative_to(folder)),
                    "updated": report.updated,
                    "chunks_embedded": embedder.texts - before,
                    "seconds": round(report.seconds, 3),
                    "goal": f"<= {GOAL_CHUNKS} chunks",
                    "met": embedder.texts - before <= GOAL_CHUNKS,
                }
            )
    seconds = [report.seconds for report in again]
    times = first.seconds / median(seconds)
    row = {
        "added": first.added,
        "rejected": len(first.rejected),
        "chunks": first.chunks,
        "first_seconds": round(first.seconds, 2),
        "second_seconds": [round(one, 3) for one in seconds],
        "unchanged": again[-1].unchanged,
        "tokens_embedded_again": sum(report.tokens for report in again),
        "texts_embedded_again": embedded_again,
        "times_faster": round(times, 1),
        "goal": f">= {GOAL_TIMES:.0f} times, 0 embedded",
        "met": times >= GOAL_TIMES and not embedded_again,
    }
    return row, edits
