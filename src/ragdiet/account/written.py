"""Ledger rows as lines of JSON, each with a checksum that tells a whole line from one cut short or overwritten."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias

from ragdiet.account.ledger import AskRow, Call
from ragdiet.types import Usage

Row: TypeAlias = Call | AskRow

_AMOUNTS = ("cost", "database_cost")
_LINE = re.compile(rb'(\{.*),"check":"([0-9a-f]{16})"\}\n?', re.DOTALL)


class Noted(NamedTuple):
    """A row, and when it was parked, by this machine's clock; None for one that is on its way."""

    row: Row
    at: datetime | None = None


def to_line(noted: Noted) -> bytes:
    """One line of JSON; amounts are text, to the last digit."""
    content = {
        "kind": "call" if isinstance(noted.row, Call) else "ask",
        "at": _plain(noted.at),
        "row": {field.name: _plain(getattr(noted.row, field.name)) for field in fields(noted.row)},
    }
    body = json.dumps(content).encode()[:-1]
    return body + b',"check":"%b"}\n' % _checksum(body)


def from_line(line: bytes) -> Noted:
    """The row of a line. Raises ValueError where it is not what ``to_line`` wrote."""
    found = _LINE.fullmatch(line)
    if not found or found[2] != _checksum(found[1]):
        raise ValueError("no ledger row, or not as it was written")
    try:
        content = json.loads(found[1] + b"}")
        values = content["row"]
        values |= {name: Decimal(values[name]) for name in _AMOUNTS if values.get(name) is not None}
        at = datetime.fromisoformat(content["at"]) if content["at"] else None
        if content["kind"] == "ask":
            return Noted(AskRow(**values), at)
        values["usage"] = Usage(**values["usage"])
        values["started_at"] = datetime.fromisoformat(values["started_at"])
        return Noted(Call(**values), at)
    except (KeyError, TypeError, ArithmeticError) as error:  # whole, but of another version
        raise ValueError(f"no ledger row that this version knows: {error!r}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Usage):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return value if value is None or isinstance(value, str | int | float) else dict(value)


def _checksum(body: bytes) -> bytes:
    return sha256(body).hexdigest()[:16].encode()
