"""Glob patterns, matched folder by folder so that a walk enters only folders that can hold a match."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

_WILDCARD = re.compile(r"[*?\[]")
# Folders of tools, like the hidden ones: .git, .venv.
_SKIPPED = frozenset({"__pycache__", "node_modules"})

Progress: TypeAlias = frozenset[int]
"""How far into the pattern a path may be: the numbers of the segments that may come next."""


class Pattern:
    """A glob below its fixed prefix: ``*``, ``?`` and ``[...]`` within a name, ``**`` for any folders.

    Hidden names, and those of folders that hold no documents, match only where the pattern writes them out.
    """

    def __init__(self, segments: Sequence[str]) -> None:
        self._segments = tuple(segments)
        if self._segments[-1] == "**":
            self._segments += ("*",)

    @property
    def start(self) -> Progress:
        return self._with_skips({0})

    def enter(self, progress: Progress, name: str) -> Progress:
        """Progress inside the folder ``name``; empty if nothing in it can match."""
        after: set[int] = set()
        for number in progress:
            segment = self._segments[number]
            if segment == "**":
                if not _is_skipped(name):
                    after.add(number)
            elif number + 1 < len(self._segments) and _matches(segment, name):
                after.add(number + 1)
        return self._with_skips(after)

    def accepts(self, progress: Progress, name: str) -> bool:
        """Whether the file ``name`` matches."""
        last = len(self._segments) - 1
        return last in progress and _matches(self._segments[last], name)

    def _with_skips(self, numbers: set[int]) -> Progress:
        """``**`` also stands for no folder at all."""
        for number in sorted(numbers):
            while self._segments[number] == "**":
                number += 1
                numbers.add(number)
        return frozenset(numbers)


EVERYTHING = Pattern(("**",))


def split(pattern: str) -> tuple[str, Pattern] | None:
    """The fixed folder a glob begins with ("." for none) and the rest; None for a path without wildcards."""
    if not _WILDCARD.search(pattern):
        return None
    root = "/" if pattern.startswith("/") else ""
    segments = [segment for segment in pattern.split("/") if segment not in ("", ".")]
    first = next(number for number, segment in enumerate(segments) if _WILDCARD.search(segment))
    return root + "/".join(segments[:first]) or ".", Pattern(segments[first:])


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED


def _matches(segment: str, name: str) -> bool:
    if _is_skipped(name) and segment != name and not (name[0] == segment[0] == "."):
        return False
    return _compiled(segment).match(name) is not None


@lru_cache(maxsize=256)
def _compiled(segment: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(segment))
