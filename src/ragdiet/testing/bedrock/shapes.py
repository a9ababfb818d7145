"""JSON held to a shape of botocore's service models: all that the model says, also what botocore leaves unchecked.

botocore checks types, required members, unions and least lengths before it sends. Here patterns, enums and greatest
lengths are checked as well, and keys that the model does not have. A shape is compiled once into plain functions,
as the check runs for each request and each reply.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ragdiet.testing.bedrock.refusal import Refused

Check: TypeAlias = Callable[[Any, str, list[str]], None]

_SHOWN = 100


class NotOfItsType(Exception):
    """JSON that cannot be read as the shape at all: the service's SerializationException."""


class Shapes:
    """The checks of the shapes met so far, each compiled once."""

    def __init__(self) -> None:
        self._made: dict[int, Check] = {}
        self._kept: list[Any] = []  # the shapes, so that no id is given out twice

    def problems(self, value: object, shape: Any, *, at: str = "") -> list[str]:
        """What is wrong with ``value``, in AWS's words. Raises NotOfItsType where a type is another."""
        found: list[str] = []
        self._check(shape)(value, at, found)
        return found

    def require(self, value: object, shape: Any) -> None:
        """Refused as the service refuses: SerializationException for a type, ValidationException for a constraint."""
        try:
            found = self.problems(value, shape)
        except NotOfItsType as error:
            raise Refused("SerializationException", str(error)) from error
        if found:
            errors = "1 validation error" if len(found) == 1 else f"{len(found)} validation errors"
            raise Refused("ValidationException", f"{errors} detected: {'; '.join(found)}")

    def _check(self, shape: Any) -> Check:
        made = self._made.get(id(shape))
        if made is None:
            made = self._made[id(shape)] = self._compiled(shape)
            self._kept.append(shape)
        return made

    def _compiled(self, shape: Any) -> Check:
        if shape.metadata.get("document"):
            return _document
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape)
        if kind == "list":
            return self._list(shape)
        if kind == "map":
            return self._map(shape)
        if kind == "string":
            return _string(shape.metadata)
        if kind == "blob":
            return _blob(shape.metadata)
        if kind == "boolean":
            return _typed(bool, "Boolean")
        if kind == "timestamp":
            return _typed((str, int, float), "Timestamp")
        return _number(shape.metadata, whole=kind in ("integer", "long"))

    def _structure(self, shape: Any) -> Check:
        members, required = shape.members, tuple(shape.required_members)
        union = bool(shape.metadata.get("union"))
        checks: dict[str, Check] = {}

        def check(value: Any, at: str, found: list[str]) -> None:
            _of(value, dict, "structure", at)
            given = {name: part for name, part in value.items() if part is not None}
            for name in required:
                if name not in given:
                    found.append(_failed(None, _under(at, name), "Member must not be null"))
            if union and len(given) != 1:
                found.append(f"Value at '{at}' failed to satisfy constraint: exactly one of its members must be set")
            for name, part in given.items():
                if name not in members:
                    found.append(f"extraneous key [{name[:_SHOWN]}] is not permitted at '{at or '#'}'")
                    continue
                part_check = checks.get(name)
                if part_check is None:  # late, since a shape may hold itself
                    part_check = checks[name] = self._check(members[name])
                part_check(part, _under(at, name), found)

        return check

    def _list(self, shape: Any) -> Check:
        length, member = _length(shape.metadata), shape.member

        def check(value: Any, at: str, found: list[str]) -> None:
            _of(value, list, "list", at)
            length(value, at, found)
            each = self._check(member)
            for number, part in enumerate(value, 1):
                each(part, f"{at}.{number}.member", found)

        return check

    def _map(self, shape: Any) -> Check:
        length, key, member = _length(shape.metadata), shape.key, shape.value

        def check(value: Any, at: str, found: list[str]) -> None:
            _of(value, dict, "map", at)
            length(value, at, found)
            key_check, each = self._check(key), self._check(member)
            for name, part in value.items():
                key_check(name, f"{at}.key", found)
                each(part, _under(at, name[:_SHOWN]), found)

        return check


def _under(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _of(value: object, kind: type | tuple[type, ...], named: str, at: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise NotOfItsType(f"{type(value).__name__} cannot be read as a {named} at '{at or '#'}'")


def _failed(value: object, at: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{str(value)[:_SHOWN]}'"
    return f"Value {shown} at '{at}' failed to satisfy constraint: {constraint}"


def _document(value: Any, at: str, found: list[str]) -> None:
    """Any JSON."""


def _typed(kind: type | tuple[type, ...], named: str) -> Check:
    def check(value: Any, at: str, found: list[str]) -> None:
        _of(value, kind, named, at)

    return check


def _length(metadata: Mapping[str, Any]) -> Check:
    least, most = metadata.get("min", 0), metadata.get("max", math.inf)

    def check(value: Any, at: str, found: list[str]) -> None:
        if len(value) < least:
            found.append(_failed(value, at, f"Member must have length greater than or equal to {least}"))
        elif len(value) > most:
            found.append(_failed(value, at, f"Member must have length less than or equal to {most}"))

    return check


def _string(metadata: Mapping[str, Any]) -> Check:
    length = _length(metadata)
    pattern = re.compile(metadata["pattern"]) if "pattern" in metadata else None
    values = frozenset(metadata.get("enum", ()))

    def check(value: Any, at: str, found: list[str]) -> None:
        _of(value, str, "string", at)
        before = len(found)
        length(value, at, found)
        if len(found) > before:
            return  # nor is a pattern tried on a text beyond all measure
        if values and value not in values:
            found.append(_failed(value, at, f"Member must satisfy enum value set: [{', '.join(sorted(values))}]"))
        if pattern and not pattern.fullmatch(value):
            found.append(_failed(value, at, f"Member must satisfy regular expression pattern: {pattern.pattern}"))

    return check


def _blob(metadata: Mapping[str, Any]) -> Check:
    length = _length(metadata)

    def check(value: Any, at: str, found: list[str]) -> None:
        if isinstance(value, str):  # within JSON
            try:
                value = base64.b64decode(value, validate=True)
            except binascii.Error as error:
                raise NotOfItsType(f"string cannot be read as base64 at '{at}'") from error
        _of(value, bytes, "blob", at)
        length(value, at, found)

    return check


def _number(metadata: Mapping[str, Any], *, whole: bool) -> Check:
    least, most = metadata.get("min", -math.inf), metadata.get("max", math.inf)
    kinds: type | tuple[type, ...] = int if whole else (int, float)

    def check(value: Any, at: str, found: list[str]) -> None:
        _of(value, kinds, "integer" if whole else "number", at)
        if not math.isfinite(value):
            raise NotOfItsType(f"{value} is no number at '{at}'")
        if value < least:
            found.append(_failed(value, at, f"Member must have value greater than or equal to {least}"))
        elif value > most:
            found.append(_failed(value, at, f"Member must have value less than or equal to {most}"))

    return check
