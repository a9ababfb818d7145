"""What a run of the retrieval benchmark was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.database import Databases


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``chunks`` is the size of the sections bm25 and speed, ``recall_chunks`` and ``peer_chunks`` of theirs.

    ``questions`` are real ones, ``identifiers`` the rare words asked beside them; ``seconds`` are those of each
    number of clients. ``vectors`` names the fast model of the large sizes; ``cache`` keeps vectors between runs.
    ``peers`` is a Python with the peers' packages, None to leave them out.
    """

    data: Path
    databases: Databases
    chunks: int
    recall_chunks: int
    peer_chunks: int
    questions: int
    identifiers: int
    rounds: int
    seconds: float
    vectors: str
    cache: Path
    sets: tuple[str, ...]
    peers: str | None
    seed: int
