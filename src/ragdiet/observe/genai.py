"""The names of OpenTelemetry's conventions for generative AI (status "Development"), and ours beside them.

github.com/open-telemetry/semantic-conventions, docs/gen-ai: they may still change, and then only here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from ragdiet.account import Call
    from ragdiet.observe.events import CallEnded

Attributes: TypeAlias = dict[str, "str | int | float | tuple[str, ...]"]

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
MAX_TOKENS = "gen_ai.request.max_tokens"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  # no password
DATA_SOURCE = "gen_ai.data_source.id"
GUARDRAIL = "aws.bedrock.guardrail.id"
ERROR = "error.type"

DURATION = "gen_ai.client.operation.duration"
TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105  # no password
# The buckets that the conventions advise.
DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)

PROMPT_ID = "ragdiet.prompt_id"
TENANT = "ragdiet.tenant"
COLLECTION = "ragdiet.collection"
ATTEMPT = "ragdiet.attempt"
COST = "ragdiet.cost.usd"
CONFIDENCE = "ragdiet.confidence"
OUTCOME = "ragdiet.outcome"
REASON = "ragdiet.reason"
REQUESTS = "ragdiet.requests"
FALLBACK = "ragdiet.fallback"
ERRORS = "ragdiet.errors"

_OPERATIONS = {"generate": "chat", "embed": "embeddings", "retrieve": "retrieval"}


def operation(call: Call) -> str:
    """``chat``, ``embeddings``, ``retrieval``, or a stage that the conventions have no name for."""
    return _OPERATIONS.get(call.stage, call.stage)


def is_client_operation(call: Call) -> bool:
    """Whether the conventions' metrics know such work."""
    return call.stage in _OPERATIONS


def provider(call: Call) -> str:
    """Who did the work."""
    if call.region:
        return "aws.bedrock"
    return "ragdiet" if call.model.startswith("local:") else "openai"


def attributes(event: CallEnded) -> Attributes:
    """Of a request's span. Tokens of the input are all of them, the cached ones included."""
    call, usage = event.call, event.call.usage
    found: Attributes = {
        OPERATION: operation(call),
        PROVIDER: provider(call),
        REQUEST_MODEL: call.model,
        RESPONSE_MODEL: call.served,
        MAX_TOKENS: event.max_tokens,
        FINISH_REASONS: (event.finish_reason,) if event.finish_reason else (),
        INPUT_TOKENS: usage.input_tokens + usage.cached_tokens,
        OUTPUT_TOKENS: usage.output_tokens,
        CACHE_READ_TOKENS: usage.cache_read_tokens,
        CACHE_WRITE_TOKENS: usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        GUARDRAIL: event.guardrail,
        ERROR: call.error,
        ATTEMPT: call.attempt,
    }
    known = {name: value for name, value in found.items() if value}
    return {**known, PROMPT_ID: call.prompt_id, COST: float(call.cost)}
