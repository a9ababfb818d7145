"""What was given again, and what that saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragdiet.protocols import Database

# The ledger's row of an answer given again names, as what served it, the ask that the answer was made in.
_REUSED = """
SELECT count(*),
       count(*) FILTER (WHERE ask.reused = 'exact'),
       count(*) FILTER (WHERE ask.reused = 'similar'),
       count(*) FILTER (WHERE ask.reused = 'shared'),
       coalesce(sum(made.cost - ask.cost), 0)
FROM ragdiet.ask
LEFT JOIN ragdiet.call AS row ON row.prompt_id = ask.prompt_id AND row.tenant = ask.tenant AND row.stage = 'reuse'
LEFT JOIN ragdiet.ask AS made ON made.prompt_id = row.served AND made.tenant = row.tenant
WHERE ask.tenant = %(tenant)s
"""

_CACHED = """
SELECT coalesce(sum(cache_read_tokens), 0),
       coalesce(sum(input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens), 0)
FROM ragdiet.call WHERE tenant = %(tenant)s AND stage = 'generate'
"""

_ENTRIES = """
SELECT count(*) FROM ragdiet.answer_cache AS kept JOIN ragdiet.corpus
    ON corpus.id = kept.corpus_id AND corpus.version = kept.version
WHERE kept.tenant = %(tenant)s AND kept.expires_at > now()
"""

_CLEAR = """
DELETE FROM ragdiet.answer_cache WHERE tenant = %(tenant)s AND (%(collection)s::text IS NULL OR corpus_id IN (
    SELECT id FROM ragdiet.corpus WHERE tenant = %(tenant)s AND collection = %(collection)s))
"""

# An answer that was given again is that of the ask which made it.
_FORGET = """
DELETE FROM ragdiet.answer_cache WHERE tenant = %(tenant)s AND (prompt_id = %(prompt_id)s OR prompt_id IN (
    SELECT served FROM ragdiet.call WHERE tenant = %(tenant)s AND prompt_id = %(prompt_id)s AND stage = 'reuse'))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerStats:
    """Of one tenant: answers that are kept and may be given again (``entries``), its ``asks`` so far, and how many of
    them got an answer that was there: to the same question (``exact``), to one that asks the same (``similar``), or to
    the same question in the air (``shared``). ``saved`` is what these answers cost when they were made, less what the
    asks that got them again cost, USD.

    ``cached_tokens`` of all ``prompt_tokens`` were read from the providers' prompt caches.
    """

    entries: int
    asks: int
    exact: int
    similar: int
    shared: int
    saved: Decimal
    prompt_tokens: int
    cached_tokens: int

    @property
    def hit_rate(self) -> float:
        """Share of the asks for which nothing was generated; 0 without asks."""
        return (self.exact + self.similar + self.shared) / self.asks if self.asks else 0.0

    @property
    def prompt_cache_rate(self) -> float:
        """Share of the prompts' tokens that a provider had in its cache; 0 without prompts."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else 0.0


class Answers:
    """The answers that are kept for one tenant."""

    def __init__(self, database: Database, *, tenant: str, flush: Callable[[], None]) -> None:
        self._database = database
        self._tenant = tenant
        self._flush = flush

    def stats(self) -> AnswerStats:
        """What was given again so far, as the database's ledger tells, and what that saved."""
        self._flush()
        entries, reused, tokens = self._database.run(
            lambda connection: [
                connection.execute(query, {"tenant": self._tenant}).fetchall()[0]
                for query in (_ENTRIES, _REUSED, _CACHED)
            ],
            tenant=self._tenant,
            repeatable=True,
        )
        asks, exact, similar, shared, saved = reused
        return AnswerStats(
            entries=entries[0],
            asks=asks,
            exact=exact,
            similar=similar,
            shared=shared,
            saved=Decimal(saved),
            prompt_tokens=int(tokens[1]),
            cached_tokens=int(tokens[0]),
        )

    def clear(self, collection: str | None = None) -> int:
        """Forget what is kept, of one collection or of all; returns how many answers that were."""
        return self._database.run(
            lambda connection: connection.execute(_CLEAR, {"tenant": self._tenant, "collection": collection}).rowcount,
            tenant=self._tenant,
            repeatable=True,
        )

    def forget(self, prompt_id: str) -> None:
        """Do not give the answer of this ask again, were it made there or given again itself."""
        self._flush()
        self._database.run(
            lambda connection: connection.execute(_FORGET, {"tenant": self._tenant, "prompt_id": prompt_id}),
            tenant=self._tenant,
            repeatable=True,
        )
