"""CountTokens: how many tokens a model would bill a request with, exactly and free, before it is sent."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from ragdiet.account import UnitPrice, metered
from ragdiet.bedrock.caching import base_model
from ragdiet.bedrock.usage import is_count
from ragdiet.errors import BadReply, ModelError
from ragdiet.observe import current, tracing
from ragdiet.types import Usage

if TYPE_CHECKING:
    from ragdiet.account import Ledger
    from ragdiet.bedrock.client import BedrockClient

# As AWS's documentation of CountTokens listed them in 2026-11, with Haiku 4.5 and Sonnet 4.5, which others have seen
# counted. Newer models that come with inference profiles alone are not counted at this endpoint.
_COUNTED = frozenset(
    {
        "anthropic.claude-3-5-haiku-20241022-v1:0",
        "anthropic.claude-3-5-sonnet-20240620-v1:0",
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
        "anthropic.claude-3-7-sonnet-20250219-v1:0",
        "anthropic.claude-opus-4-20250514-v1:0",
        "anthropic.claude-sonnet-4-20250514-v1:0",
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
    }
)
_REMEMBERED = 64
_log = logging.getLogger("ragdiet.bedrock")
_FREE = UnitPrice(reference="CountTokens: free", total=Decimal(0))


def counted_as(model: str) -> str | None:
    """The id that CountTokens knows ``model`` by: a profile's is that of its model. None where it does not count it.

    >>> counted_as("us.anthropic.claude-haiku-4-5-20251001-v1:0"), counted_as("us.amazon.nova-lite-v1:0")
    ('anthropic.claude-haiku-4-5-20251001-v1:0', None)
    """
    base = base_model(model)
    return base if base in _COUNTED else None


class Preflight:
    """The exact input tokens of a model's Converse requests; the latest are remembered, and not asked for again."""

    def __init__(self, client: BedrockClient, model: str, *, ledger: Ledger, region: str) -> None:
        self._client = client
        self._asked_for = model
        self._model = counted_as(model)
        self._ledger = ledger
        self._region = region
        self._known: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def count(self, request: Mapping[str, Any]) -> int | None:
        """The tokens of a request's messages and system; None where the model is not counted, or the call failed, which
        is logged: there is an estimate to go on with. Each try is a ledger row of the stage "count", at no cost."""
        if self._model is None:
            return None
        parts = {part: request[part] for part in ("messages", "system") if part in request}
        key = json.dumps(parts, sort_keys=True)
        with self._lock:
            if key in self._known:
                return self._known[key]
        try:
            with tracing(current()):  # one prompt_id for all tries, also outside of an ask
                # Its quota is its own, and its failures say nothing of the model.
                tokens = self._client.run(f"{self._model} (count)", partial(self._try, self._model, parts))
        except ModelError as error:
            _log.warning("tokens of %s are estimated, since they could not be counted: %s", self._asked_for, error)
            return None
        with self._lock:
            self._known[key] = tokens
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return tokens

    def _try(self, model: str, parts: Mapping[str, Any]) -> int:
        request = {"modelId": model, "input": {"converse": parts}}
        with metered(self._ledger, stage="count", model=model, price=_FREE, region=self._region) as call:
            reply = self._client.call("bedrock-runtime", "count_tokens", request, model=model)
            call.settle(Usage(), price=_FREE)  # what was counted is not billed: it is no usage
            tokens = reply.get("inputTokens")
            if not is_count(tokens) or tokens < 1:
                raise BadReply(f"{model} counted {tokens!r} tokens. Ask again.", code="InvalidCount")
            return tokens
