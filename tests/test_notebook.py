"""The notebook runs from top to bottom, in a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "first_steps.ipynb"


def test_notebook_runs(tmp_path: Path) -> None:
    import nbformat

    copy = shutil.copy(NOTEBOOK, tmp_path)
    runner = Path(sys.executable).with_name("jupyter-execute")
    done = subprocess.run(
        [runner, "--inplace", "--timeout=300", copy], cwd=tmp_path, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    cells = [cell for cell in nbformat.read(copy, as_version=4).cells if cell.cell_type == "code"]
    shown = ["".join(str(output) for output in cell.outputs) for cell in cells]
    assert "text/html" in shown[0]
    assert "pydoc:statistics" in shown[3]
    assert "answered" in shown[3]
    assert "abstained" in shown[4]
    assert "local:extractive" in shown[5]
