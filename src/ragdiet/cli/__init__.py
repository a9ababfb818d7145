"""The command line: the same verbs as RAG. Results go to standard output, all else to standard error."""

from ragdiet.cli import answers, budgets, calibrate, documents, failures, money, prices, questions, spaces, upkeep
from ragdiet.cli.root import main

__all__ = [
    "answers",
    "budgets",
    "calibrate",
    "documents",
    "failures",
    "main",
    "money",
    "prices",
    "questions",
    "spaces",
    "upkeep",
]
