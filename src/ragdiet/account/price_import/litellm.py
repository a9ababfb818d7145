"""litellm's table of prices (MIT), read out of its wheel or its installation without importing it.

Importing litellm takes seconds and asks the network for a newer table; the JSON within it is all that is wanted.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from importlib import metadata
from pathlib import Path
from typing import Any

from ragdiet.account.price_file import parse_json, read_text
from ragdiet.account.price_import.imported import Imported, tier_rates
from ragdiet.account.price_row import TOKEN_RATES, Kind, LongContext, PriceRow
from ragdiet.errors import InvalidArgument

_TABLE = "litellm/model_prices_and_context_window_backup.json"
_NAMES = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
}
_TIERS = {"batch": "_batches", "flex": "_flex", "priority": "_priority"}
_MODES: Mapping[str, Kind] = {"chat": "generate", "embedding": "embed", "rerank": "rerank"}
_REGION = re.compile(r"bedrock/([a-z]{2}(?:-gov)?-[a-z]+-\d)/([^/]+)")
_ID = re.compile(r"(?:[a-z-]+\.)?[a-z0-9]+\.[a-z0-9.-]+(?::\d+)?")
_ABOVE = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


def litellm_prices(path: str | os.PathLike[str] | None = None, *, checked: date) -> Imported:
    """The Bedrock rows of litellm's table: of the wheel or JSON file at ``path``, or of the installed litellm."""
    text, version = _installed() if path is None else _of_file(Path(path))
    table = parse_json(text, str(path or "litellm's table"))
    if not isinstance(table, dict):
        raise InvalidArgument(f"{path} is no table of litellm's: it holds no object of models")
    source = f"litellm {version} price table" if version else "litellm price table"
    rows: list[PriceRow] = []
    skipped: dict[str, str] = {}
    for key, entry in table.items():
        provider = entry.get("litellm_provider") if isinstance(entry, dict) else None
        if provider not in ("bedrock", "bedrock_converse", "bedrock_mantle"):
            continue
        try:
            given = _rows(key, entry, table)
        except _Skipped as reason:
            skipped[key] = str(reason)
            continue
        rows += [PriceRow(**row, source=source, checked=checked) for row in given]
    if not rows:
        raise InvalidArgument(f"{path or 'the installed litellm'} holds no price of a Bedrock model")
    return Imported(rows=tuple(rows), family="litellm", skipped=skipped)


class _Skipped(Exception):
    """Why an entry gives no row."""


def _rows(key: str, entry: Mapping[str, Any], table: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "guardrail_cost_per_unit" in entry:
        units = entry["guardrail_cost_per_unit"]
        return [
            {"model": f"guardrail/{name}", "kind": "guard", "per_1000_units": _number(key, name, rate).scaleb(3)}
            for name, rate in units.items()
        ]
    regional = _REGION.fullmatch(key)
    model, region = (regional[2], regional[1]) if regional else (key, "")
    if entry["litellm_provider"] == "bedrock_mantle":
        raise _Skipped("of the mantle endpoint, which has ids of its own")
    if "commitment" in key:
        raise _Skipped("provisioned throughput, by the hour")
    if not _ID.fullmatch(model):
        raise _Skipped("a route of litellm's, no id of Bedrock's")
    mode = str(entry.get("mode"))
    if mode not in _MODES:
        raise _Skipped(f"{mode}, which nothing here asks for")
    if f"global.{model}" in table and not region and not _same(entry, table.get(f"us.{model}", entry)):
        raise _Skipped("asked through a profile, and the profiles differ in price: name one")
    row: dict[str, Any] = {"model": model, "kind": _MODES[mode], "region": region}
    if mode == "rerank":
        return [row | {"per_1000_units": _number(key, "rate", entry.get("input_cost_per_query")).scaleb(3)}]
    row |= _rates(key, entry, "")
    if not row.get("input") or (mode == "chat" and not row.get("output")):
        raise _Skipped("no price by the token")
    if mode == "embedding":
        row = {name: value for name, value in row.items() if name not in TOKEN_RATES or name == "input"}
    return [row | _long_context(key, entry) | _tiers(key, entry, row)]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(name) == other.get(name) for name in _NAMES.values())


def _rates(key: str, entry: Mapping[str, Any], suffix: str) -> dict[str, Decimal]:
    found = {name: entry.get(f"{field}{suffix}") for name, field in _NAMES.items()}
    return {name: _number(key, name, rate).scaleb(6) for name, rate in found.items() if rate is not None}


def _long_context(key: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    steps = [int(found[1]) for name in entry if (found := _ABOVE.fullmatch(name))]
    if not steps:
        return {}
    if len(steps) > 1:
        raise _Skipped("more than one step for long requests")
    return {"long_context": LongContext(above=steps[0] * 1000, **_rates(key, entry, f"_above_{steps[0]}k_tokens"))}


def _tiers(key: str, entry: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    long_context = any(_ABOVE.fullmatch(name) for name in entry)
    standard = {name: row[name] for name in TOKEN_RATES if name in row}
    found = {
        tier: tier_rates(standard, _rates(key, entry, suffix), long_context=long_context)
        for tier, suffix in _TIERS.items()
    }
    tiers = {tier: rates for tier, rates in found.items() if rates is not None}
    return {"tiers": tiers} if tiers else {}


def _number(key: str, name: str, rate: object) -> Decimal:
    if isinstance(rate, bool) or not isinstance(rate, int | Decimal) or rate < 0:
        raise InvalidArgument(f"litellm's entry {key!r}: {name} is {rate!r}, not a number of 0 or more")
    return Decimal(rate)


def _installed() -> tuple[str, str]:
    try:
        found = metadata.distribution("litellm")
    except metadata.PackageNotFoundError as error:
        raise InvalidArgument(
            "litellm is not installed. Its wheel will do: pip download --no-deps litellm, and name the file"
        ) from error
    return read_text(str(found.locate_file(_TABLE))), found.version


def _of_file(path: Path) -> tuple[str, str]:
    if path.suffix != ".whl":
        return read_text(path), ""
    try:
        with zipfile.ZipFile(path) as wheel:
            return wheel.read(_TABLE).decode(), path.name.split("-")[1]
    except (OSError, KeyError, UnicodeDecodeError, zipfile.BadZipFile, IndexError) as error:
        raise InvalidArgument(f"{path} is no wheel of litellm's that can be read: {error}") from error
