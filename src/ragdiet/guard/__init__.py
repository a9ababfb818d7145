from ragdiet.guard.allowed import check_models, check_tenant, checked_list
from ragdiet.guard.characters import visible
from ragdiet.guard.guardrail import BedrockGuardrail
from ragdiet.guard.guardrail_checks import BedrockGuardrailChecks
from ragdiet.guard.guards import FailOpen, Guards, Readable
from ragdiet.guard.injection import InjectionGuard
from ragdiet.guard.masking import Finder, Masked, Masking
from ragdiet.guard.outgoing import (
    MaskedEmbedder,
    MaskedGenerator,
    MaskedReranker,
    leaves,
    masked_embedder,
    masked_generator,
)
from ragdiet.guard.question import MOST_CHARACTERS, MOST_HISTORY, checked_history, checked_question

__all__ = [
    "MOST_CHARACTERS",
    "MOST_HISTORY",
    "BedrockGuardrail",
    "BedrockGuardrailChecks",
    "FailOpen",
    "Finder",
    "Guards",
    "InjectionGuard",
    "Masked",
    "MaskedEmbedder",
    "MaskedGenerator",
    "MaskedReranker",
    "Masking",
    "Readable",
    "check_models",
    "check_tenant",
    "checked_history",
    "checked_list",
    "checked_question",
    "leaves",
    "masked_embedder",
    "masked_generator",
    "visible",
]
