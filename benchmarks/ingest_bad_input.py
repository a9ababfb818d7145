"""Hostile files and embedders: is the rest ingested, and does every rejection say why?

Files are judged by one rule: each is either in the store or in the report with a reason, and nothing else
is lost or stopped by it. Embedders are judged by what is stored: never a vector that is missing or no
direction, and every document that they did not spoil.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import psycopg
from numpy.typing import NDArray

from benchmarks import ingest_child
from benchmarks.cheap_embedder import DigestEmbedder
from benchmarks.hostile_files import write_hostile
from benchmarks.ingest_memory import GOAL_MEGABYTES
from benchmarks.ingest_settings import Row, Settings
from ragdiet import RAG, Document, RagdietError
from ragdiet.types import Embedding, EmbedKind

_PDF = Path("pdf", "py-pdf-sample-files")
_MOVING = 60
_SPOILT = "spoilt"
_GOOD_DOCUMENTS = 300

Vectors = NDArray[np.float32]
SPOIL: dict[str, Callable[[Vectors, NDArray[np.bool_]], Vectors]] = {
    "wrong count": lambda vectors, hit: vectors[~hit],
    "NaN": lambda vectors, hit: np.where(hit[:, None], np.float32("nan"), vectors),
    "infinite": lambda vectors, hit: np.where(hit[:, None], np.float32("inf"), vectors),
    "zero": lambda vectors, hit: np.where(hit[:, None], np.float32(0), vectors),
    "wrong length": lambda vectors, hit: vectors[:, :-1] if hit.any() else vectors,
}


class SpoilingEmbedder(DigestEmbedder):
    """Spoils the vectors of a call's texts that hold a word."""

    def __init__(self, spoil: Callable[[Vectors, NDArray[np.bool_]], Vectors]) -> None:
        super().__init__()
        self._spoil = spoil

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        embedding = super().embed(texts, kind=kind)
        hit = np.array([_SPOILT in text for text in texts])
        return Embedding(vectors=self._spoil(embedding.vectors, hit), tokens=embedding.tokens)


def measure(settings: Settings) -> Row:
    pdf = min((settings.data / "real_docs" / _PDF).rglob("*.pdf"), key=lambda file: file.stat().st_size)
    files = _hostile_files(settings, pdf)
    moving = _moving_files(settings)
    embedders = [_spoiling(settings, name) for name in SPOIL]
    return {
        "met": all(row["met"] for row in (*files, *moving, *embedders)),
        "files": files,
        "moving": moving,
        "embedders": embedders,
    }


def _hostile_files(settings: Settings, pdf: Path) -> list[Row]:
    """A row for each file, and one for the run: it is a process of its own, whose memory is measured."""
    with (
        tempfile.TemporaryDirectory() as temporary,
        settings.databases.fresh(DigestEmbedder().space) as dsn,
    ):
        folder = Path(temporary) / "hostile"
        write_hostile(folder, pdf)
        report = ingest_child.run(dsn, folder)
        stored = _documents(dsn)
        reasons = {_relative(uri, folder): (error, reason) for uri, error, reason in report["rejected"]}
        names = sorted(_named(file.relative_to(folder)) for file in folder.rglob("*") if _is_entry(file))
    rows: list[Row] = []
    for name in names:
        error, reason = reasons.get(name, ("", ""))
        outcome = "rejected" if name in reasons else "ingested" if name in stored else "lost"
        good = outcome == "ingested" or (outcome == "rejected" and bool(reason) and not name.startswith("good/"))
        rows.append({"file": name, "outcome": outcome, "met": good, "error": error, "reason": reason})
    good_ones = [row for row in rows if str(row["file"]).startswith("good/")]
    kept = sum(row["outcome"] == "ingested" for row in good_ones)
    run = {
        "file": "(all good files together)",
        "outcome": f"{kept} of {len(good_ones)} ingested",
        "met": kept == len(good_ones) and report["peak_megabytes"] < GOAL_MEGABYTES,
        "error": "",
        "reason": f"{report['seconds']:.1f} s, peak {report['peak_megabytes']} MB",
    }
    return [run, *(row for row in rows if row not in good_ones)]


def _moving_files(settings: Settings) -> list[Row]:
    """Files that a thread deletes, rewrites and appends to while they are read."""
    with (
        tempfile.TemporaryDirectory() as temporary,
        settings.databases.fresh(DigestEmbedder().space) as dsn,
        RAG.connect(dsn, embedder=DigestEmbedder()) as rag,
    ):
        folder = Path(temporary)
        # Folders are read by name: files must be listed before they vanish.
        names = {
            kind: [f"{place}_{kind}/{number:03}.txt" for number in range(_MOVING)]
            for place, kind in enumerate(("vanishing", "changing", "still"))
        }
        for name in (name for group in names.values() for name in group):
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"Text of {name}. " * 500)
        with _moved(folder, names["changing"], names["vanishing"]):
            report = rag.ingest(folder)
        stored = _documents(dsn)
        reasons = {_relative(one.uri, folder): one.reason for one in report.rejected if one.start is None}
    rows = []
    for kind, group in names.items():
        told = {reasons[name] for name in group if name in reasons}
        kept, rejected = sum(name in stored for name in group), sum(name in reasons for name in group)
        lost = sum(name not in stored and name not in reasons for name in group)
        rows.append(
            {
                "files": kind,
                "number": len(group),
                "ingested": kept,
                "rejected": rejected,
                "gone before they were listed": lost if kind == "vanishing" else 0,
                "met": (kept == len(group) if kind == "still" else kind == "vanishing" or not lost) and all(told),
                "reason": "; ".join(sorted(told)),
            }
        )
    return rows


@contextmanager
def _moved(folder: Path, changing: Sequence[str], vanishing: Sequence[str]) -> Iterator[None]:
    """Changes and removes files, the last ones first, until the block ends."""
    over = threading.Event()

    def move() -> None:
        gone = list(vanishing)
        while not over.is_set():
            for name in changing:
                with (folder / name).open("a") as file:
                    file.write("More. ")
            if gone:
                (folder / gone.pop()).unlink()
            time.sleep(0.002)  # let the reader have its turn

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


_FAULTS_OF_THE_SET_UP = {"wrong length"}
"""An embedder that is not the one of its space: the run stops, and says so."""


def _spoiling(settings: Settings, name: str) -> Row:
    """One spoilt document among good ones."""
    embedder = SpoilingEmbedder(SPOIL[name])
    documents = [Document(f"good {number}", f"Document number {number}.") for number in range(_GOOD_DOCUMENTS)]
    documents.insert(_GOOD_DOCUMENTS // 2, Document("bad", f"This one is {_SPOILT}."))
    with settings.databases.fresh(embedder.space) as dsn, RAG.connect(dsn, embedder=embedder) as rag:
        try:
            told = [(one.uri, one.reason) for one in rag.ingest(documents).rejected]
            outcome = "reported"
        except RagdietError as error:
            told, outcome = [("", str(error))], f"raised {type(error).__name__}"
        stored = _documents(dsn)
        with psycopg.connect(dsn) as connection:
            row = connection.execute(
                f"SELECT count(*), count(*) FILTER (WHERE vector_norm(embedding::vector) BETWEEN 0.9 AND 1.1) "
                f"FROM ragdiet.vector_{embedder.space.name}"
            ).fetchone()
    assert row is not None
    kept = len(stored - {"bad"})
    return {
        "embedder": name,
        "outcome": outcome,
        "good_ingested": f"{kept} of {_GOOD_DOCUMENTS}",
        "unusable_vectors_stored": row[0] - row[1],
        "met": row[0] == row[1] and "bad" not in stored and (kept == _GOOD_DOCUMENTS or name in _FAULTS_OF_THE_SET_UP),
        "reason": "; ".join(reason for _, reason in told),
    }


def _documents(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        return {row[0] for row in connection.execute("SELECT external_id FROM ragdiet.document")}


def _relative(uri: str, folder: Path) -> str:
    """A file's name below the folder, from the uri of its rejection."""
    path = unquote(urlsplit(uri).path, errors="surrogateescape")
    return _named(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else uri


def _named(relative: Path) -> str:
    """A name as ragdiet makes an id of it: bytes that are no UTF-8 are written out."""
    return str(relative).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _is_entry(file: Path) -> bool:
    return file.is_symlink() or not file.is_dir()
