from ragdiet.diet.selection import SentenceDiet, compress
from ragdiet.diet.trim import Run, trim

__all__ = ["Run", "SentenceDiet", "compress", "trim"]
