"""JSON and JSON lines: each value on a line with the path of keys that leads to it.

``{"server": {"port": 8080}}`` is ``server.port: 8080``. Braces and indentation carry no words, and a value
that stands some lines below them means nothing to whoever is shown its line alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ragdiet.errors import BrokenFile, EmptyDocument
from ragdiet.load.broken import MOST_CHARACTERS, too_long
from ragdiet.load.encoding import decode
from ragdiet.load.loaded import Loaded, one_line, printable

_MOST_BYTES = 32 * 2**20  # of one value; its objects take some 20 bytes of memory for each
_DEEPEST = 100  # levels; the path is repeated on each line
_RECORDS = 1  # levels above which a list is one of records, set apart by blank lines and not numbered
# Comments and commas too many, which editors and compilers allow in their settings; and strings, which may
# look like them.
_COMMENT = re.compile(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_COMMA = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])')
_SPACES = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile(r"\s*\n\s*")


class _Object(tuple[tuple[str, Any], ...]):
    """The members of an object in their order, those of the same key too."""


def parse_json(data: bytes, name: str) -> Loaded:
    """A JSON value, comments and trailing commas allowed; also JSON lines of that name.

    Raises BrokenFile with the place where it is no JSON, EmptyDocument where it holds no value.
    """
    text = decode(data)
    try:
        return _loaded([_value(text)])
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip().startswith("{"):
            return _loaded(_values(text))
        try:
            value = _value(_COMMA.sub(_string, _COMMENT.sub(_string, text)))
        except json.JSONDecodeError:
            raise BrokenFile(f"no valid JSON ({error}): mend it, or name it .txt to load it as it is") from error
        return _loaded([value])


def parse_json_lines(data: bytes, name: str) -> Loaded:
    """JSON lines: each line a value, blank ones passed over. Raises BrokenFile with the first that is no JSON."""
    return _loaded(_values(decode(data)))


def _string(match: re.Match[str]) -> str:
    return match[1] or ""


def _values(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield _value(line)
            except json.JSONDecodeError as error:
                raise BrokenFile(
                    f"line {number:,} is no valid JSON ({error.msg} at character {error.pos:,}): mend or remove it"
                ) from error


def _value(text: str) -> Any:
    """Numbers stay as they are written: none is too long, and none is rounded."""
    if len(text) > _MOST_BYTES:
        raise BrokenFile(f"one JSON value of {len(text) / 2**20:,.0f} MiB: write it as JSON lines, a record a line")
    try:
        return json.loads(text, object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError as error:
        raise _too_deep() from error


def _too_deep() -> BrokenFile:
    return BrokenFile(f"nested more than {_DEEPEST} levels deep: flatten it, or name it .txt to load it as it is")


def _loaded(values: Iterable[Any]) -> Loaded:
    lines: list[str] = []
    length = 0
    for value in values:
        if isinstance(value, _Object):
            lines.append("")
        for line in _lines(value, "", 0):
            lines.append(line)
            length += len(line) + 1
            if length > MOST_CHARACTERS:
                raise too_long()
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines).strip("\n"))
    if not text:
        raise EmptyDocument("it holds no value but empty ones: leave it out, or fill it")
    return Loaded(text=text, title=None, meta={"format": "json"})


def _lines(value: Any, path: str, depth: int) -> Iterator[str]:
    """The lines of a value; null and what is empty have none."""
    if depth > _DEEPEST:
        raise _too_deep()
    if isinstance(value, _Object):
        for key, inner in value:
            name = one_line(printable(key))
            yield from _lines(inner, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, list) and any(isinstance(inner, list | _Object) for inner in value):
        for number, inner in enumerate(value):
            if depth <= _RECORDS and isinstance(inner, _Object):
                yield ""
            yield from _lines(inner, path if depth <= _RECORDS else f"{path}[{number}]", depth + 1)
    else:
        text = ", ".join(filter(None, map(_shown, value))) if isinstance(value, list) else _shown(value)
        if text:
            yield f"{path}: {text}" if path else text


def _shown(value: object) -> str:
    """A string, number or truth value as text; its paragraphs become lines, so that a record stays one block."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _LINE_ENDS.sub("\n", _SPACES.sub(" ", printable(str(value)))).strip()
