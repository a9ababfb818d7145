from ragdiet.diet.lint.finding import Finding, Findings, Kind
from ragdiet.diet.lint.linter import lint

__all__ = ["Finding", "Findings", "Kind", "lint"]
