"""Tokens as Bedrock bills them: read from a reply, or estimated before there is one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from ragdiet.account.ratio import UNKNOWN_MARGIN
from ragdiet.errors import BadReply
from ragdiet.types import Usage

MOST_BILLED = 100_000_000
"""Tokens of one request: ten times the longest context window that there is."""


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
        raise bad_usage(model, "MissingUsage", "the reply holds no usage")
    given = billed_count(usage, "inputTokens", model=model)
    written = billed_count(usage, "outputTokens", model=model)
    cache_read = billed_count(usage, "cacheReadInputTokens", model=model, default=0)
    cache_write = billed_count(usage, "cacheWriteInputTokens", model=model, default=0)
    details = usage.get("cacheDetails") or ()
    long_lived = sum(billed_count(part, "inputTokens", model=model) for part in details if part.get("ttl") == "1h")
    if long_lived > cache_write:
        raise bad_usage(
            model, "InvalidUsage", f"1h cache writes of {long_lived} exceed all cache writes of {cache_write}"
        )
    total = billed_count(usage, "totalTokens", model=model, default=given + cache_read + cache_write + written)
    if total not in (given + cache_read + cache_write + written, given + written):
        raise bad_usage(model, "InvalidUsage", f"its parts do not add up to the total of {total}: {dict(usage)}")
    return Usage(
        input_tokens=given,
        output_tokens=written,
        cache_read_tokens=cache_read,
        cache_write_5m_tokens=cache_write - long_lived,
        cache_write_1h_tokens=long_lived,
    )


def billed_count(usage: Mapping[str, Any], name: str, *, model: str, default: int | None = None) -> int:
    """A count that a usage holds, ``default`` where it leaves it out. BadReply where it cannot be one."""
    value = usage.get(name)
    value = default if value is None else value
    if not is_count(value):
        raise bad_usage(model, "InvalidUsage", f"{name} is {value!r}, not a count")
    return value


def is_count(value: object) -> TypeGuard[int]:
    """Whether it can be what one request is billed: a whole number, of no more than any model can read.

    >>> [is_count(value) for value in (0, 12, True, -1, 1.0, None, 10**20)]
    [True, True, False, False, False, False, False]
    """
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_BILLED


def bad_usage(model: str, code: str, message: str) -> BadReply:
    """What is raised for a reply whose usage is missing or cannot be."""
    return BadReply(
        f"{model}: the bill cannot be read: {message}. The ledger holds the worst case; "
        "compare it with the provider's own bill.",
        code=code,
    )
