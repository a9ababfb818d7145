from ragdiet.guard.characters import visible
from ragdiet.guard.guardrail import BedrockGuardrail
from ragdiet.guard.guardrail_checks import BedrockGuardrailChecks
from ragdiet.guard.masking import Finder, Masked, Masking
from ragdiet.guard.outgoing import MaskedEmbedder, MaskedGenerator, MaskedReranker, leaves, masked_embedder
from ragdiet.guard.question import MOST_CHARACTERS, MOST_HISTORY, checked_history, checked_question

__all__ = [
    "MOST_CHARACTERS",
    "MOST_HISTORY",
    "BedrockGuardrail",
    "BedrockGuardrailChecks",
    "Finder",
    "Masked",
    "MaskedEmbedder",
    "MaskedGenerator",
    "MaskedReranker",
    "Masking",
    "checked_history",
    "checked_question",
    "leaves",
    "masked_embedder",
    "visible",
]
