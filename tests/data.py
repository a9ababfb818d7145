"""Where the evaluation sets and real documents lie: beside the repository, or where RAGDIET_DATA says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def dataset(name: str) -> Path:
    """The folder of a data set. Without it the test is skipped, and the run's summary says so."""
    root = Path(os.environ.get("RAGDIET_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (root / name).is_dir():
        pytest.skip(f"DATASET ABSENT: {name}. Set RAGDIET_DATA to the folder that holds it.", allow_module_level=True)
    return root / name
