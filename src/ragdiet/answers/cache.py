"""The table of answers: found by key or by nearness, kept, swept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import TYPE_CHECKING

from pgvector import HalfVector
from psycopg.sql import SQL
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from ragdiet.answers.settings import AnswerCache
from ragdiet.types import Answer

if TYPE_CHECKING:
    import numpy as np
    import psycopg
    from numpy.typing import NDArray

    from ragdiet.protocols import Database

_NEAREST = 5
_SWEEP_EVERY = 60.0
_MOST_TENANTS = 10_000
_ANSWER = TypeAdapter(Answer)

_KEEP = """
INSERT INTO ragdiet.answer_cache
    (tenant, key, scope, corpus_id, version, prompt_id, model, answer, question, embedding, expires_at)
SELECT %(tenant)s, %(key)s, %(scope)s, corpus.id, corpus.version, %(prompt_id)s, %(model)s, %(answer)s, %(question)s,
       %(embedding)s, least(now() + %(ttl)s, %(next_expiry)s)
FROM ragdiet.corpus WHERE corpus.id = %(corpus_id)s AND corpus.version = %(version)s
ON CONFLICT (tenant, key) DO UPDATE SET
    scope = excluded.scope, corpus_id = excluded.corpus_id, version = excluded.version, prompt_id = excluded.prompt_id,
    model = excluded.model, answer = excluded.answer, question = excluded.question, embedding = excluded.embedding,
    created_at = now(), expires_at = excluded.expires_at
"""

_SWEEP = """
DELETE FROM ragdiet.answer_cache AS kept
WHERE (%(tenant)s::text IS NULL OR kept.tenant = %(tenant)s) AND (kept.expires_at <= now() OR NOT EXISTS (
    SELECT FROM ragdiet.corpus WHERE corpus.id = kept.corpus_id AND corpus.version = kept.version))
"""

_SHORTEN = """
DELETE FROM ragdiet.answer_cache WHERE tenant = %(tenant)s AND key IN (
    SELECT key FROM ragdiet.answer_cache WHERE tenant = %(tenant)s ORDER BY created_at DESC, key OFFSET %(most)s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an answer belongs. ``key`` stands for the question and all else that it depends on, ``scope`` for all but
    the question; both but for what the collection holds."""

    tenant: str
    collection: str
    key: bytes
    scope: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a collection held when it was looked at; ``next_expiry`` is when the next document of it ends."""

    corpus_id: int
    version: int
    next_expiry: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An answer, the prompt_id that it was made under, by which model, and when, where it comes out of the table."""

    answer: Answer
    prompt_id: str
    model: str
    created_at: datetime | None = None


class KeptAnswers:
    """Reads and writes the table, each tenant's rows for that tenant. At the writer: what a reader does not know yet
    would bring an answer back that no longer holds."""

    def __init__(self, database: Database, settings: AnswerCache) -> None:
        self._database = database
        self._settings = settings
        self._swept: dict[str, float] = {}
        self._lock = Lock()

    @property
    def is_lent(self) -> bool:
        """Whether what is read now may be known to one transaction of the user's alone."""
        return self._database.is_lent

    def find(self, place: Place) -> tuple[Held | None, Kept | None]:
        """What the collection holds (None where there is none), and the answer kept to the very question."""
        row = self._database.run(
            lambda connection: connection.execute(
                _sql("find.sql"), {"tenant": place.tenant, "collection": place.collection, "key": place.key}
            ).fetchone(),
            tenant=place.tenant,
            repeatable=True,
        )
        if row is None:
            return None, None
        corpus_id, version, next_expiry, prompt_id, model, answer, created_at = row
        held = Held(corpus_id=corpus_id, version=version, next_expiry=next_expiry)
        if answer is None:
            return held, None
        try:
            kept = _ANSWER.validate_json(answer)
        except ValidationError:  # of a ragdiet under development, whose version says nothing
            return held, None
        return held, Kept(answer=kept, prompt_id=prompt_id, model=model, created_at=created_at)

    def nearest(self, place: Place, held: Held, vector: NDArray[np.float32]) -> Iterator[tuple[bytes, str, float]]:
        """Key, question and cosine of the nearest questions in the same scope, nearest first."""
        rows = self._database.run(
            lambda connection: connection.execute(
                _sql("nearest.sql"),
                {
                    "tenant": place.tenant,
                    "scope": place.scope,
                    "corpus_id": held.corpus_id,
                    "version": held.version,
                    "vector": HalfVector(vector),
                    "most": _NEAREST,
                },
            ).fetchall(),
            tenant=place.tenant,
            repeatable=True,
        )
        return ((key, question, float(cosine)) for key, question, cosine in rows)

    def keep(
        self,
        place: Place,
        held: Held,
        answer: Answer,
        *,
        model: str,
        question: str | None = None,
        vector: NDArray[np.float32] | None = None,
    ) -> None:
        """Keep an answer that was made while the collection held that; not where it has changed since.
        ``question`` and ``vector`` make it found by nearness."""
        if (text := _encoded(answer)) is None:
            return
        row = {
            "tenant": place.tenant,
            "key": place.key,
            "scope": place.scope,
            "corpus_id": held.corpus_id,
            "version": held.version,
            "prompt_id": answer.prompt_id,
            "model": model,
            "answer": text,
            "question": question,
            "embedding": None if vector is None else HalfVector(vector),
            "ttl": self._settings.ttl,
            "next_expiry": held.next_expiry,
        }
        sweeps = self._sweeps_now(place.tenant)

        def write(connection: psycopg.Connection) -> None:
            connection.execute(_KEEP, row)
            if sweeps:
                self._sweep(connection, place.tenant)

        self._database.run(write, tenant=place.tenant, repeatable=True)

    def sweep(self, tenant: str) -> None:
        """Delete what can no longer be found, and the oldest of what is too many."""
        self._database.run(lambda connection: self._sweep(connection, tenant), tenant=tenant, repeatable=True)

    def _sweep(self, connection: psycopg.Connection, tenant: str) -> None:
        sweep_answers(connection, tenant)
        connection.execute(_SHORTEN, {"tenant": tenant, "most": self._settings.most})

    def _sweeps_now(self, tenant: str) -> bool:
        """Once a minute for each tenant that something is kept for."""
        now = time.monotonic()
        with self._lock:
            if now - self._swept.get(tenant, -_SWEEP_EVERY) < _SWEEP_EVERY:
                return False
            if len(self._swept) >= _MOST_TENANTS:
                self._swept.clear()
            self._swept[tenant] = now
            return True


def sweep_answers(connection: psycopg.Connection, tenant: str | None = None) -> None:
    """Delete what can no longer be found of a tenant, or of all whose rows the connection sees."""
    connection.execute(_SWEEP, {"tenant": tenant})


def _encoded(answer: Answer) -> str | None:
    """As JSON; None where JSON cannot hold it, such as a score that is NaN."""
    try:
        text = _ANSWER.dump_json(answer).decode()
        return text if _ANSWER.validate_json(text) == answer else None
    except (PydanticSerializationError, ValidationError):
        return None


@cache
def _sql(name: str) -> SQL:
    return SQL(files("ragdiet.answers").joinpath(name).read_text("utf-8"))
