"""The values a filter compares with, and the names of JSON's types."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal, Self, TypeAlias

from ragdiet.errors import InvalidArgument

Scalar: TypeAlias = str | bool | int | float | Decimal | date | datetime | None
JsonType: TypeAlias = Literal["string", "number", "boolean", "null", "array", "object"]
Kind: TypeAlias = Literal["string", "number", "boolean", "null", "date", "datetime"]

_encode = json.JSONEncoder(ensure_ascii=False).encode

_MOST_DIGITS = 500
"""Before and after the point: more than any float has, and few enough for an index."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value with its kind: True and 1 are equal to Python, not to JSON. Made by ``Value.of``."""

    kind: Kind
    value: Scalar

    @classmethod
    def of(cls, value: object) -> Self:
        """Raises InvalidArgument for what no metadata can be compared with."""
        match value:
            case None:
                return cls("null", value)
            case bool():
                return cls("boolean", value)
            case int() | float() | Decimal():
                return cls("number", _checked_number(value))
            case str():
                return cls("string", checked_text(value, "filter value"))
            case datetime():
                return cls("datetime", _in_utc(value))
            case date():
                return cls("date", value)
        raise InvalidArgument(
            f"filter value {value!r:.60} is a {type(value).__name__}: give text, a number, a bool, a date, a datetime "
            "or None; for lists there are is_in(), has(), has_any() and has_all()"
        )

    @property
    def json_type(self) -> JsonType:
        """The type of the metadata that it can meet: dates are text there."""
        return "string" if self.kind in ("date", "datetime") else self.kind  # type: ignore[return-value]

    @property
    def json(self) -> str:
        """As JSON; dates in the form of ISO 8601."""
        if isinstance(self.value, Decimal):
            return str(self.value)
        if isinstance(self.value, date):
            return _encode(self.value.isoformat())
        return _encode(self.value)

    def __repr__(self) -> str:
        return repr(self.value)


def json_type(value: Any) -> JsonType:
    """The type that ``value`` has once it is stored, as PostgreSQL's ``jsonb_typeof`` names it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float() | Decimal():
            return "number"
        case str():
            return "string"
        case Mapping():
            return "object"
    return "array"


def exact(number: int | float | Decimal) -> Decimal:
    """The number as it is written: 0.1 is a tenth here, as it is in JSON."""
    return Decimal(float.__repr__(number)) if isinstance(number, float) else Decimal(number)


def checked_text(text: str, what: str) -> str:
    """The text itself; raises InvalidArgument where PostgreSQL could not hold it."""
    if "\0" in text:
        raise InvalidArgument(f"{what} {text!r:.60} has a NUL character, which no metadata has: leave it out")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{what} {text!r:.60} has half a surrogate pair: decode it properly first") from error
    return text


def _checked_number(value: int | float | Decimal) -> int | float | Decimal:
    match value:
        case int():
            finite, fits = True, abs(value) < 10**_MOST_DIGITS
        case float():
            finite, fits = math.isfinite(value), True
        case Decimal():
            _, digits, exponent = value.as_tuple()
            finite = isinstance(exponent, int)
            fits = isinstance(exponent, int) and max(len(digits) + exponent, -exponent) <= _MOST_DIGITS
    if not finite:
        raise InvalidArgument(f"filter value {value} is no number that metadata could have: give a finite one")
    if not fits:
        raise InvalidArgument(f"a filter value has more than {_MOST_DIGITS} digits on a side of the point: round it")
    return value


def _in_utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise InvalidArgument(
            f"filter value {moment!r} is in no time zone: give one, such as tzinfo=UTC, or a date to compare by days"
        )
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidArgument(f"filter value {moment!r} is outside the calendar in UTC: give a date") from error
