from ragdiet.bedrock.breaker import Breaker, BreakerPolicy
from ragdiet.bedrock.caching import (
    CacheTtl,
    PrefixNotCached,
    Reuse,
    cheapest_ttl,
    price_with_cache,
    smallest_cached,
)
from ragdiet.bedrock.client import BedrockClient
from ragdiet.bedrock.errors import mapped_errors, model_error
from ragdiet.bedrock.limiter import Limiter, Quota
from ragdiet.bedrock.retry import RetryPolicy
from ragdiet.bedrock.stream import OUT_OF_TIME, ConverseEvents, StreamedReply
from ragdiet.bedrock.too_long import halves, is_too_long
from ragdiet.bedrock.usage import converse_usage, estimated_tokens

__all__ = [
    "OUT_OF_TIME",
    "BedrockClient",
    "Breaker",
    "BreakerPolicy",
    "CacheTtl",
    "ConverseEvents",
    "Limiter",
    "PrefixNotCached",
    "Quota",
    "RetryPolicy",
    "Reuse",
    "StreamedReply",
    "cheapest_ttl",
    "converse_usage",
    "estimated_tokens",
    "halves",
    "is_too_long",
    "mapped_errors",
    "model_error",
    "price_with_cache",
    "smallest_cached",
]
