"""Why a model stopped, in Converse's words, and whether what it wrote can be an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragdiet.types import Generation

_WHOLE = frozenset({"end_turn", "stop_sequence"})
_FAULTS: Mapping[str, str] = {
    "max_tokens": "the reply was cut off",
    "model_context_window_exceeded": "the reply was cut off",
    "guardrail_intervened": "the guardrail stepped in",
    "content_filtered": "the provider's content filter stepped in",
    "tool_use": "the model asked for a tool, and there is none",
    "malformed_model_output": "the model's output was malformed",
    "malformed_tool_use": "the model's output was malformed",
}


def stop_fault(generation: Generation) -> str:
    """Why a reply that ended so is no answer, whatever it says; '' where it may be one. A reason that is not known is
    none that may pass.

    >>> from ragdiet.types import Generation, Usage
    >>> made = dict(text="Three", model="m", served="m", usage=Usage(), cost=0, seconds=0)
    >>> stop_fault(Generation(**made, stop_reason="max_tokens"))
    'the reply was cut off (stop reason: max_tokens)'
    """
    if generation.stop_reason in _WHOLE:
        return ""
    fault = _FAULTS.get(generation.stop_reason, "the reply ended for a reason that is not known")
    detail = f"; {generation.stop_detail}" if generation.stop_detail else ""
    return f"{fault} (stop reason: {generation.stop_reason or 'none given'}{detail})"
