"""The models that the stand-in has unless told otherwise, by exact id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ragdiet.testing.bedrock.models.cohere import CohereV3, CohereV4
from ragdiet.testing.bedrock.models.model import ChatModel, Model, RerankModel
from ragdiet.testing.bedrock.models.nova import NovaMultimodal
from ragdiet.testing.bedrock.models.titan import TitanText
from ragdiet.testing.bedrock.tokens import Tokenizer

_NOVA = ChatModel(context=300_000, most_output=10_000)
_NO_CACHE = ChatModel(smallest_cached=None, context=128_000, most_output=8_192, tiers=frozenset({"default"}))


def _claude(smallest_cached: int) -> ChatModel:
    return ChatModel(smallest_cached=smallest_cached, counted=True)


# The shortest cached prefixes as vendor documentation had them in 2026-11.
_CHAT: Mapping[str, ChatModel] = {
    "amazon.nova-micro-v1:0": _NOVA,
    "amazon.nova-lite-v1:0": _NOVA,
    "amazon.nova-pro-v1:0": _NOVA,
    "amazon.nova-2-lite-v1:0": _NOVA,
    "anthropic.claude-haiku-4-5-20251001-v1:0": _claude(4_096),
    "anthropic.claude-opus-4-5-20251101-v1:0": _claude(4_096),
    "anthropic.claude-opus-4-6-v1": _claude(4_096),
    "anthropic.claude-opus-4-7": _claude(2_048),
    "anthropic.claude-opus-4-8": _claude(1_024),
    "anthropic.claude-sonnet-4-5-20250929-v1:0": _claude(1_024),
    "anthropic.claude-sonnet-4-6": _claude(1_024),
    "anthropic.claude-sonnet-5": _claude(1_024),
    "anthropic.claude-opus-5": _claude(512),
    "anthropic.claude-haiku-5-5": _claude(512),
    "anthropic.claude-sonnet-5-5": _claude(512),
    "anthropic.claude-opus-5-5": _claude(512),
    "meta.llama3-3-70b-instruct-v1:0": _NO_CACHE,
    "meta.llama4-maverick-17b-instruct-v1:0": _NO_CACHE,
    "meta.llama4-scout-17b-instruct-v1:0": _NO_CACHE,
    "mistral.ministral-3-3b-instruct": _NO_CACHE,
    "mistral.ministral-3-8b-instruct": _NO_CACHE,
    "mistral.ministral-3-14b-instruct": _NO_CACHE,
    "mistral.mistral-large-3-675b-instruct": _NO_CACHE,
    "openai.gpt-oss-20b-1:0": _NO_CACHE,
    "openai.gpt-oss-120b-1:0": _NO_CACHE,
}
GEOGRAPHIES = ("us", "us-gov", "eu", "apac", "jp", "au", "global")
"""What the ids of system inference profiles begin with."""


def default_models(tokenizer: Tokenizer | None = None) -> dict[str, Model]:
    """Every model, the chat models by their own id and by each system inference profile, with one tokenizer."""
    counter = tokenizer or Tokenizer()
    chat = {name: replace(model, tokenizer=counter) for name, model in _CHAT.items()}
    reranker = RerankModel(tokenizer=counter)
    return {
        **chat,
        **{f"{geography}.{name}": model for name, model in chat.items() for geography in GEOGRAPHIES},
        "amazon.titan-embed-text-v2:0": TitanText(tokenizer=counter),
        "cohere.embed-english-v3": CohereV3(tokenizer=counter),
        "cohere.embed-multilingual-v3": CohereV3(tokenizer=counter),
        **{f"{prefix}cohere.embed-v4:0": CohereV4(tokenizer=counter) for prefix in ("", "us.", "eu.", "global.")},
        "amazon.nova-2-multimodal-embeddings-v1:0": NovaMultimodal(tokenizer=counter),
        "amazon.rerank-v1:0": reranker,
        "cohere.rerank-v3-5:0": reranker,
    }
