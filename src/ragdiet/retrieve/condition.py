"""A filter as a condition in SQL. Pure: what the corpus has under each key is given.

Keys and values are bound, always. jsonb's own order serves ranges: null, text, numbers, bools, one after the
other, so a type is an interval of it and one kind of index serves them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import reduce
from typing import Literal, cast

from psycopg.sql import SQL, Composable, Composed, Placeholder
from psycopg.sql import Literal as Quoted

from ragdiet.filters import (
    INDEXED_BYTES,
    ISO_PATTERN,
    OFFSET_PATTERN,
    And,
    Compare,
    Exists,
    Filter,
    Holds,
    IsIn,
    Not,
    Operator,
    Or,
    Path,
)

_ALTERNATIVES = 16
"""Up to here one look-up in the GIN index for each value; above, each document's value is looked up among them."""

_LEAST_TEXT, _LEAST_NUMBER, _LEAST_BOOL = (SQL(f"'{json}'::jsonb") for json in ('""', "-1e131000", "false"))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """How a corpus uses a key: the types of its values in documents and in chunks, and whether one index has all."""

    documents: frozenset[str] = frozenset()
    chunks: frozenset[str] = frozenset()
    indexed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """``sql`` over the aliases ``d`` (a document) and, with ``needs_chunk``, ``c`` (its chunk), and its parameters."""

    sql: Composed
    parameters: Mapping[str, object]
    needs_chunk: bool


def compiled(filter: Filter | None, uses: Mapping[str, KeyUse], *, some_expired: bool) -> Condition | None:
    """The condition that a chunk passes the filter, its document unexpired; None where every chunk does.

    ``uses`` has each of the filter's keys. Without ``some_expired`` no document has expired yet.
    """
    if filter is None and not some_expired:
        return None
    binds = _Binds()
    parts: list[Composable] = [] if filter is None else [_Compiler(uses, binds).sql(filter)]
    if some_expired:
        parts.append(SQL("(d.expires_at IS NULL OR d.expires_at > now())"))
    return Condition(
        sql=SQL(" AND ").join(parts),
        parameters=binds.parameters,
        needs_chunk=any(use.chunks for use in uses.values()),
    )


@dataclass(slots=True)
class _Binds:
    """Parameters by name; the same text of the same type, such as a key, is bound once."""

    parameters: dict[str, object] = field(default_factory=dict)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)

    def __call__(self, text: str, type: Literal["text", "jsonb", "timestamptz"]) -> Composable:
        name = self._names.setdefault((text, type), f"filter_{len(self.parameters)}")
        self.parameters[name] = text
        return SQL("{}::{}").format(Placeholder(name), SQL(type))

    def rows(self, texts: list[str]) -> Composable:
        """A query for many values: they are read once a statement, and never planned with."""
        name = f"filter_{len(self.parameters)}"
        self.parameters[name] = texts
        return SQL("SELECT value::jsonb FROM unnest({}::text[]) AS value").format(Placeholder(name))


class _Compiler:
    def __init__(self, uses: Mapping[str, KeyUse], bind: _Binds) -> None:
        self._uses = uses
        self._bind = bind

    def sql(self, filter: Filter) -> Composable:
        match filter:
            case And():
                return _joined(" AND ", map(self.sql, filter.parts))
            case Or():
                return _joined(" OR ", map(self.sql, filter.parts))
            case Not():  # a key that is not there makes a comparison null, which is not true
                return SQL("({} IS NOT TRUE)").format(self.sql(filter.part))
            case Exists():
                return SQL("({} IS NOT NULL)").format(self._stored(filter.path))
            case IsIn():
                return self._is_in(filter)
            case Holds():
                return self._holds(filter)
            case Compare():
                return self._compare(filter)
        raise TypeError(f"there is no SQL for {filter!r}")

    def _is_in(self, filter: IsIn) -> Composable:
        texts = [value.json for value in filter.values]
        if self._of_documents(filter.path) and not self._indexed(filter.path) and len(texts) <= _ALTERNATIVES:
            return _joined(" OR ", (self._containing(filter.path, text) for text in texts))
        found = SQL("{} IN ({})").format(self._stored(filter.path), self._bind.rows(texts))
        return self._by_index(filter.path, found, texts)

    def _holds(self, filter: Holds) -> Composable:
        texts = [value.json for value in filter.values]
        arrays = [f"[{', '.join(texts)}]"] if filter.every else [f"[{text}]" for text in texts]
        stored = self._stored(filter.path)
        if len(arrays) > _ALTERNATIVES:
            return SQL(
                "EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof({stored}) WHEN 'array' THEN {stored} END) "
                "AS item WHERE (item IN ({values})) IS TRUE)"  # so that it stays a look-up in one hash, not a join
            ).format(stored=stored, values=self._bind.rows(texts))
        if self._of_documents(filter.path):
            return _joined(" OR ", (self._containing(filter.path, array) for array in arrays))
        return _joined(" OR ", (SQL("{} @> {}").format(stored, self._bind(array, "jsonb")) for array in arrays))

    def _compare(self, filter: Compare) -> Composable:
        path, value = filter.path, filter.value
        stored = self._stored(path)
        relation = SQL(filter.operator.replace("==", "="))
        match value.kind:
            case "date" | "datetime":
                return self._compare_times(filter, relation)
            case "string" if filter.operator != "==":
                return SQL("(jsonb_typeof({stored}) = 'string' AND {text} COLLATE \"C\" {relation} {value})").format(
                    stored=stored,
                    text=_text(stored),
                    relation=relation,
                    value=self._bind(cast(str, value.value), "text"),
                )
        if filter.operator == "==" and self._of_documents(path) and not self._indexed(path):
            return self._containing(path, value.json)
        found = SQL("{} {} {}").format(stored, relation, self._bind(value.json, "jsonb"))
        if filter.operator in ("<", "<="):
            found += SQL(" AND {} >= {}").format(stored, _LEAST_NUMBER)
        elif filter.operator in (">", ">="):
            found += SQL(" AND {} < {}").format(stored, _LEAST_BOOL)
        return self._by_index(path, found, [value.json])

    def _compare_times(self, filter: Compare, relation: Composable) -> Composable:
        """Text that is a date, by its day or as an instant, within what lies in the days around it."""
        stored = self._stored(filter.path)
        text, value = _text(stored), cast(date, filter.value.value)
        if isinstance(value, datetime):
            found = SQL(
                "(CASE WHEN {text} ~ {iso} THEN CASE WHEN {text} ~ {offset} THEN {text}::timestamptz "
                "ELSE {text}::timestamp AT TIME ZONE 'UTC' END END {relation} {value})"
            )
        else:
            found = SQL('({text} ~ {iso} AND left({text}, 10) COLLATE "C" {relation} {value})')
        exact = found.format(
            text=text,
            iso=Quoted(ISO_PATTERN),
            offset=Quoted(OFFSET_PATTERN),
            relation=relation,
            value=self._bind(value.isoformat(), "timestamptz" if isinstance(value, datetime) else "text"),
        )
        first, last = _days_around(filter.operator, value)
        least = _LEAST_TEXT if first is None else self._bind(first, "jsonb")
        least_above = _LEAST_NUMBER if last is None else self._bind(last, "jsonb")
        coarse = SQL("{stored} >= {least} AND {stored} < {above} AND {exact}").format(
            stored=stored, least=least, above=least_above, exact=exact
        )
        return self._by_index(filter.path, coarse, [])

    def _by_index(self, path: Path, found: Composable, texts: Sequence[str]) -> Composable:
        """Tell the planner that the index, which leaves out null and long values, has all that can be found."""
        if not self._indexed(path) or any(text == "null" or len(text.encode()) > INDEXED_BYTES for text in texts):
            return SQL("({})").format(found)
        return SQL("({} AND octet_length({}.meta ->> {}) <= {})").format(
            found,
            SQL("d" if self._of_documents(path) else "c"),
            self._bind(path[0], "text"),
            Quoted(INDEXED_BYTES),
        )

    def _of_documents(self, path: Path) -> bool:
        return not self._uses[path[0]].chunks

    def _indexed(self, path: Path) -> bool:
        return len(path) == 1 and self._uses[path[0]].indexed

    def _stored(self, path: Path) -> Composable:
        use = self._uses[path[0]]
        key = self._bind(path[0], "text")
        own, inherited = SQL("c.meta -> {}").format(key), SQL("d.meta -> {}").format(key)
        if use.chunks and use.documents:
            stored = SQL("coalesce({}, {})").format(own, inherited)
        else:
            stored = SQL("({})").format(own if use.chunks else inherited)
        return reduce(lambda outer, inner: SQL("({} -> {})").format(outer, self._bind(inner, "text")), path[1:], stored)

    def _containing(self, path: Path, text: str) -> Composable:
        """The document has this JSON under its key: what the GIN index over whole metadata can look up."""
        whole = reduce(lambda inner, key: f"{{{json.dumps(key, ensure_ascii=False)}: {inner}}}", reversed(path), text)
        return SQL("d.meta @> {}").format(self._bind(whole, "jsonb"))


def _joined(word: Literal[" AND ", " OR "], parts: Iterable[Composable]) -> Composable:
    return SQL("({})").format(SQL(word).join(parts))


def _text(stored: Composable) -> Composable:
    return SQL("({} #>> '{{}}')").format(stored)


def _days_around(operator: Operator, value: date) -> tuple[str | None, str | None]:
    """As JSON, text no later than that of any time in this relation to ``value``, and text above all of them.

    An offset moves an instant to the day before or after at most. The day above the last is one past it in
    writing, which need not be in the calendar.
    """
    first = last = value
    if isinstance(value, datetime):
        day = value.date()
        first = day - timedelta(1) if day > date.min else day
        last = day + timedelta(1) if day < date.max else day
    above = json.dumps(f"{last.isoformat()[:8]}{last.day + 1:02}")
    return (
        None if operator in ("<", "<=") else json.dumps(first.isoformat()[:10]),
        None if operator in (">", ">=") else above,
    )
