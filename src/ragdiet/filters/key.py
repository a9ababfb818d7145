"""F: a key of the metadata, from which conditions are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from ragdiet.errors import InvalidArgument
from ragdiet.filters.expression import And, Compare, Exists, Filter, Holds, IsIn, Not, Operator, Or
from ragdiet.filters.value import Scalar, Value, checked_text

FilterLike: TypeAlias = Filter | Mapping[str, Any]
"""What ``filter=`` takes: a condition, or a mapping of keys to the values they must have."""

MOST_KEY_BYTES = 1_000
"""Longer keys may be stored, but nothing can be filtered by them: the table of keys is indexed by key."""


@dataclass(frozen=True, slots=True, init=False, repr=False, eq=False)
class F:
    """A key of the metadata. Comparisons with it are filters, for ``retrieve`` and ``ask``.

    >>> (F("year") >= 2020) & ~F("lang").is_in(["en", "de"]) | F("tags").has("urgent")
    ((F('year') >= 2020) & ~F('lang').is_in(['en', 'de'])) | F('tags').has('urgent')

    ``F("author", "name")`` is the value under ``name`` in the object under ``author``; a dot is a character
    like any other. A chunk has its document's metadata, save the keys that it sets itself.

    - A key that is not there meets no comparison. ``!=`` and ``~`` are plain opposites, so they hold where the
      key is not there: ``F("team").exists() & (F("team") != "ops")`` asks for another team. ``exists`` holds
      of a null too, which is what ``== None`` asks for.
    - Values meet values of their own type alone: 1 and 1.0 are one number, True and "1" are none. Text is
      ordered by code point.
    - Dates stand in metadata as ISO 8601 text, see ``ragdiet.filters.moment``. A ``date`` is compared with the
      day that is written there, whatever its time and zone: ``<= date(2026, 1, 31)`` takes in that whole day.
      A ``datetime`` must have a time zone and is compared as an instant; text without an offset is in UTC, and
      a day alone is its midnight.
    """

    path: tuple[str, ...]

    def __init__(self, key: str, *inner: str) -> None:
        object.__setattr__(self, "path", tuple(map(_checked_key, (key, *inner))))

    def __eq__(self, value: object) -> Filter:  # type: ignore[override]  # a condition, not a bool
        return Compare(self.path, "==", Value.of(value))

    def __ne__(self, value: object) -> Filter:  # type: ignore[override]  # a condition, not a bool
        return Not(Compare(self.path, "==", Value.of(value)))

    __hash__ = None  # type: ignore[assignment]  # a set could not tell equal keys by ==

    def __lt__(self, value: Scalar) -> Filter:
        return self._ordered("<", value)

    def __le__(self, value: Scalar) -> Filter:
        return self._ordered("<=", value)

    def __gt__(self, value: Scalar) -> Filter:
        return self._ordered(">", value)

    def __ge__(self, value: Scalar) -> Filter:
        return self._ordered(">=", value)

    def is_in(self, values: Iterable[Scalar]) -> Filter:
        """The value is one of these; there may be thousands."""
        given = _values(values, "is_in()")
        plain = tuple(value for value in given if value.kind == value.json_type)
        dates = tuple(Compare(self.path, "==", value) for value in given if value.kind != value.json_type)
        parts: tuple[Filter, ...] = (IsIn(self.path, plain), *dates) if plain else dates
        return Or(parts) if len(parts) > 1 else parts[0]

    def has(self, value: Scalar) -> Filter:
        """The value is an array that holds this."""
        return Holds(self.path, _items([value], "has()"), every=True)

    def has_any(self, values: Iterable[Scalar]) -> Filter:
        """The value is an array that holds at least one of these."""
        return Holds(self.path, _items(values, "has_any()"), every=False)

    def has_all(self, values: Iterable[Scalar]) -> Filter:
        """The value is an array that holds each of these."""
        return Holds(self.path, _items(values, "has_all()"), every=True)

    def exists(self) -> Filter:
        """The key is there, with whatever value."""
        return Exists(self.path)

    def _ordered(self, operator: Operator, value: Scalar) -> Filter:
        wanted = Value.of(value)
        if wanted.kind in ("boolean", "null"):
            raise InvalidArgument(f"filter value {value!r} has no order: compare by == or !=")
        return Compare(self.path, operator, wanted)

    def _misplaced(self, _other: object) -> NoReturn:
        raise InvalidArgument(
            f"{self!r} stands beside & or | without a comparison of its own: put each comparison in parentheses, "
            'as in (F("a") == 1) & (F("b") == 2), and write F("a").exists() for a key that is there'
        )

    __and__ = __rand__ = __or__ = __ror__ = _misplaced

    def __invert__(self) -> NoReturn:
        self._misplaced(None)

    def __bool__(self) -> NoReturn:
        self._misplaced(None)

    def __repr__(self) -> str:
        return f"F({', '.join(map(repr, self.path))})"


def as_filter(filter: object) -> Filter | None:
    """The condition that ``filter=`` means; None where there is none. Raises InvalidArgument.

    >>> as_filter({"team": "ops", "year": 2026})
    (F('team') == 'ops') & (F('year') == 2026)
    """
    match filter:
        case None | Filter():
            return filter
        case Mapping():
            parts = tuple(F(key) == value for key, value in filter.items())
            return And(parts) if len(parts) > 1 else parts[0] if parts else None
    raise InvalidArgument(
        f"filter is {filter!r:.60}: give a condition such as F('year') >= 2020, or a mapping of keys to values"
    )


def _checked_key(key: object) -> str:
    if not isinstance(key, str):
        raise InvalidArgument(f"filter key {key!r:.60} is not text")
    if len(checked_text(key, "filter key").encode()) > MOST_KEY_BYTES:
        raise InvalidArgument(
            f"filter key {key[:40]!r}... has more than {MOST_KEY_BYTES:,} bytes: such keys cannot be filtered by"
        )
    return key


def _values(values: Iterable[Scalar], method: str) -> tuple[Value, ...]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidArgument(f"filter {method} takes a list of values, not {values!r:.60}: put it in brackets")
    given = tuple(dict.fromkeys(map(Value.of, values)))
    if not given:
        raise InvalidArgument(f"filter {method} was given no value and would match nothing: leave it out, or give one")
    return given


def _items(values: Iterable[Scalar], method: str) -> tuple[Value, ...]:
    given = _values(values, method)
    for value in given:
        if value.kind != value.json_type:
            raise InvalidArgument(f"filter {method} looks for equal items, not for dates: give the text {value.json}")
    return given
