"""What one line of the AWS Price List meters, read out of its usage type and its unit. Nothing is guessed.

Three ways of writing the same thing are in use: ``USE1-NovaLite-input-tokens-batch``,
``USE1-MP:USE1_InputTokenCount_Global-Units`` and ``USE1-MP:USE1_cache_write_tokens_1h_global_standard-Units``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLACE = re.compile(r"^[A-Z]{2,4}\d?-(?:MP:)?(?:[A-Z]{2,4}\d?_)?|^MP:[A-Z]{2,4}\d?_|^[A-Z]{2,4}\d?_")
_METER = re.compile(r"^(?P<name>.+?)-(?P<meter>(?:cache-(?:read|write)|input|output)-(?:.*-)?token.*)$")
_WORD = re.compile(r"\d+h|[A-Z][a-z]+|[a-z]+|\d+")
_NOISE = frozenset(
    {"token", "tokens", "count", "text", "units", "standard", "cross", "region", "geo", "input", "prompt"}
)
_TIERS = frozenset({"batch", "flex", "priority"})
_MANY = {"1k": 1000, "1,000": 1000, "1000": 1000, "thousand": 1000, "1m": 10**6, "1 million": 10**6, "million": 10**6}
_MANY |= {"1,000,000": 10**6, "1000000": 10**6}
_PER_UNIT = re.compile(r"^(1k|1m|1,000,000|1000000|1,000|1000)\b", re.IGNORECASE)
_PER_TEXT = re.compile(r"(?:per|\|)\s*(1k|1m|1,000,000|1000000|1,000|1000|1 million|million|thousand)\b", re.IGNORECASE)
_ONE = re.compile(r"per (?:text ?unit|query|search unit)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """``rate`` is a rate of a price row; ``scope`` says whether any region may serve, and ``name`` is the model's as
    it stands in the usage type, empty where only the service is named."""

    name: str
    rate: str
    tier: str = ""
    everywhere: bool = False
    long_context: bool = False


def meter_of(usage_type: str) -> Meter | None:
    """What a usage type meters; None for anything but tokens, searches and text units.

    >>> meter_of("USE1-NovaLite-input-tokens-batch")
    Meter(name='NovaLite', rate='input', tier='batch', everywhere=False, long_context=False)
    >>> meter_of("USE1-MP:USE1_CacheWrite1hInputTokenCount_Global-Units")
    Meter(name='', rate='cache_write_1h', tier='', everywhere=True, long_context=False)
    """
    body = _PLACE.sub("", usage_type, count=1).removesuffix("-Units")
    if body.startswith("Guardrail-") and body.endswith("UnitsConsumed"):
        return Meter(name=body, rate="per_1000_units")
    if body == "search_units":
        return Meter(name="", rate="per_1000_units")
    named = _METER.match(body)
    words = {word.lower() for word in _WORD.findall(named["meter"] if named else body)}
    rate = _rate(words)
    if rate is None or (named is None and "-" in body):
        return None
    tiers = words & _TIERS
    long_context = {"long", "ctx"} <= words or {"long", "context"} <= words
    known = _NOISE | _TIERS | set(rate.split("_")) | {"global", "1", "hour", "1h"}
    if len(tiers) > 1 or words - known - ({"long", "ctx", "context"} if long_context else set()):
        return None
    return Meter(
        name=named["name"] if named else "",
        rate=rate,
        tier="".join(tiers),
        everywhere="global" in words,
        long_context=long_context,
    )


def per(unit: str, description: str) -> int | None:
    """How many tokens or units a price is for, as its unit says, or its description; None where neither does."""
    if found := _PER_UNIT.match(unit.strip()):
        return _MANY[found[1].lower()]
    if found := _PER_TEXT.search(description):
        return _MANY[found[1].lower()]
    return 1 if _ONE.search(description) else None


def _rate(words: set[str]) -> str | None:
    if not words & {"token", "tokens"}:
        return None
    if "cache" in words:
        if "write" in words:
            return "cache_write_1h" if words & {"1h", "hour"} else "cache_write_5m"
        return "cache_read" if "read" in words else None
    return "output" if "output" in words else "input" if "input" in words else None
