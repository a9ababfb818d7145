"""Tokens as Bedrock bills them: read from a reply, or estimated before there is one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ragdiet.account.ratio import UNKNOWN_MARGIN
from ragdiet.errors import BadReply
from ragdiet.types import Usage


def estimated_tokens(counted: int) -> int:
    """An upper estimate of what a model that says nothing of its usage takes ``counted`` tokens of our counter for.

    >>> estimated_tokens(100)
    130
    """
    return math.ceil(counted * UNKNOWN_MARGIN)


def converse_usage(reply: Mapping[str, Any], *, model: str) -> Usage:
    """The usage of a Converse reply, checked; BadReply when it is missing or cannot be.

    ``inputTokens`` is read as leaving cached tokens out, so that
    total = input + cache read + cache write + output. A total without the cached tokens is accepted
    under the same reading: of the two it is the dearer one.

    >>> converse_usage({"usage": {"inputTokens": 14, "outputTokens": 6, "totalTokens": 120,
    ...                           "cacheReadInputTokens": 100}}, model="m").total_tokens
    120
    """
    usage = reply.get("usage")
    if not isinstance(usage, Mapping):
        raise _bad(model, "MissingUsage", "the reply holds no usage")
    given = _count(usage, "inputTokens", model)
    written = _count(usage, "outputTokens", model)
    cache_read = _count(usage, "cacheReadInputTokens", model, default=0)
    cache_write = _count(usage, "cacheWriteInputTokens", model, default=0)
    details = usage.get("cacheDetails") or ()
    long_lived = sum(_count(part, "inputTokens", model) for part in details if part.get("ttl") == "1h")
    if long_lived > cache_write:
        raise _bad(model, "InvalidUsage", f"1h cache writes of {long_lived} exceed all cache writes of {cache_write}")
    total = _count(usage, "totalTokens", model, default=given + cache_read + cache_write + written)
    if total not in (given + cache_read + cache_write + written, given + written):
        raise _bad(model, "InvalidUsage", f"its parts do not add up to the total of {total}: {dict(usage)}")
    return Usage(
        input_tokens=given,
        output_tokens=written,
        cache_read_tokens=cache_read,
        cache_write_5m_tokens=cache_write - long_lived,
        cache_write_1h_tokens=long_lived,
    )


def _count(usage: Mapping[str, Any], name: str, model: str, *, default: int | None = None) -> int:
    value = usage.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _bad(model, "InvalidUsage", f"{name} is {value!r}, not a count")
    return value


def _bad(model: str, code: str, message: str) -> BadReply:
    return BadReply(
        f"{model}: the bill cannot be read: {message}. The ledger holds the worst case; "
        "compare it with the provider's own bill.",
        code=code,
    )
