"""Fingerprints of stored documents: which of them may be copies, and which lines many of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ragdiet.store.changes import FingerprintRow

if TYPE_CHECKING:
    from ragdiet.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFingerprint:
    """A stored document that may be a copy: its number, id and fingerprint, and when it expires."""

    document_id: int
    external_id: str
    expires_at: datetime | None
    row: FingerprintRow


class FingerprintStore:
    """Looks documents up by what they say."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alike(self, corpus_id: int, text_hashes: Sequence[bytes], bands: Sequence[int]) -> list[StoredFingerprint]:
        """Documents that have one of these texts, or share one of these bands; in the order of their numbers."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT d.id, d.external_id, d.expires_at, f.text_hash, f.meta_hash, f.signature, f.facts, f.bands "
                "FROM ragdiet.fingerprint f JOIN ragdiet.document d ON d.id = f.document_id "
                "WHERE f.document_id IN (SELECT document_id FROM ragdiet.fingerprint "
                "WHERE corpus_id = %(corpus)s AND text_hash = ANY(%(texts)s) "
                "UNION SELECT document_id FROM ragdiet.fingerprint "
                "WHERE corpus_id = %(corpus)s AND bands && %(bands)s) ORDER BY d.id",
                {"corpus": corpus_id, "texts": list(text_hashes), "bands": list(bands)},
            ).fetchall()
        return [
            StoredFingerprint(
                document_id=row[0],
                external_id=row[1],
                expires_at=row[2],
                row=FingerprintRow(
                    text_hash=row[3], meta_hash=row[4], signature=row[5], facts=row[6], bands=tuple(row[7]), edges=()
                ),
            )
            for row in rows
        ]

    def terms(self, document_id: int) -> set[int]:
        """The numbers of all terms that stand in a document."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT DISTINCT unnest(l.terms) FROM ragdiet.lexical l JOIN ragdiet.chunk c ON c.id = l.chunk_id "
                "WHERE c.document_id = %s",
                (document_id,),
            )
            return {row[0] for row in rows}

    def repeated(self, corpus_id: int, edges: Sequence[int], most: int) -> dict[int, int]:
        """At the edge of how many documents each of these lines stands; counted up to ``most``."""
        if not edges:
            return {}
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT edge, (SELECT count(*) FROM (SELECT FROM ragdiet.fingerprint "
                "WHERE corpus_id = %s AND edges @> ARRAY[edge] LIMIT %s) AS found) FROM unnest(%s::bigint[]) AS edge",
                (corpus_id, most, list(edges)),
            )
            return dict(rows.fetchall())
