"""The benchmark programs start, say loudly when they have no data, and measure as trec_eval does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.metrics import ndcg, recall, reciprocal_rank

ROOT = Path(__file__).parents[1]
PROGRAMS = ("confidence", "diet", "gates", "ingest", "quality")


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{program}", *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_names_the_data(program: str) -> None:
    shown = run(program, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "--data" in shown.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_absent_data_is_said_loudly(program: str, tmp_path: Path) -> None:
    shown = run(program, "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out.json"))
    assert shown.returncode != 0
    assert shown.stderr.startswith("DATASET ABSENT")
    assert not (tmp_path / "out.json").exists()


def test_metrics_of_a_ranking_worked_by_hand() -> None:
    ranked, grades = ["x", "a", "y", "b"], {"a": 2, "b": 1, "c": 1}
    best = 2 / 1 + 1 / 1.5849625 + 1 / 2
    assert ndcg(ranked, grades) == pytest.approx((2 / 1.5849625 + 1 / 2.3219281) / best)
    assert recall(ranked, grades) == pytest.approx(2 / 3)
    assert reciprocal_rank(ranked, grades) == 0.5
    assert (ndcg(["x"], grades), recall(["x"], grades), reciprocal_rank(["x"], grades)) == (0, 0, 0)
