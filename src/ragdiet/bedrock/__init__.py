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
from ragdiet.bedrock.count import Preflight, counted_as
from ragdiet.bedrock.errors import mapped_errors, model_error
from ragdiet.bedrock.guardrail import (
    GUARDRAIL_PRICES,
    GUARDRAIL_UNIT,
    billed_units,
    findings,
    guardrail_name,
    named,
    traced_reason,
    traced_units,
)
from ragdiet.bedrock.limiter import Limiter, Quota
from ragdiet.bedrock.profile import priced_model
from ragdiet.bedrock.retry import RetryPolicy
from ragdiet.bedrock.stream import OUT_OF_TIME, ConverseEvents, StreamedReply
from ragdiet.bedrock.too_long import halves, is_too_long
from ragdiet.bedrock.usage import bad_usage, billed_count, converse_usage, estimated_tokens, is_count

__all__ = [
    "GUARDRAIL_PRICES",
    "GUARDRAIL_UNIT",
    "OUT_OF_TIME",
    "BedrockClient",
    "Breaker",
    "BreakerPolicy",
    "CacheTtl",
    "ConverseEvents",
    "Limiter",
    "PrefixNotCached",
    "Preflight",
    "Quota",
    "RetryPolicy",
    "Reuse",
    "StreamedReply",
    "bad_usage",
    "billed_count",
    "billed_units",
    "cheapest_ttl",
    "converse_usage",
    "counted_as",
    "estimated_tokens",
    "findings",
    "guardrail_name",
    "halves",
    "is_count",
    "is_too_long",
    "mapped_errors",
    "model_error",
    "named",
    "price_with_cache",
    "priced_model",
    "smallest_cached",
    "traced_reason",
    "traced_units",
]
