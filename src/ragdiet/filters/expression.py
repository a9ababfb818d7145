"""Conditions over metadata as values: made by ``F``, combined by ``&``, ``|`` and ``~``."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, NoReturn, TypeAlias, cast

from ragdiet.errors import InvalidArgument
from ragdiet.filters.moment import day_of, instant_of
from ragdiet.filters.value import Value, exact, json_type

Operator: TypeAlias = Literal["==", "<", "<=", ">", ">="]
Path: TypeAlias = tuple[str, ...]

_DEEPEST = 32
_MOST_CONDITIONS = 1_000
_SHOWN = 5
_ABSENT = object()

_COMPARE: dict[Operator, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Filter(ABC):
    """A condition that a chunk's metadata meets or does not. Frozen, hashable, and shown as it is written."""

    __slots__ = ()

    @abstractmethod
    def matches(self, meta: Mapping[str, Any]) -> bool:
        """Whether ``meta``, a chunk's with its document's below it, meets the condition, as the database would say."""

    def __and__(self, other: Filter) -> Filter:
        return And(_flat(And, self, other)) if isinstance(other, Filter) else NotImplemented

    def __or__(self, other: Filter) -> Filter:
        return Or(_flat(Or, self, other)) if isinstance(other, Filter) else NotImplemented

    def __invert__(self) -> Filter:
        return self.part if isinstance(self, Not) else Not(self)

    def __bool__(self) -> NoReturn:
        raise InvalidArgument(
            "a filter is neither true nor false by itself: combine filters by &, | and ~ in place of `and`, `or` and "
            '`not`, and write (F("a") > 1) & (F("a") < 5) for 1 < F("a") < 5'
        )


@dataclass(frozen=True, slots=True, repr=False)
class Compare(Filter):
    """The value at ``path`` stands in this relation to ``value``."""

    path: Path
    operator: Operator
    value: Value

    def matches(self, meta: Mapping[str, Any]) -> bool:
        found = _at(meta, self.path)
        if found is _ABSENT or json_type(found) != self.value.json_type:
            return False
        stored, wanted = _comparable(found, self.value)
        return stored is not _ABSENT and _COMPARE[self.operator](stored, wanted)

    def __repr__(self) -> str:
        return f"{_key(self.path)} {self.operator} {self.value!r}"


@dataclass(frozen=True, slots=True, repr=False)
class IsIn(Filter):
    """The value at ``path`` is one of ``values``."""

    path: Path
    values: tuple[Value, ...]

    def matches(self, meta: Mapping[str, Any]) -> bool:
        found = _at(meta, self.path)
        return found is not _ABSENT and any(_equal(found, value) for value in self.values)

    def __repr__(self) -> str:
        return f"{_key(self.path)}.is_in({_listed(self.values)})"


@dataclass(frozen=True, slots=True, repr=False)
class Holds(Filter):
    """The value at ``path`` is an array that holds ``every`` one of ``values``, or at least one."""

    path: Path
    values: tuple[Value, ...]
    every: bool

    def matches(self, meta: Mapping[str, Any]) -> bool:
        found = _at(meta, self.path)
        if found is _ABSENT or json_type(found) != "array":
            return False
        decide = all if self.every else any
        return decide(any(_equal(item, value) for item in found) for value in self.values)

    def __repr__(self) -> str:
        if self.every and len(self.values) == 1:
            return f"{_key(self.path)}.has({self.values[0]!r})"
        return f"{_key(self.path)}.{'has_all' if self.every else 'has_any'}({_listed(self.values)})"


@dataclass(frozen=True, slots=True, repr=False)
class Exists(Filter):
    """There is a value at ``path``."""

    path: Path

    def matches(self, meta: Mapping[str, Any]) -> bool:
        return _at(meta, self.path) is not _ABSENT

    def __repr__(self) -> str:
        return f"{_key(self.path)}.exists()"


@dataclass(frozen=True, slots=True, repr=False)
class And(Filter):
    """All of ``parts`` are met."""

    parts: tuple[Filter, ...]

    def __post_init__(self) -> None:
        _check_size(self)

    def matches(self, meta: Mapping[str, Any]) -> bool:
        return all(part.matches(meta) for part in self.parts)

    def __repr__(self) -> str:
        return " & ".join(map(_inner, self.parts))


@dataclass(frozen=True, slots=True, repr=False)
class Or(Filter):
    """At least one of ``parts`` is met."""

    parts: tuple[Filter, ...]

    def __post_init__(self) -> None:
        _check_size(self)

    def matches(self, meta: Mapping[str, Any]) -> bool:
        return any(part.matches(meta) for part in self.parts)

    def __repr__(self) -> str:
        return " | ".join(map(_inner, self.parts))


@dataclass(frozen=True, slots=True, repr=False)
class Not(Filter):
    """``part`` is not met."""

    part: Filter

    def __post_init__(self) -> None:
        _check_size(self)

    def matches(self, meta: Mapping[str, Any]) -> bool:
        return not self.part.matches(meta)

    def __repr__(self) -> str:
        part = self.part
        if isinstance(part, Compare) and part.operator == "==":
            return f"{_key(part.path)} != {part.value!r}"
        return f"~{_inner(part)}"


def children(filter: Filter) -> tuple[Filter, ...]:
    """The conditions that this one combines."""
    match filter:
        case And() | Or():
            return filter.parts
        case Not():
            return (filter.part,)
    return ()


def _flat(kind: type[And] | type[Or], *parts: Filter) -> tuple[Filter, ...]:
    flat: tuple[Filter, ...] = ()
    for part in parts:
        flat += part.parts if isinstance(part, And | Or) and isinstance(part, kind) else (part,)
    return flat


def _check_size(filter: Filter) -> None:
    if not children(filter):
        raise InvalidArgument(f"filter {type(filter).__name__} combines nothing: give it at least one condition")
    depth, conditions = _size(filter)
    if depth > _DEEPEST:
        raise InvalidArgument(f"a filter nests deeper than {_DEEPEST} levels: write it with fewer parentheses")
    if conditions > _MOST_CONDITIONS:
        raise InvalidArgument(
            f"a filter has more than {_MOST_CONDITIONS:,} conditions: is_in() takes many values in one"
        )


def _size(filter: Filter) -> tuple[int, int]:
    """How deep it nests, and how many conditions it has. Parts were measured when they were made, so are not deep."""
    sizes = [_size(part) for part in children(filter)]
    return 1 + max((depth for depth, _ in sizes), default=0), sum(count for _, count in sizes) or 1


def _at(meta: Any, path: Path) -> Any:
    for key in path:
        if not isinstance(meta, Mapping) or key not in meta:
            return _ABSENT
        meta = meta[key]
    return meta


def _equal(stored: Any, value: Value) -> bool:
    return json_type(stored) == value.json_type and operator.eq(*_comparable(stored, value))


def _comparable(stored: Any, value: Value) -> tuple[Any, Any]:
    """The stored value, of the JSON type of ``value``, and ``value``: both as what their kind is compared by."""
    match value.kind:
        case "number":
            return exact(stored), exact(cast(int, value.value))
        case "date":
            return day_of(stored) or _ABSENT, cast(date, value.value).isoformat()
        case "datetime":
            instant = instant_of(stored)
            wanted = instant_of(cast(datetime, value.value).isoformat())
            return _ABSENT if instant is None else instant, wanted
    return stored, value.value


def _key(path: Path) -> str:
    return f"F({', '.join(map(repr, path))})"


def _listed(values: tuple[Value, ...]) -> str:
    shown = ", ".join(map(repr, values[:_SHOWN]))
    return f"[{shown}, ... {len(values):,} in all]" if len(values) > _SHOWN else f"[{shown}]"


def _inner(part: Filter) -> str:
    negated = part.part if isinstance(part, Not) else part
    bare = isinstance(part, Compare | And | Or) or (isinstance(negated, Compare) and negated.operator == "==")
    return f"({part!r})" if bare else repr(part)
