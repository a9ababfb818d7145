"""What the ingest benchmark is made of: its texts, its clock, its verdicts, and its eye for lost rows."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import psycopg
import pytest
from benchmarks import corpus_text, ingest_again, ingest_bad_input, ingest_child, ingest_crash, ingest_rows
from benchmarks.cheap_embedder import DigestEmbedder
from benchmarks.contents import contents, differences, faults
from benchmarks.database import Databases
from benchmarks.ingest_settings import Settings
from benchmarks.peers import runner
from benchmarks.peers.address import sqlalchemy_url
from benchmarks.peers.rows import Row, blocks, load_rows, save_rows
from benchmarks.report import shown
from benchmarks.timing import in_turn
from hypothesis import given
from hypothesis import strategies as st

from ragdiet import RAG
from ragdiet.store.embedded import EmbeddedServer
from tests.data import dataset
from tests.test_benchmarks import run

SPACE = DigestEmbedder().space


@pytest.fixture
def databases(server: EmbeddedServer) -> Iterator[Databases]:
    made = Databases(server.dsn, owned=True)
    yield made
    made.drop_templates()


@pytest.fixture
def settings(databases: Databases) -> Settings:
    """The smallest run."""
    return Settings(
        data=dataset("squad_v2").parent,
        databases=databases,
        database="local",
        rounds=1,
        chunks=60,
        gigabytes=0.001,
        tiny_files=10,
        kills=1,
        peers=None,
        seed=1,
    )


def test_contestants_take_turns() -> None:
    asked: list[str] = []

    def contestant(name: str, seconds: float) -> float:
        asked.append(name)
        return seconds

    measured = in_turn({"a": lambda: contestant("a", 1.0), "b": lambda: contestant("b", 2.0)}, rounds=2)
    assert asked == ["a", "b", "a", "b"]
    assert measured == {"a": [1.0, 1.0], "b": [2.0, 2.0]}


def test_verdicts_on_rows_worked_by_hand() -> None:
    """100 chunks: raw COPY 100 a second, rows only at 0.8 of it, BM25 at 0.2; the peers at 1/4 and 1/2 of ragdiet."""
    seconds = {
        ingest_rows.RAW: [1.0, 9.0, 1.0],
        "rows only": [1.25, 1.25, 1.25],
        "with BM25": [5.0, 5.0, 5.0],
        ingest_rows.EVERYTHING: [10.0, 10.0, 10.0],
        "haystack_pgvector": [40.0, 40.0, 40.0],
        "llama_index_pgvector": [20.0, 20.0, 20.0],
    }
    rows = {row["contestant"]: row for row in ingest_rows.table_of(seconds, 100)}
    assert [rows[name]["over_raw_copy"] for name in seconds] == [1.0, 0.8, 0.2, 0.1, 0.025, 0.05]
    assert {name: row["met"] for name, row in rows.items() if "met" in row} == {
        "rows only": True,
        "with BM25": False,
        "haystack_pgvector": True,
        "llama_index_pgvector": False,
    }
    assert rows["haystack_pgvector"]["ragdiet_times_peer"] == 4.0


def test_digest_vectors_are_the_same_for_the_same_text_and_usable_for_any() -> None:
    embedder = DigestEmbedder()
    vectors = embedder.embed([*map(str, range(2_000)), "7"], kind="document").vectors
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert (vectors[7] == vectors[-1]).all()
    assert (vectors[:-1] @ vectors[7] > 0.9).sum() == 1
    assert embedder.texts == 2_001


@given(total=st.integers(2_000, 10**9), seed=st.integers(0, 2**32))
def test_file_sizes_add_up(total: int, seed: int) -> None:
    sizes = corpus_text.file_sizes(total, np.random.default_rng(seed))
    assert sum(sizes) == total
    assert 0 < min(sizes) <= max(sizes) <= corpus_text.LARGEST_FILE


def test_shuffled_texts_are_of_their_size_and_unlike(tmp_path: Path) -> None:
    phrases = [f"phrase {number} of a text that is real enough" for number in range(5_000)]
    assert corpus_text.write_folder(tmp_path, 100_000, phrases, seed=3) == len(list(tmp_path.rglob("*.txt")))
    texts = [file.read_text() for file in tmp_path.rglob("*.txt")]
    assert sum(map(len, texts)) == pytest.approx(100_000, rel=0.05)
    paragraphs = [paragraph for text in texts for paragraph in text.split("\n\n") if len(paragraph) > 100]
    assert len(set(paragraphs)) == len(paragraphs) > 100
    again = tmp_path / "again"
    corpus_text.write_folder(again, 100_000, phrases, seed=3)
    assert sorted(texts) == sorted(file.read_text() for file in again.rglob("*.txt"))


def test_prepared_chunks_are_slices_and_never_repeat(tmp_path: Path) -> None:
    rows = [{"id": str(number), "title": "", "text": f"This is text {number // 2}."} for number in range(20)]
    (tmp_path / "squad_v2").mkdir()
    with gzip.open(tmp_path / "squad_v2" / "corpus.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    documents, chunks = corpus_text.chunked(tmp_path, 10)
    texts = [chunk.text for own in chunks.values() for chunk in own]
    assert texts == [f"This is text {number}." for number in range(10)]
    by_id = {document.id: document.text for document in documents}
    assert all(by_id[id][chunk.start : chunk.end] == chunk.text for id, own in chunks.items() for chunk in own)


def test_some_files_of_each_format_within_the_budget(tmp_path: Path) -> None:
    sizes = {"a.md": 10, "b.md": 20, "c.md": 500, "d.pdf": 30, "e.rst": 40}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)
    found = ingest_again.mixed(sorted(tmp_path.iterdir()), 100)
    assert [file.name for file in found] == ["a.md", "d.pdf", "e.rst", "b.md"]


@given(st.integers(0, 1_000))
def test_an_edit_is_of_one_inner_paragraph(seed: int) -> None:
    before = [f"Paragraph {number}." for number in range(5)]
    after = ingest_again.edited("\n\n".join(before), Random(seed)).split("\n\n")
    changed = [number for number in range(5) if before[number] != after[number]]
    assert len(after) == 5
    assert len(changed) == 1
    assert 0 < changed[0] < 4


def test_rows_are_compared_by_content(databases: Databases, handbook: Path) -> None:
    """Two databases filled in another order are equal; a changed, a missing and a stray row are seen."""
    with databases.fresh(SPACE) as one, databases.fresh(SPACE) as other:
        for dsn, files in ((one, sorted(handbook.iterdir())), (other, sorted(handbook.iterdir(), reverse=True))):
            with RAG.connect(dsn, embedder=DigestEmbedder()) as rag:
                rag.ingest(files)
        assert not differences(contents(one, SPACE), contents(other, SPACE))
        assert faults(other, SPACE) == ({}, {})
        with psycopg.connect(other) as connection:
            connection.execute(
                "UPDATE ragdiet.chunk SET text = 'Other.' WHERE id = (SELECT min(id) FROM ragdiet.chunk)"
            )
            connection.execute("DELETE FROM ragdiet.lexical WHERE chunk_id = (SELECT max(id) FROM ragdiet.chunk)")
            connection.execute(f"DELETE FROM ragdiet.vector_{SPACE.name}")
        chunks = contents(one, SPACE)["chunks"].total()
        found = differences(contents(one, SPACE), contents(other, SPACE))
        assert found == {"chunks": 2, "lexical rows": 1, "vectors": chunks}
        duplicates, orphans = faults(other, SPACE)
        assert not duplicates
        assert orphans.pop("wrong word counts") > 0
        assert orphans == {"chunks without terms": 1, "chunks without a vector": chunks, "corpora with wrong totals": 1}


@pytest.mark.parametrize("indexes", ["before", "after"])
def test_raw_copy_brings_the_very_same_rows(databases: Databases, handbook: Path, indexes: Any) -> None:
    with databases.fresh(SPACE) as one, databases.fresh(SPACE) as other:
        with RAG.connect(one, embedder=DigestEmbedder()) as rag:
            rag.ingest(handbook)
        tables = ("corpus", "document", "chunk", "lexical", "term", f"vector_{SPACE.name}")
        ingest_rows.raw_copy({table: ingest_rows.exported(one, table) for table in tables}, other, indexes=indexes)
        assert not differences(contents(one, SPACE), contents(other, SPACE))
        queries = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'ragdiet' ORDER BY indexname"
        with psycopg.connect(one) as first, psycopg.connect(other) as second:
            assert first.execute(queries).fetchall() == second.execute(queries).fetchall()


def test_every_depth_of_rows_is_measured(settings: Settings) -> None:
    section = ingest_rows.measure(settings)
    assert section["chunks"] == 60
    assert {row["contestant"] for row in section["rows"]} >= {ingest_rows.RAW, *ingest_rows.GOALS}


def test_a_killed_ingest_is_taken_to_its_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    phrases = [f"phrase {number} of a text that is real enough" for number in range(500)]
    monkeypatch.setattr(
        ingest_crash, "write_source", lambda settings, folder: corpus_text.write_folder(folder, 200_000, phrases, 1)
    )
    section = ingest_crash.measure(settings)
    assert section["disturbances"][ingest_crash.KILLED] == settings.kills
    assert section["met"], section


def test_moving_files_are_told(settings: Settings) -> None:
    rows = {row["files"]: row for row in ingest_bad_input._moving_files(settings)}
    assert all(row["met"] for row in rows.values()), rows
    assert rows["still"]["ingested"] == rows["still"]["number"]


def test_a_child_reports_its_own_memory(databases: Databases, handbook: Path) -> None:
    ballast = bytearray(300_000_000)  # of this process, which the child must not be charged with
    with databases.fresh(SPACE) as dsn:
        report = ingest_child.run(dsn, handbook)
    assert report["added"] == 3
    assert 20 < report["peak_megabytes_before"] <= report["peak_megabytes"] < len(ballast) / 1e6


def test_rows_reach_the_peers_whole(tmp_path: Path) -> None:
    rows = [Row("a", 0, "Über"), Row("a", 1, "second"), Row("b", 0, "third")]
    vectors = np.eye(3, 4, dtype=np.float32)
    save_rows(tmp_path, rows, vectors)
    loaded, stored = load_rows(tmp_path)
    assert loaded == rows
    assert (stored == vectors).all()
    assert len({row.id for row in rows}) == 3
    assert [list(range(5))[block] for block in blocks(5, 2)] == [[0, 1], [2, 3], [4]]


def test_addresses_for_sqlalchemy() -> None:
    socket = sqlalchemy_url("host=/tmp/a.b port=5432 user=me dbname=docs", "psycopg")
    assert socket == "postgresql+psycopg://me@/docs?host=%2Ftmp%2Fa.b&port=5432"
    server = sqlalchemy_url("postgresql://me:p%40ss@db.example:6543/docs", "psycopg2")
    assert server == "postgresql+psycopg2://me:p%40ss@db.example:6543/docs"


def test_absent_peers_are_said_loudly(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'PackageNotFoundError: langchain-postgres' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(runner.PeersAbsent, match="langchain-postgres"):
        runner.versions(str(python))
    shown = run("ingest", "--data", str(dataset("squad_v2").parent), "--only", "rows", "--peers", str(python))
    assert shown.returncode != 0
    assert shown.stderr.startswith("PEERS ABSENT")


def test_a_section_is_shown_as_figures_and_tables() -> None:
    section = {"chunks": 5, "met": True, "rows": [{"name": "a", "seconds": [1.0, 2.0]}, {"name": "bb", "goal": "x"}]}
    assert shown(section).splitlines() == [
        "  chunks: 5",
        "  met: True",
        "",
        "  rows",
        "  name  seconds  goal",
        "  a     1.0 2.0",
        "  bb             x",
    ]
