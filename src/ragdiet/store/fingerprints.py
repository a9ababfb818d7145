"""Fingerprints of stored documents: which of them may be copies, and which lines many of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ragdiet.analysis import corpus_terms
from ragdiet.store.changes import FingerprintRow

if TYPE_CHECKING:
    import psycopg

    from ragdiet.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFingerprint:
    """A stored document that may be a copy: its number, id and fingerprint, and when it expires."""

    document_id: int
    external_id: str
    expires_at: datetime | None
    row: FingerprintRow


class FingerprintStore:
    """Looks documents of one tenant up by what they say."""

    def __init__(self, database: Database, *, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def alike(self, corpus_id: int, text_hashes: Sequence[bytes], bands: Sequence[int]) -> list[StoredFingerprint]:
        """Documents that have one of these texts, or share one of these bands; in the order of their numbers."""

        def read(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
            _use_indexes(connection)
            return connection.execute(
                "SELECT d.id, d.external_id, d.expires_at, f.text_hash, f.meta_hash, f.signature, f.facts, f.bands "
                "FROM ragdiet.fingerprint f JOIN ragdiet.document d ON d.id = f.document_id "
                "WHERE f.document_id IN (SELECT document_id FROM ragdiet.fingerprint "
                "WHERE corpus_id = %(corpus)s AND text_hash = ANY(%(texts)s) "
                "UNION SELECT found.document_id FROM unnest(%(bands)s::bigint[]) AS band, "
                "LATERAL (SELECT document_id FROM ragdiet.searchable_fingerprint WHERE bands @> ARRAY[band]) AS found) "
                "ORDER BY d.id",
                {"corpus": corpus_id, "texts": list(text_hashes), "bands": in_corpus(corpus_id, bands)},
            ).fetchall()

        return [
            StoredFingerprint(
                document_id=row[0],
                external_id=row[1],
                expires_at=row[2],
                row=FingerprintRow(
                    text_hash=row[3],
                    meta_hash=row[4],
                    signature=row[5],
                    facts=row[6],
                    bands=tuple(in_corpus(corpus_id, row[7])),
                    edges=(),
                ),
            )
            for row in self._database.run(read, tenant=self._tenant, repeatable=True)
        ]

    def terms(self, corpus_id: int, document_id: int) -> set[int]:
        """The numbers of all terms that stand in a document, as its analyzer gives them."""
        rows = self._database.run(
            lambda connection: connection.execute(
                "SELECT DISTINCT unnest(l.terms) FROM ragdiet.lexical l JOIN ragdiet.chunk c ON c.id = l.chunk_id "
                "WHERE c.document_id = %s",
                (document_id,),
            ).fetchall(),
            tenant=self._tenant,
            repeatable=True,
        )
        return set(corpus_terms(np.array([row[0] for row in rows], np.int32), -corpus_id).tolist())

    def repeated(self, corpus_id: int, edges: Sequence[int], most: int) -> dict[int, int]:
        """At the edge of how many documents each of these lines stands; counted up to ``most``."""
        if not edges:
            return {}

        def read(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
            _use_indexes(connection)
            return connection.execute(
                "SELECT (SELECT count(*) FROM (SELECT FROM ragdiet.searchable_fingerprint WHERE edges @> ARRAY[edge] "
                "LIMIT %s) AS found) FROM unnest(%s::bigint[]) WITH ORDINALITY AS asked (edge, place) ORDER BY place",
                (most, in_corpus(corpus_id, edges)),
            ).fetchall()

        counts = self._database.run(read, tenant=self._tenant, repeatable=True)
        return {edge: count for edge, (count,) in zip(edges, counts, strict=True)}


def in_corpus(corpus_id: int, hashes: Sequence[int]) -> list[int]:
    """Signed 64-bit hashes as they are stored, or stored ones as they were: different in each corpus.

    GIN cannot index them together with the corpus, and many corpora may hold the same text.
    """
    mask = corpus_id << 32 | corpus_id
    return [each ^ mask for each in hashes]


def _use_indexes(connection: psycopg.Connection) -> None:
    """While the table is small or was never analysed, the planner would read it whole for each hash."""
    connection.execute("SELECT set_config('enable_seqscan', 'off', true)")
