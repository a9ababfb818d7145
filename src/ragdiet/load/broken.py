"""What a library raises on a damaged file, as an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ragdiet.errors import BrokenFile, RagdietError

MOST_CHARACTERS = 100_000_000
"""Characters of text that one file may give; more is split before it is loaded."""


@contextmanager
def reading(what: str, *, advice: str) -> Iterator[None]:
    """Anything a parser of ``what`` raises becomes BrokenFile with ``advice``; our own errors pass.

    A damaged file makes a parser raise whatever it stumbles over, RecursionError and MemoryError included.
    """
    try:
        yield
    except RagdietError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise BrokenFile(f"it cannot be read as {what} ({reason}): {advice}") from error


def too_long() -> BrokenFile:
    """The error for a file whose text outgrows the bound."""
    return BrokenFile(f"more than {MOST_CHARACTERS:,} characters of text: split it into smaller files")
