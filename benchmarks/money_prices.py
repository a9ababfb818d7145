"""The price book against genai-prices and litellm, over every Bedrock id of each.

    python -m benchmarks.money_prices [--out money_prices.json] [--litellm WHEEL]

Every rate is compared to the last digit. What differs or is missing on either side has its reason in
``price_reasons.json``; a reason that nothing needs any more is named as idle. litellm is read out of its wheel
(``pip download --no-deps litellm``): importing it asks the network.
"""

from __future__ import annotations

import argparse
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias

from benchmarks.machine import machine
from benchmarks.report import table
from ragdiet.account import PriceBook, PriceRow
from ragdiet.errors import UnknownPrice
from ragdiet.types import Usage

Status: TypeAlias = Literal["same", "different", "missing here", "missing there"]
Rates: TypeAlias = Mapping[str, Decimal]

_REASONS = Path(__file__).with_name("price_reasons.json")
_GENAI = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
}
_LITELLM = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
}
_SUFFIXES = {"": "", "batch": "_batches", "flex": "_flex", "priority": "_priority"}
_KINDS = tuple(_GENAI)
_STEP = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
_REGION = re.compile(r"bedrock/([a-z]{2}(?:-gov)?-[a-z]+-\d)/([^/]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One id. ``differs`` are the rates that do: ours and theirs, as text."""

    id: str
    status: Status
    differs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    reason: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--litellm", type=Path)
    arguments = parser.parse_args()
    found = prices(arguments.litellm)
    print(*table([{"peer": name, **counts} for name, counts in found["summary"].items()]), sep="\n")
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), **found}, indent=1) + "\n")


def prices(litellm: Path | None) -> dict[str, Any]:
    """The table: a ``summary`` of counts by peer, and the ids that differ or are missing, with the reason."""
    peers = {"genai-prices": (version("genai-prices"), against_genai())}
    if litellm is not None:
        peers["litellm"] = (litellm.name.split("-")[1], against_litellm(litellm))
    return {
        "summary": {name: {"version": number, **_counts(lines)} for name, (number, lines) in peers.items()},
        "lines": {
            name: [
                {"id": line.id, "status": line.status, "reason": line.reason, "differs": line.differs}
                for line in lines
                if line.status != "same"
            ]
            for name, (_, lines) in peers.items()
        },
        "idle_reasons": [reason for name, (_, lines) in peers.items() for reason in idle(name, lines)],
    }


def against_genai() -> list[Line]:
    """Each of our models against the one that genai-prices takes its id for, and those that it alone has."""
    from genai_prices.data import providers

    bedrock = next(provider for provider in providers if provider.id == "aws")
    now = datetime.now(UTC)
    lines, seen = [], set()
    for row in PriceBook.default().newest:
        if row.region or row.kind not in ("generate", "embed"):
            continue
        model = bedrock.find_model(row.model)
        if model is not None:
            seen.add(model.id)
        lines.append(
            _line("genai-prices", row.model, _ours(row, tiers=False), _genai(model.get_prices(now)) if model else None)
        )
    lines += [_line("genai-prices", model.id, None, {}) for model in bedrock.models if model.id not in seen]
    return lines


def against_litellm(wheel: Path) -> list[Line]:
    """Each Bedrock entry of litellm's table against our row of that id and region, and those that we alone have."""
    with zipfile.ZipFile(wheel) as files:
        text = files.read("litellm/model_prices_and_context_window_backup.json")
    entries = {
        key: entry
        for key, entry in json.loads(text, parse_float=Decimal).items()
        if str(entry.get("litellm_provider")).startswith("bedrock")
    }
    book = PriceBook.default()
    lines, seen = [], set()
    for key, entry in entries.items():
        for ours_id, theirs in _litellm(key, entry):
            regional = _REGION.fullmatch(ours_id)
            model, region = (regional[2], regional[1]) if regional else (ours_id, "")
            try:
                row = book.price(model, region)
            except UnknownPrice:
                lines.append(_line("litellm", ours_id, None, theirs))
                continue
            seen.add((row.model, row.region))
            ours = {
                name: rate
                for name, rate in _ours(row, tiers=True).items()
                if name in theirs or not name.startswith(tuple(row.tiers))
            }
            lines.append(_line("litellm", ours_id, ours, theirs))
    lines += [_line("litellm", row.model, {}, None) for row in book.newest if (row.model, row.region) not in seen]
    return lines


def idle(peer: str, lines: Iterable[Line]) -> list[str]:
    """The reasons for ``peer``, with the ids, that no line needs."""
    needed = [line for line in lines if line.status != "same"]
    return [
        f"{ids}: {rule['reason']}"
        for rule in _rules()
        if rule["peer"] == peer
        for ids in rule["ids"]
        if not any(
            line.status == rule["status"] and rule["reason"] in line.reason and fnmatchcase(line.id, ids)
            for line in needed
        )
    ]


def unexplained(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line.status != "same" and not line.reason]


def _line(peer: str, name: str, ours: Rates | None, theirs: Rates | None) -> Line:
    if ours is None or theirs is None:
        status: Status = "missing here" if ours is None else "missing there"
        return Line(id=name, status=status, reason=_reason(peer, status, name, ()))
    differs = {
        rate: (str(ours.get(rate, "-")), str(theirs.get(rate, "-")))
        for rate in {**ours, **theirs}
        if ours.get(rate) != theirs.get(rate)
    }
    if not differs:
        return Line(id=name, status="same")
    return Line(id=name, status="different", differs=differs, reason=_reason(peer, "different", name, differs))


def _reason(peer: str, status: Status, name: str, rates: Iterable[str]) -> str:
    """The reasons that together account for all that differs; empty if something is left over."""
    left, reasons = set(rates), []
    for rule in _rules():
        if rule["peer"] == peer and rule["status"] == status and any(fnmatchcase(name, one) for one in rule["ids"]):
            if status != "different" or left & set(rule["rates"]):
                reasons.append(rule["reason"])
            left -= set(rule.get("rates", ()))
            if not left:
                break
    return "" if left else "; ".join(reasons)


def _rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = json.loads(_REASONS.read_text(encoding="utf-8"))
    return rules


def _ours(row: PriceRow, *, tiers: bool) -> dict[str, Decimal]:
    """What a million of each costs by our own sums: in short requests, in long ones, and in each tier."""
    if row.per_1000_units is not None:
        return {"unit": row.cost(Usage(units=1)).normalize()}
    usages = {name: (Usage(**{f"{name}_tokens": 1000}), Usage()) for name in _KINDS}
    found = {}
    if row.long_context:
        found["long above"] = Decimal(row.long_context.above)
        long = Usage(input_tokens=2 * row.long_context.above)
        usages |= {
            f"long {name}": (replace(long, **{f"{name}_tokens": getattr(long, f"{name}_tokens") + 1000}), long)
            for name in _KINDS
        }
    for name, (more, less) in usages.items():
        for tier in ("", *(row.tiers if tiers else ())):
            with suppress(UnknownPrice):
                rate = (row.cost(more, tier=tier) - row.cost(less, tier=tier)) * 1000
                found[f"{tier} {name}".strip()] = rate.normalize()
    return found


def _genai(price: Any) -> dict[str, Decimal]:
    """The rates of genai-prices, which knows no tiers of service."""
    found = {}
    for name, field_name in _GENAI.items():
        rate = getattr(price, field_name)
        steps = getattr(rate, "tiers", ())
        base = getattr(rate, "base", rate)
        if base is not None:
            found[name] = base.normalize()
        for step in steps:
            found[f"long {name}"], found["long above"] = step.price.normalize(), Decimal(step.start)
    return found


def _litellm(key: str, entry: Mapping[str, Any]) -> list[tuple[str, dict[str, Decimal]]]:
    """The ids of an entry, with the rates it lists."""
    if "guardrail_cost_per_unit" in entry:
        units = entry["guardrail_cost_per_unit"].items()
        return [(f"guardrail/{name}", {"unit": Decimal(rate).normalize()}) for name, rate in units]
    if entry.get("mode") == "rerank":
        return [(key, {"unit": Decimal(entry["input_cost_per_query"]).normalize()})]
    found = {}
    steps = {match[1] for name in entry if (match := _STEP.fullmatch(name))}
    for name, field_name in _LITELLM.items():
        for tier, suffix in _SUFFIXES.items():
            if (rate := entry.get(f"{field_name}{suffix}")) is not None:
                found[f"{tier} {name}".strip()] = Decimal(rate).scaleb(6).normalize()
        for step in steps:
            if (rate := entry.get(f"{field_name}_above_{step}k_tokens")) is not None:
                found[f"long {name}"] = Decimal(rate).scaleb(6).normalize()
                found["long above"] = Decimal(int(step) * 1000)
    if entry.get("mode") == "embedding":
        found = {name: rate for name, rate in found.items() if name.split()[-1] != "output"}
    return [(key, found)]


def _counts(lines: list[Line]) -> dict[str, int]:
    counted = Counter(line.status for line in lines)
    statuses: tuple[Status, ...] = ("same", "different", "missing here", "missing there")
    return {status: counted[status] for status in statuses} | {"without a reason": len(unexplained(lines))}


if __name__ == "__main__":
    main()
