"""The values that pass between stages. All are frozen; none does I/O.

Offsets are in characters (Python ``str`` indices) of the text a loader produced, ``end`` exclusive.
Sizes are in tokens of the store's counter, money is ``Decimal`` USD, durations are seconds.
"""

from ragdiet.types.answers import Answer, Attempt, Citation, Generation, GuardAction, GuardVerdict, Outcome, Replaced
from ragdiet.types.documents import STRUCTURE_KEYS, Chunk, Document, IngestReport, Rejection, Span
from ragdiet.types.hits import Change, Hit, Hits, Passage, Rewritten
from ragdiet.types.prompts import Budget, Context, Example, Prompt, Sentence, Source, Turn
from ragdiet.types.usage import Quote, Usage
from ragdiet.types.vectors import (
    CachedVectors,
    Embedding,
    EmbedKind,
    ReembedReport,
    RetrievalScore,
    Space,
    SpaceState,
    SpaceStatus,
)

__all__ = [
    "STRUCTURE_KEYS",
    "Answer",
    "Attempt",
    "Budget",
    "CachedVectors",
    "Change",
    "Chunk",
    "Citation",
    "Context",
    "Document",
    "EmbedKind",
    "Embedding",
    "Example",
    "Generation",
    "GuardAction",
    "GuardVerdict",
    "Hit",
    "Hits",
    "IngestReport",
    "Outcome",
    "Passage",
    "Prompt",
    "Quote",
    "ReembedReport",
    "Rejection",
    "Replaced",
    "RetrievalScore",
    "Rewritten",
    "Sentence",
    "Source",
    "Space",
    "SpaceState",
    "SpaceStatus",
    "Span",
    "Turn",
    "Usage",
]
