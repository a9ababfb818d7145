"""Tokens and stop reasons of a chat completion, in the words that the rest of ragdiet uses."""

from __future__ import annotations

from collections.abc import Mapping

from ragdiet.bedrock import bad_usage, billed_count
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
        raise bad_usage(model, "MissingUsage", "the reply holds no usage")
    given = billed_count(usage, "prompt_tokens", model=model)
    written = billed_count(usage, "completion_tokens", model=model, default=0)
    details = usage.get("prompt_tokens_details")
    cached = billed_count(details, "cached_tokens", model=model, default=0) if isinstance(details, Mapping) else 0
    if cached > given:
        raise bad_usage(model, "InvalidUsage", f"{cached} cached tokens exceed all {given} of the prompt")
    return Usage(input_tokens=given - cached, cache_read_tokens=cached, output_tokens=written)
