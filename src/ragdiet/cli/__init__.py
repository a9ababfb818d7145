"""The command line: the same verbs as RAG. Results go to standard output, all else to standard error."""

from ragdiet.cli import calibrate, documents, money, questions, spaces, upkeep
from ragdiet.cli.root import main

__all__ = ["calibrate", "documents", "main", "money", "questions", "spaces", "upkeep"]
