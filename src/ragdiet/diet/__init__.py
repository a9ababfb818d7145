from ragdiet.diet.history import FollowUp, follow_up
from ragdiet.diet.lint import Finding, Findings, lint
from ragdiet.diet.selection import SentenceDiet, compress
from ragdiet.diet.trim import Run, trim

__all__ = ["Finding", "Findings", "FollowUp", "Run", "SentenceDiet", "compress", "follow_up", "lint", "trim"]
