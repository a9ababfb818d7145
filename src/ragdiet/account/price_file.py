"""Price files: JSON that names its unit and holds rows, which are only ever added to.

{"unit": "USD per million tokens",
 "rows": [{"model": "us.amazon.nova-lite-v1:0", "kind": "generate", "input": "0.06", "output": "0.24",
           "source": "price page", "checked": "2026-11-23"}]}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from ragdiet.account.price_row import PriceRow
from ragdiet.errors import InvalidArgument

UNIT = "USD per million tokens"


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a price file or table; InvalidArgument where there is none to read."""
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidArgument(f"the price file {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{path} is no price file: it is not text in UTF-8 ({error.reason})") from error


def parse_json(text: str | bytes, name: str) -> Any:
    """JSON whose numbers keep every digit. A name given twice, NaN and Infinity are refused."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_once)
    except ValueError as error:
        raise InvalidArgument(f"{name} is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidArgument(f"{name} is not JSON of ours: it is nested too deeply") from error


def parse_rows(text: str, name: str = "the price file") -> list[PriceRow]:
    """The rows of a price file's text, in its order."""
    content = parse_json(text, name)
    rows = content.get("rows") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidArgument(
            f'{name} must hold an object with a list of objects: {{"unit": "{UNIT}", "rows": [{{...}}]}}'
        )
    if content.get("unit") != UNIT:
        raise InvalidArgument(
            f"{name} gives its rates in {content.get('unit', 'no unit')!r}. "
            f'Turn them into USD per million tokens and say so: "unit": "{UNIT}"'
        )
    return [parse_row(row) for row in rows]


def parse_row(row: Mapping[str, Any]) -> PriceRow:
    """One row; InvalidArgument names it and what is wrong."""
    from pydantic import ValidationError

    try:
        parsed: PriceRow = _row_adapter().validate_python(dict(row))
    except ValidationError as error:
        # Of the forms that a value may have, the one that was meant is the one that went furthest.
        first = max(error.errors(include_url=False), key=lambda one: len(one["loc"]))
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, InvalidArgument):
            raise cause from error
        place = ".".join(map(str, first["loc"]))
        raise InvalidArgument(f"price row {row.get('model', row)!r}: {place}: {first['msg']}") from error
    return parsed


def add_rows(path: str | os.PathLike[str], rows: Iterable[PriceRow]) -> None:
    """Append rows to a price file, or make it. The rows that it holds stay as they are.

    The file is replaced as a whole once all of it is on the disk: whatever happens, it is the old or the new one.
    """
    target = Path(os.path.realpath(path))
    content: dict[str, Any] = {"unit": UNIT, "rows": []}
    kept: list[PriceRow] = []
    if target.exists():
        text = read_text(target)
        kept, content = parse_rows(text, str(path)), parse_json(text, str(path))
    seen = {(row.model, row.region, row.checked) for row in kept}
    added = list(rows)
    for row in added:
        if (row.model, row.region, row.checked) in seen:
            raise InvalidArgument(
                f"price row {row.model!r}: {path} has one of {row.checked} already, and past rows are never changed"
            )
    lines = [json.dumps(row, default=_said) for row in (*content.pop("rows"), *map(row_content, added))]
    above = json.dumps(content, default=_said).removesuffix("}")
    _replace(target, f'{above}, "rows": [\n' + ",\n".join(lines) + "\n]}\n")


def row_content(row: PriceRow) -> dict[str, Any]:
    """A row as a price file holds it: rates as strings, and nothing of what it does not know."""

    def known(group: Mapping[str, Any]) -> dict[str, Any]:
        inside = {name: known(value) if isinstance(value, dict) else value for name, value in group.items()}
        return {name: value for name, value in inside.items() if value not in (None, "", {})}

    return known(asdict(row))


def _said(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _replace(target: Path, text: str) -> None:
    beside = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            beside.chmod(target.stat().st_mode & 0o777)
        beside.replace(target)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise InvalidArgument(f"{target} was left as it was: {error.strerror or error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is given twice in {found.get('model', 'one object')!r}")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no rate")


@cache
def _row_adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(PriceRow)
