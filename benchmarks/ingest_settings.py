"""What a run of the ingest benchmark was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.database import Databases

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``gigabytes`` are 10^9 bytes; ``peers`` is a Python with the peers' packages, None to leave them out;
    ``database`` is what the databases were made from: ``local``, ``testcontainers`` or a DSN."""

    data: Path
    databases: Databases
    database: str
    rounds: int
    chunks: int
    gigabytes: float
    tiny_files: int
    kills: int
    peers: str | None
    seed: int
