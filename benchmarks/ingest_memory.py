"""Peak memory of the ingesting process: a large folder, very many tiny files, one file that is too large.

The database server is another process and is not counted. Text is real, cut into short phrases and put
together anew, so that no two files are alike.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import corpus_text, ingest_child
from benchmarks.cheap_embedder import DigestEmbedder
from benchmarks.ingest_settings import Row, Settings

GOAL_MEGABYTES = 1_000
_DIMENSIONS = 16
_HUGE = 1_000_000_000
_TINY_CHARACTERS = 120
_TINY_A_FOLDER = 1_000


def measure(settings: Settings) -> Row:
    phrases = corpus_text.phrases(settings.data, settings.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        began = time.perf_counter()
        total = int(settings.gigabytes * 1e9)
        cases = {f"{settings.gigabytes:g} GB of mixed files": folder / "large"}
        corpus_text.write_folder(folder / "large", total, phrases, settings.seed)
        cases[f"{settings.tiny_files:,} tiny files"] = folder / "tiny"
        write_tiny(folder / "tiny", settings.tiny_files, phrases, settings.seed)
        cases["one file of 1 GB"] = folder / "huge"
        write_huge(folder / "huge", phrases, settings.seed)
        print(f"  folders written in {time.perf_counter() - began:.0f} s", flush=True)
        rows = []
        for name, source in cases.items():
            rows.append(_row(settings, name, source))
            print(f"  {name}: {rows[-1]['peak_megabytes']} MB", flush=True)
            shutil.rmtree(source)
    peak = max(row["peak_megabytes"] for row in rows)
    return {
        "embedder": f"a digest of the text, {_DIMENSIONS} dimensions: millions of rows are indexed in minutes",
        "peak_megabytes": peak,
        "goal": f"< {GOAL_MEGABYTES:,} MB",
        "met": peak < GOAL_MEGABYTES,
        "folders": rows,
    }


def write_tiny(folder: Path, number: int, phrases: Sequence[str], seed: int) -> None:
    random = np.random.default_rng(seed + 1)
    for each in range(number):
        file = folder / f"{each // _TINY_A_FOLDER:04}" / f"{each:06}.txt"
        if each % _TINY_A_FOLDER == 0:
            file.parent.mkdir(parents=True)
        file.write_text(corpus_text.shuffled_text(phrases, _TINY_CHARACTERS, random), "utf-8")


def write_huge(folder: Path, phrases: Sequence[str], seed: int) -> None:
    """A file of 1 GB that must be rejected, and one beside it that must not."""
    random = np.random.default_rng(seed + 2)
    folder.mkdir()
    block = corpus_text.shuffled_text(phrases, 10_000_000, random).encode()
    with (folder / "huge.txt").open("wb") as file:
        for _ in range(_HUGE // len(block) + 1):
            file.write(block)
    (folder / "small.txt").write_text(corpus_text.shuffled_text(phrases, 2_000, random), "utf-8")


def _row(settings: Settings, name: str, source: Path) -> Row:
    files = [file for file in source.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    with settings.databases.fresh(DigestEmbedder(_DIMENSIONS).space) as dsn:
        report = ingest_child.run(dsn, source, _DIMENSIONS)
    reasons = sorted({f"{Path(uri).name}: {reason}" for uri, _, reason in report["rejected"]})
    return {
        "folder": name,
        "files": len(files),
        "megabytes": round(size / 1e6, 1),
        "seconds": round(report["seconds"], 1),
        "megabytes_per_second": None if reasons else round(size / 1e6 / report["seconds"], 2),
        "files_per_second": round(len(files) / report["seconds"], 1),
        "added": report["added"],
        "rejected": len(report["rejected"]),
        "chunks": report["chunks"],
        "peak_megabytes": report["peak_megabytes"],
        "peak_megabytes_before": report["peak_megabytes_before"],
        "reasons": reasons[:5],
    }
