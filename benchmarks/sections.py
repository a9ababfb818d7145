"""Benchmarks of several sections: each is run, shown and written in turn."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.report import Row, shown


def run(
    sections: Mapping[str, Callable[[], Row]],
    only: Sequence[str],
    *,
    arguments: Mapping[str, Any],
    out: Path | None,
    must_be_zero: Sequence[str],
) -> None:
    """Run the sections named in ``only``. ``out`` is written after each, so that a later one that fails takes nothing
    away. Exits with 1 where a figure of a section that must be 0 is not."""
    summary: dict[str, Row] = {}
    for name in only:
        print(f"\n{name}", flush=True)
        summary[name] = sections[name]()
        print(shown(summary[name]), flush=True)
        if out:
            result = {"machine": machine(), "arguments": dict(arguments), "summary": summary}
            out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    wrong = [
        f"{section}: {name} is {row[name]}"
        for section, row in summary.items()
        for name in must_be_zero
        if row.get(name)
    ]
    if wrong:
        sys.exit("NOT AS IT MUST BE: " + "; ".join(wrong))
