"""What Converse is asked with, made from a prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ragdiet.bedrock import guardrail_name
from ragdiet.errors import InvalidArgument
from ragdiet.generate.prompt import prefix, user_message
from ragdiet.observe import Trace
from ragdiet.types import Usage

if TYPE_CHECKING:
    from ragdiet.account import TokenBand
    from ragdiet.bedrock import CacheTtl
    from ragdiet.types import Prompt

# Converse allows 16 pairs in requestMetadata, of 256 of these characters at most.
_NOT_METADATA = re.compile(r"[^a-zA-Z0-9 :_@$#=/+,.\-]")
_MOST_METADATA = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ConverseGuardrail:
    """A guardrail that Bedrock runs over the request and the reply, by id or ARN.

    ``trace`` tells which policy stepped in and what units are billed; "disabled" leaves both unknown, and the worst
    case is booked. ``stream`` "sync" holds each part of a stream back until it is judged; "async" shows it at once.
    """

    identifier: str
    version: str
    trace: Literal["enabled", "enabled_full", "disabled"] = "enabled"
    stream: Literal["sync", "async"] = "sync"

    def __post_init__(self) -> None:
        guardrail_name(self.identifier, self.version)
        if self.trace not in ("enabled", "enabled_full", "disabled") or self.stream not in ("sync", "async"):
            raise InvalidArgument(
                "a guardrail's trace is 'enabled', 'enabled_full' or 'disabled', stream 'sync' or 'async'"
            )

    @property
    def name(self) -> str:
        return guardrail_name(self.identifier, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConverseOptions:
    """What is the same for each request of a generator. ``fields`` are a model's own parameters."""

    temperature: float | None = 0.0
    tier: str = ""
    guardrail: ConverseGuardrail | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


def converse_request(
    prompt: Prompt,
    said: Sequence[Mapping[str, Any]],
    options: ConverseOptions,
    ttl: CacheTtl | None,
    *,
    trace: Trace,
    is_stream: bool = False,
) -> dict[str, Any]:
    """boto3's arguments without modelId; ``said`` are the prompt's ``messages``. maxTokens is always there, as all of
    a reply that is not capped would be reserved of the quota."""
    inference: dict[str, Any] = {"maxTokens": prompt.max_tokens}
    if options.temperature is not None:
        inference["temperature"] = options.temperature
    request: dict[str, Any] = {
        "messages": said,
        "inferenceConfig": inference,
        "requestMetadata": request_metadata(trace),
    }
    if (before := prefix(prompt)).strip():
        request["system"] = [{"text": before}]
        if ttl:
            # Five minutes is what every model has without a name for it.
            request["system"].append({"cachePoint": {"type": "default"} | ({"ttl": ttl} if ttl != "5m" else {})})
    if options.tier:
        request["serviceTier"] = {"type": options.tier}
    if options.fields:
        request["additionalModelRequestFields"] = dict(options.fields)
    if options.guardrail:
        request["guardrailConfig"] = {
            "guardrailIdentifier": options.guardrail.identifier,
            "guardrailVersion": options.guardrail.version,
            "trace": options.guardrail.trace,
        } | ({"streamProcessingMode": options.guardrail.stream} if is_stream else {})
    return request


def request_metadata(trace: Trace) -> dict[str, str]:
    """What tells a request in Bedrock's invocation logs: its prompt_id and tenant, and the ask's tags, as many as fit.
    Neither a tag's name nor characters that are not allowed can hide one of the first two.

    >>> request_metadata(Trace(prompt_id="01J", tenant="acme", tags={"team": "R&D", "tenant": "other"}))
    {'prompt_id': '01J', 'tenant': 'acme', 'team': 'R_D'}
    """
    made = {"prompt_id": _allowed(trace.prompt_id)}
    if trace.tenant:
        made["tenant"] = _allowed(trace.tenant)
    for name, value in sorted(trace.tags.items()):
        if name and len(made) < _MOST_METADATA:
            made.setdefault(_allowed(name), _allowed(value))
    return made


def _allowed(text: str) -> str:
    return _NOT_METADATA.sub("_", text)[:256]


def messages(prompt: Prompt) -> list[dict[str, Any]]:
    """Turns as Converse takes them: none blank, the user first, roles by turns (equal neighbours share one)."""
    turns = [(turn.role, turn.text) for turn in prompt.history if turn.text.strip()]
    turns.append(("user", user_message(prompt)))
    made: list[dict[str, Any]] = []
    for role, text in turns:
        if made and made[-1]["role"] == role:
            made[-1]["content"].append({"text": text})
        elif made or role == "user":
            made.append({"role": role, "content": [{"text": text}]})
    return made


def texts_of(said: Sequence[Mapping[str, Any]]) -> list[str]:
    """All that is said, block by block."""
    return [block["text"] for message in said for block in message["content"]]


def worst_usage(ratio: TokenBand, before: int, after: int, max_tokens: int, ttl: CacheTtl | None) -> Usage:
    """The most that one try can be billed with: with a cache point, a prefix that is written."""
    if ttl is None:
        return Usage(input_tokens=ratio.most(before + after), output_tokens=max_tokens)
    first, rest = ratio.most(before), ratio.most(after)
    if ttl == "1h":
        return Usage(input_tokens=rest, cache_write_1h_tokens=first, output_tokens=max_tokens)
    return Usage(input_tokens=rest, cache_write_5m_tokens=first, output_tokens=max_tokens)
