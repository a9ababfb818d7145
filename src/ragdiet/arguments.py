"""What callers pass, checked before anything is done with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from ragdiet.errors import InvalidArgument
from ragdiet.types import Turn


def checked_name(name: str, what: str) -> str:
    """``name``, or InvalidArgument for one that nothing can have; ``what`` it is the name of."""
    if not name or len(name) > 200 or not name.isprintable():
        raise InvalidArgument(f"{what} {name[:40]!r} cannot be used: give 1 to 200 printable characters")
    return name


def checked_tenant(tenant: str) -> str:
    """``tenant``; the empty one is the default."""
    return checked_name(tenant, "tenant") if tenant else ""


def checked_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Names and values of tags, each of printable text. Raises InvalidArgument."""
    for text in (part for pair in (tags or {}).items() for part in pair):
        if not isinstance(text, str) or not text.isprintable():
            raise InvalidArgument(f"the tag {text!r:.60} cannot be kept: give names and values of printable text")
    return dict(tags or {})


def checked_expiry(expires_at: datetime | timedelta | None) -> datetime | None:
    """The moment that is meant, in its time zone. Raises InvalidArgument for one that is past."""
    if expires_at is None:
        return None
    now = datetime.now(UTC)
    moment = now + expires_at if isinstance(expires_at, timedelta) else expires_at
    if moment.tzinfo is None:
        raise InvalidArgument(f"expires_at is {moment}, in no time zone: give one, such as datetime.now(UTC) + ...")
    if moment <= now:
        raise InvalidArgument(f"expires_at is {moment}, which is past: give a later moment, or a timedelta")
    return moment


def checked_money(amount: Decimal | str) -> Decimal:
    """USD as a number, zero or more. Raises InvalidArgument."""
    try:
        spend = Decimal(amount)
    except InvalidOperation as error:
        raise InvalidArgument(f"max_cost is {amount!r}: give USD, such as '0.01'") from error
    if not spend.is_finite() or spend < 0:
        raise InvalidArgument(f"max_cost is {amount}: give USD, zero or more")
    return spend


def checked_deadline(seconds: float | None) -> float | None:
    """Seconds, zero or more, or None. Raises InvalidArgument."""
    if seconds is not None and not (isinstance(seconds, int | float) and 0 <= seconds < math.inf):
        raise InvalidArgument(f"deadline is {seconds!r}: give seconds, zero or more")
    return seconds


def checked_tokens(tokens: int) -> int:
    """Billed tokens of an ask, zero or more. Raises InvalidArgument."""
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
        raise InvalidArgument(f"max_billed_tokens is {tokens!r}: give a whole number, zero or more")
    return tokens


def as_turn(pair: tuple[str, str]) -> Turn:
    """A turn out of its role and text. Raises InvalidArgument for another role."""
    role, text = pair
    if role not in ("user", "assistant"):
        raise InvalidArgument(f"a turn's role is {role!r}: give 'user' or 'assistant'")
    return Turn(role=role, text=text)  # type: ignore[arg-type]  # checked above
