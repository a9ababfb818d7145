"""How the latest asks of a collection went, as far as it tells what the next one will cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ragdiet.account.rehearsal import REHEARSAL

if TYPE_CHECKING:
    import psycopg

    from ragdiet.account.ledger import AskRow, Call

MOST_PAST = 500
"""Asks that are looked back at, the latest."""

# Asks that did not go as others will.
_NO_SIGN = ["cancelled", "out of time", REHEARSAL]
_PAST = """
SELECT a.prompt_id, a.question, a.model, a.reused <> '', c.stage, c.attempt, c.model, c.output_tokens,
       c.cache_read_tokens > 0, c.cache_write_5m_tokens + c.cache_write_1h_tokens > 0
FROM (
    SELECT prompt_id, question, model, reused, finished_at
    FROM ragdiet.ask
    WHERE collection = %(collection)s AND tenant = %(tenant)s AND reason <> ALL(%(no_sign)s)
        AND NOT starts_with(reason, 'raised ')
    ORDER BY finished_at DESC
    LIMIT %(most)s
) a
LEFT JOIN ragdiet.call c
    ON c.prompt_id = a.prompt_id AND c.tenant = %(tenant)s AND c.stage IN ('retrieve', 'generate') AND c.status = 'done'
ORDER BY a.finished_at DESC, a.prompt_id, c.attempt, c.started_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastReply:
    """A reply that was billed: of how many tokens, and whether its prompt's prefix was read from the provider's cache,
    or written to it. Two of one ``attempt`` are a reply that was cut off and the longer one that was asked for then."""

    model: str
    attempt: int
    tokens: int
    cache_read: bool = False
    cache_written: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAsk:
    """An ask that ended: ``question`` as it was kept, the ``model`` whose reply was accepted, and how many searches and
    which replies it took. ``reused``: its answer was there already."""

    question: str
    model: str
    reused: bool
    searches: int
    replies: tuple[PastReply, ...]


@runtime_checkable
class Remembering(Protocol):
    """A ledger that tells how the latest asks of a collection went."""

    def past(self, *, collection: str, tenant: str) -> Sequence[PastAsk]: ...


def read_past(connection: psycopg.Connection, collection: str, tenant: str) -> tuple[PastAsk, ...]:
    """The latest asks of a collection, the last one first."""
    rows = connection.execute(
        _PAST, {"collection": collection, "tenant": tenant, "most": MOST_PAST, "no_sign": _NO_SIGN}
    ).fetchall()
    return tuple(_past_ask(list(own)) for _, own in groupby(rows, key=itemgetter(0)))


def past_of(asks: Iterable[AskRow], calls: Iterable[Call], *, collection: str, tenant: str) -> tuple[PastAsk, ...]:
    """The same out of rows in memory."""
    own = [ask for ask in asks if (ask.collection, ask.tenant) == (collection, tenant)][-MOST_PAST:]
    rows: dict[str, list[Call]] = {ask.prompt_id: [] for ask in own}
    for call in calls:
        if call.prompt_id in rows and call.status == "done":
            rows[call.prompt_id].append(call)
    return tuple(
        PastAsk(
            question=ask.question,
            model=ask.model,
            reused=bool(ask.reused),
            searches=sum(call.stage == "retrieve" for call in rows[ask.prompt_id]),
            replies=tuple(
                PastReply(
                    model=call.model,
                    attempt=call.attempt,
                    tokens=call.usage.output_tokens,
                    cache_read=call.usage.cache_read_tokens > 0,
                    cache_written=call.usage.cache_write_5m_tokens + call.usage.cache_write_1h_tokens > 0,
                )
                for call in rows[ask.prompt_id]
                if call.stage == "generate"
            ),
        )
        for ask in reversed(own)
        if ask.reason not in _NO_SIGN and not ask.reason.startswith("raised ")
    )


def _past_ask(rows: Sequence[tuple[Any, ...]]) -> PastAsk:
    _, question, model, reused, *_ = rows[0]
    return PastAsk(
        question=question,
        model=model,
        reused=reused,
        searches=sum(row[4] == "retrieve" for row in rows),
        replies=tuple(
            PastReply(model=of, attempt=attempt, tokens=tokens, cache_read=read, cache_written=written)
            for _, _, _, _, stage, attempt, of, tokens, read, written in rows
            if stage == "generate"
        ),
    )
