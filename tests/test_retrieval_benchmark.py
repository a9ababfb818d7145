"""What the retrieval benchmark is made of, and the smallest run of each section."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from benchmarks import (
    retrieval_bm25,
    retrieval_peers,
    retrieval_quality,
    retrieval_recall,
    retrieval_speed,
    retrieval_writes,
)
from benchmarks.database import Databases
from benchmarks.peers import runner
from benchmarks.quality import LEGS
from benchmarks.retrieval_corpus import Passage, passages, rare_identifiers, real_questions
from benchmarks.retrieval_settings import Settings
from benchmarks.retrieval_store import ExactSearch
from benchmarks.retrieval_vectors import TermEmbedder, looked_up
from benchmarks.timing import percentiles, question_by_question

from ragdiet import bm25
from ragdiet.analysis import analyzer
from ragdiet.store.embedded import EmbeddedServer
from tests.data import dataset


@pytest.fixture
def databases(server: EmbeddedServer) -> Iterator[Databases]:
    made = Databases(server.dsn, owned=True)
    yield made
    made.drop_templates()


@pytest.fixture
def settings(databases: Databases, tmp_path: Path) -> Settings:
    """The smallest run."""
    return Settings(
        data=dataset("squad_v2").parent,
        databases=databases,
        chunks=240,
        recall_chunks=60,
        peer_chunks=60,
        questions=12,
        identifiers=2,
        rounds=1,
        seconds=0.2,
        vectors="words",
        cache=tmp_path / "cache",
        sets=("squad_v2",),
        peers=None,
        seed=1,
    )


def test_keyword_scores_are_those_of_the_library(settings: Settings) -> None:
    section = retrieval_bm25.measure(settings)
    assert section["scores"]["share_equal"] == 1.0, section["scores"]
    assert section["scores"]["with_results"] >= settings.questions
    assert {row["contestant"] for row in section["rows"]} >= {"keyword leg", "ts_rank_cd"}


def test_the_reference_takes_the_stores_average_length() -> None:
    """bm25s cannot be told an average length; its other two parameters are set so that it has one all the same."""
    texts = ["swept wings stall", "wings", "a long text of many words about wings and the air over wings"]
    own = [Passage(str(place), str(place), "test", text) for place, text in enumerate(texts)]
    terms = [analyzer().terms(text) for text in texts]
    average = 1.07 * sum(map(len, terms)) / len(terms)
    expected = [bm25.idf(3, 3) * bm25.weight(found.count("wing"), len(found), average) for found in terms]
    assert retrieval_bm25.reference(own, average).get_scores(["wing"]) == pytest.approx(expected, rel=1e-6)


def test_speed_and_writes_are_measured(settings: Settings) -> None:
    section = retrieval_speed.measure(settings)
    assert [row["clients"] for row in section["clients"]] == list(retrieval_speed.CLIENTS)
    assert all(row["questions_per_second"] > 0 for row in section["clients"])
    assert [row["chunks"] for row in section["filled"]] == [60, 240]
    assert section["filled"][-1]["dense_recall@10"] == 1.0  # so few are searched exactly
    assert len(section["ratios"]) == len(retrieval_speed.GOALS)
    assert {row["relation"] for row in section["storage"]} >= {"lexical_terms", "chunk", "vector_terms_128_hnsw"}
    inserted = section[f"inserts_of_{retrieval_writes.BATCH}"]
    assert len(inserted["seconds_into_the_full_store"]) == settings.rounds
    assert {row["state"] for row in section["deletion"]} == {"just deleted", "vacuumed"}
    assert all(row["dense_recall@10"] == 1.0 for row in section["deletion"])


def test_recall_under_filters_and_in_a_tenant(settings: Settings) -> None:
    section = retrieval_recall.measure(settings)
    assert section["met"], section["rows"]
    assert len(section["rows"]) == 1 + len(retrieval_recall.SHARES) + 2 + 1
    assert 0 < section["rows"][1]["rows_passed"] < settings.recall_chunks


def test_quality_has_a_line_for_each_way_of_searching(settings: Settings, tmp_path: Path) -> None:
    """Twenty paragraphs of SQuAD and their questions."""
    whole, part = dataset("squad_v2"), tmp_path / "data" / "squad_v2"
    part.mkdir(parents=True)
    with gzip.open(whole / "corpus.jsonl.gz", "rt") as lines, gzip.open(part / "corpus.jsonl.gz", "wt") as out:
        kept = [line for _, line in zip(range(20), lines, strict=False)]
        out.writelines(kept)
    held = {json.loads(line)["id"] for line in kept}
    (part / "queries.jsonl").write_bytes((whole / "queries.jsonl").read_bytes())
    header, *judged = (whole / "qrels.tsv").read_text().splitlines()
    (part / "qrels.tsv").write_text("\n".join([header, *(line for line in judged if line.split("\t")[1] in held)]))
    small = {name: getattr(settings, name) for name in Settings.__slots__} | {"data": part.parent}
    section = retrieval_quality.measure(Settings(**small))
    lines_by_name = {line["search"]: line for line in section["ndcg@10"]}
    assert list(lines_by_name)[1:] == [one.name for one in (*LEGS, *retrieval_quality.ABLATIONS)]
    assert lines_by_name["hybrid"]["mean"] > 0.8
    assert lines_by_name["hybrid"]["over_RRF60"] == pytest.approx(lines_by_name["hybrid"]["mean"] - 0.868, abs=1e-3)


def test_peers_are_left_out_when_asked(settings: Settings) -> None:
    assert "left_out" in retrieval_peers.measure(settings)


def test_a_peer_that_fails_says_why(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ImportError: no such store' >&2\nexit 1\n")
    python.chmod(0o755)
    with (
        pytest.raises(RuntimeError, match="no such store"),
        runner.searching(str(python), "haystack_pgvector", "host=nowhere", tmp_path),
    ):
        pass


def test_recall_worked_by_hand() -> None:
    """Cosines .96, .8, .8 and 0 with the question: of the two nearest, either of the second ones serves."""
    exact = ExactSearch(["a", "b", "c", "d"], np.array([[0.96, 0.28], [0.8, 0.6], [0.8, -0.6], [0, 1]], np.float32))
    question = np.array([1, 0], np.float32)
    assert exact.recall(["a", "c"], question, 2) == exact.recall(["b", "a"], question, 2) == 1.0
    assert exact.recall(["a", "d"], question, 2) == 0.5
    assert exact.recall(["a"], question, 2) == 0.5  # too few are a loss
    assert exact.recall(["d"], question, 2, np.array([False, False, False, True])) == 1.0


def test_passages_are_distinct_and_the_same_each_time() -> None:
    data = dataset("squad_v2").parent
    found = passages(data, 600)
    assert len({passage.text for passage in found}) == len({passage.id for passage in found}) == 600
    passages.cache_clear()
    assert passages(data, 300) == found[:300]


def test_questions_are_real_or_rare() -> None:
    data = dataset("squad_v2").parent
    assert len(set(real_questions(data, 90, seed=1))) == 90
    found = [Passage(str(place), "", "", text) for place, text in enumerate(["see qsort_r here", "utf8 utf8_mode", ""])]
    found += [Passage("3", "", "", "utf8_mode again")]
    assert rare_identifiers(found, 5, seed=1) == ["What is qsort_r used for?"]


def test_each_question_is_put_to_all_contestants_in_turn() -> None:
    asked: list[str] = []
    contestants = {name: lambda question, name=name: asked.append(f"{name}{question}") for name in "ab"}
    seconds = question_by_question(contestants, [1, 2], rounds=2)
    assert asked == ["a1", "b1", "a2", "b2", "b1", "a1", "b2", "a2"]
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 4, "b": 4}
    assert question_by_question({"own": lambda _: 7.0}, [1], rounds=1) == {"own": [7.0]}
    assert percentiles([0.001] * 99 + [0.1]) == {"p50_ms": 1.0, "p99_ms": 1.99}


def test_filters_pass_their_share() -> None:
    own = [Passage(str(number), "", "", "") for number in range(2_000)]
    places = {key: set(retrieval_recall.drawn(own, key, share)) for key, share in retrieval_recall.SHARES.items()}
    assert {key: len(passed) for key, passed in places.items()} == {
        "bucket20": 400,
        "bucket14": 280,
        "bucket1": 20,
        "bucket01": 2,
    }
    assert len(places["bucket20"] & places["bucket14"]) == pytest.approx(56, abs=30)  # independent of each other
    assert retrieval_recall.drawn(own[:10], "bucket01", 0.001)


def test_vectors_are_made_once(tmp_path: Path) -> None:
    first = looked_up("words", ["the air over wings", "a stall"], ["What is a stall?", "a stall"], tmp_path)
    files = sorted(tmp_path.iterdir())
    again = looked_up("words", ["the air over wings", "a stall"], ["What is a stall?", "a stall"], tmp_path)
    assert sorted(tmp_path.iterdir()) == files
    assert len(files) == 2
    assert (first.vectors == again.vectors).all()
    expected = TermEmbedder().embed(["What is a stall?"], kind="query").vectors[0]
    assert first.of("What is a stall?") == pytest.approx(expected)
