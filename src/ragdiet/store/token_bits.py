"""Token bits of chunks that were stored without them: which these are, and their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragdiet.store.database import Database


class TokenBits:
    """The signs of the token vectors of one corpus's chunks."""

    def __init__(self, database: Database, corpus_id: int, *, tenant: str) -> None:
        self._database = database
        self._corpus_id = corpus_id
        self._tenant = tenant

    def lacking(self, *, after: int, limit: int) -> list[tuple[int, str]]:
        """Chunks without token bits and their texts, by number, from behind ``after`` on.

        An older ragdiet did not store the line of title and headings that a chunk was indexed under: there its
        title and innermost heading stand for it.
        """
        return self._database.run(
            lambda connection: connection.execute(
                "SELECT c.id, concat_ws(E'\\n', nullif(coalesce(c.context, "
                "concat_ws(' > ', d.title, c.meta->>'heading')), ''), c.text) "
                "FROM ragdiet.chunk c JOIN ragdiet.document d ON d.id = c.document_id "
                "LEFT JOIN ragdiet.token_bits t ON t.chunk_id = c.id "
                "WHERE c.corpus_id = %s AND c.id > %s AND t.chunk_id IS NULL ORDER BY c.id LIMIT %s",
                (self._corpus_id, after, limit),
            ).fetchall(),
            tenant=self._tenant,
            repeatable=True,
        )

    def add(self, chunk_ids: Sequence[int], bits: Sequence[bytes]) -> int:
        """Write rows; returns how many. A chunk that has gone meanwhile, or has its bits, is left alone."""
        return self._database.run(
            lambda connection: (
                connection.execute(
                    "INSERT INTO ragdiet.token_bits (chunk_id, corpus_id, bits) SELECT c.id, c.corpus_id, own.bits "
                    "FROM unnest(%s::bigint[], %s::bytea[]) AS own (id, bits) "
                    "JOIN ragdiet.chunk c ON c.id = own.id AND c.corpus_id = %s WHERE own.bits <> '' "
                    "ON CONFLICT DO NOTHING",
                    (list(chunk_ids), list(bits), self._corpus_id),
                ).rowcount
            ),
            tenant=self._tenant,
            repeatable=True,
        )
