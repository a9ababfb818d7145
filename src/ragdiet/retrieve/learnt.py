"""The dense weight that was learnt for a corpus, and its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg


def learnt_weight(connection: psycopg.Connection, corpus_id: int, space: str) -> float | None:
    """The dense leg's share learnt for this corpus and embedding space, or None where none was."""
    row = connection.execute(
        "SELECT dense_weight FROM ragdiet.fusion WHERE corpus_id = %s AND space = %s", (corpus_id, space)
    ).fetchone()
    return row[0] if row else None


def keep_weight(
    connection: psycopg.Connection, corpus_id: int, space: str, *, dense_weight: float, questions: int
) -> None:
    """Make searches of this corpus use ``dense_weight``, learnt from so many labelled questions."""
    connection.execute(
        "INSERT INTO ragdiet.fusion (corpus_id, space, dense_weight, questions) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (corpus_id, space) DO UPDATE SET dense_weight = excluded.dense_weight, "
        "questions = excluded.questions, learnt_at = now()",
        (corpus_id, space, dense_weight, questions),
    )
