"""Tokens and stop reasons of a chat completion, in the words that the rest of ragdiet uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragdiet.errors import BadReply
from ragdiet.types import Usage

_STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content_filter": "content_filtered",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
}


def stop_reason(finish_reason: object) -> str:
    """In Converse's words; one that is not known as it is.

    >>> stop_reason("length"), stop_reason("abort"), stop_reason(None)
    ('max_tokens', 'abort', '')
    """
    return _STOPS.get(str(finish_reason), str(finish_reason)) if finish_reason else ""


def chat_usage(usage: object, *, model: str) -> Usage:
    """The usage of a reply, checked; BadReply where it is missing or cannot be. ``prompt_tokens`` has the cached ones.

    >>> usage = chat_usage({"prompt_tokens": 114, "prompt_tokens_details": {"cached_tokens": 100}}, model="m")
    >>> usage.input_tokens, usage.cache_read_tokens, usage.output_tokens
    (14, 100, 0)
    """
    if not isinstance(usage, Mapping):
        raise _bad(model, "MissingUsage", "the reply holds no usage")
    given = _count(usage, "prompt_tokens", model)
    written = _count(usage, "completion_tokens", model, default=0)
    details = usage.get("prompt_tokens_details")
    cached = _count(details, "cached_tokens", model, default=0) if isinstance(details, Mapping) else 0
    if cached > given:
        raise _bad(model, "InvalidUsage", f"{cached} cached tokens exceed all {given} of the prompt")
    return Usage(input_tokens=given - cached, cache_read_tokens=cached, output_tokens=written)


def _count(usage: Mapping[str, Any], name: str, model: str, *, default: int | None = None) -> int:
    value = usage.get(name)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _bad(model, "InvalidUsage", f"{name} is {value!r}, not a count")
    return value


def _bad(model: str, code: str, message: str) -> BadReply:
    return BadReply(f"{model}: the usage cannot be read: {message}. The ledger holds the worst case.", code=code)
