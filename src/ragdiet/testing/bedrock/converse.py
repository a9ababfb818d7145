"""Converse and ConverseStream: the checks that no shape tells, the model's words, its usage, and the events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ragdiet.testing.bedrock.bill import Charge
from ragdiet.testing.bedrock.caching import PromptCache
from ragdiet.testing.bedrock.guard.apply import Watch
from ragdiet.testing.bedrock.models.extract import extract
from ragdiet.testing.bedrock.models.model import ChatModel
from ragdiet.testing.bedrock.refusal import invalid

_READ = frozenset({"text", "cachePoint", "guardContent"})
_WORDS_OF_A_DELTA = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A request of Converse that has passed its checks. ``blocks`` are system's, then those ``said``, in order."""

    blocks: Sequence[Mapping[str, Any]]
    said: Sequence[Mapping[str, Any]]
    question: str
    input_tokens: int
    most: int
    stops: Sequence[str]
    tier: str


def conversation(given: Mapping[str, Any], model: ChatModel) -> Conversation:
    """Refused, in Bedrock's words, where the model would not take the request."""
    messages = given.get("messages") or []
    system = _blocks("system", given.get("system") or ())
    said = [
        block
        for number, part in enumerate(messages)
        for block in _blocks(f"messages.{number}.content", part["content"])
    ]
    blocks = [*system, *said]
    _check_roles([message["role"] for message in messages])
    if "toolConfig" in given:
        raise invalid("This model doesn't support tool use.")
    inference = given.get("inferenceConfig") or {}
    most = inference.get("maxTokens", model.most_output)
    if most > model.most_output:
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {model.most_output}. Try again with a "
            f"maximum tokens value that is lower than {model.most_output}."
        )
    tier = (given.get("serviceTier") or {}).get("type", "default")
    if tier not in model.tiers:
        raise invalid(f"The service tier {tier} is not supported for this model.")
    tokens = sum(model.tokenizer.count(text) for text in texts(blocks))
    if tokens > model.context:
        raise invalid("Input is too long for requested model.")
    return Conversation(
        blocks=blocks,
        said=said,
        question="".join(texts(messages[-1]["content"][-1:])),
        input_tokens=tokens,
        most=most,
        stops=inference.get("stopSequences") or (),
        tier=tier,
    )


def texts(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The text of each block that has one, guarded or not."""
    for block in blocks:
        text = block.get("text") or ((block.get("guardContent") or {}).get("text") or {}).get("text")
        if text:
            yield text


def converse(
    name: str, model: ChatModel, asked: Conversation, cache: PromptCache, watch: Watch | None = None
) -> tuple[dict[str, Any], Charge]:
    """The reply of Converse and what it is billed with. ``watch`` is the guardrail over the request."""
    before = watch.judge_input(asked.said) if watch else None
    if watch and before and before.blocked:
        charge = Charge(tier=asked.tier, policies=watch.units)
        return reply(before.texts[0], "guardrail_intervened", charge) | watch.trace(""), charge
    if before and before.masked:
        asked = replace(asked, question=before.texts[-1])
    used = cache.use(name, model, asked.blocks)
    said, stop = _said(model, asked)
    shown = said
    if watch:
        after = watch.judge_output(said, asked.said)
        if after.intervened:
            shown, stop = after.texts[0], "guardrail_intervened"
    written = sum(used.written.values())
    charge = Charge(
        input_tokens=asked.input_tokens - used.read - written,
        output_tokens=model.tokenizer.count(said),
        cache_read_tokens=used.read,
        cache_write_5m_tokens=used.written.get("5m", 0),
        cache_write_1h_tokens=used.written.get("1h", 0),
        tier=asked.tier,
        policies=watch.units if watch else {},
    )
    latency = model.first_token + model.per_token * charge.output_tokens
    return reply(shown, stop, charge, latency=latency) | (watch.trace(said) if watch else {}), charge


def reply(text: str, stop: str, charge: Charge, *, latency: float = 0.0) -> dict[str, Any]:
    """A reply of Converse. ``latency`` is seconds."""
    written = {"1h": charge.cache_write_1h_tokens, "5m": charge.cache_write_5m_tokens}
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop,
        "usage": {
            "inputTokens": charge.input_tokens,
            "outputTokens": charge.output_tokens,
            "totalTokens": charge.input_tokens
            + charge.output_tokens
            + charge.cache_read_tokens
            + charge.cache_write_tokens,
            "cacheReadInputTokens": charge.cache_read_tokens,
            "cacheWriteInputTokens": charge.cache_write_tokens,
            "cacheDetails": [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in written.items() if tokens],
        },
        "metrics": {"latencyMs": max(1, round(latency * 1000))},
        "serviceTier": {"type": charge.tier},
    }


def events(answer: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same reply as the events of ConverseStream; what the reply lacks, the events lack too."""
    message = (answer.get("output") or {}).get("message") or {}
    yield "messageStart", {"role": message.get("role", "assistant")}
    for number, block in enumerate(message.get("content") or ()):
        for part in _deltas(block):
            yield "contentBlockDelta", {"delta": part, "contentBlockIndex": number}
        yield "contentBlockStop", {"contentBlockIndex": number}
    if "stopReason" in answer:
        yield "messageStop", {"stopReason": answer["stopReason"]}
    metadata = ("usage", "metrics", "trace", "serviceTier", "performanceConfig")
    yield "metadata", {name: answer[name] for name in metadata if name in answer}


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "reasoningContent" in block:
        yield {"reasoningContent": {"text": block["reasoningContent"]["reasoningText"]["text"]}}
    pieces = block.get("text", "").split(" ")
    for start in range(0, len(pieces), _WORDS_OF_A_DELTA):
        piece = " ".join(pieces[start : start + _WORDS_OF_A_DELTA])
        if piece:
            yield {"text": piece if start == 0 else f" {piece}"}


def _blocks(at: str, content: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    for number, block in enumerate(content):
        (kind,) = block
        if kind not in _READ:
            raise invalid(f"This model doesn't support the {kind} field. Remove {kind} and try again.")
        if kind == "text" and not block["text"].strip():
            raise invalid(
                f"The text field in the ContentBlock object at {at}.{number} is blank. "
                "Add text to the text field, and try again."
            )
    return list(content)


def _check_roles(roles: Sequence[str]) -> None:
    if not roles or roles[0] != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    if list(roles) != [("user", "assistant")[number % 2] for number in range(len(roles))]:
        raise invalid(
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
            "between user and assistant roles and try again."
        )


def _said(model: ChatModel, asked: Conversation) -> tuple[str, str]:
    """The text and its stop reason."""
    text, stop = (model.reply or extract)(asked.question), "end_turn"
    places = [(text.index(end), end) for end in asked.stops if end in text]
    if places:
        text, stop = text[: min(places)[0]], "stop_sequence"
    if model.tokenizer.count(text) > asked.most:
        text, stop = model.tokenizer.first(text, asked.most), "max_tokens"
    return text, stop
