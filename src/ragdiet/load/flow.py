"""Builds text out of words, blocks and preformatted stretches, and knows where in it one is."""

from __future__ import annotations

import re

from ragdiet.load.loaded import printable

_SPACES = re.compile(r"\s+")


class Flow:
    """Text in the making. White space collapses, and a break asked for twice is made once.

    ``inline`` keeps everything on one line, for the cell of a table.
    """

    def __init__(self, *, inline: bool = False) -> None:
        self._inline = inline
        self._parts: list[str] = []
        self._length = 0
        self._breaks = 0
        self._space = False
        self._bullet = ""

    @property
    def text(self) -> str:
        return "".join(self._parts).rstrip()

    @property
    def last(self) -> str:
        """The character that words written now would touch, or nothing."""
        return self._parts[-1][-1] if self._parts and not (self._space or self._breaks) else ""

    def words(self, string: str) -> None:
        """Write running text."""
        collapsed = _SPACES.sub(" ", printable(string))
        words = collapsed.strip(" ")
        self._space = self._space or collapsed.startswith(" ")
        if not words:
            return
        self.begin()
        if self._space and self._parts and not self._parts[-1].endswith((" ", "\n")):
            words = f" {words}"
        self._write(words)
        self._space = collapsed.endswith(" ")

    def verbatim(self, string: str) -> None:
        """Write preformatted text."""
        if self._inline:
            self.words(string)
            return
        string = printable(string).replace("\xa0", " ")
        if self._breaks or not self._parts:
            string = string.lstrip("\n")
        if string:
            self.begin()
            self._write(string)

    def line(self) -> None:
        """Break the line; the second break in a row makes a blank line."""
        self.block(min(self._breaks + 1, 2))

    def block(self, newlines: int) -> None:
        """Have what follows begin after at least this many newlines; 2 make a blank line."""
        if self._inline:
            self._space = True
        else:
            self._breaks = max(self._breaks, newlines)

    def item(self, bullet: str) -> None:
        """Have what follows begin a list item."""
        self.block(1)
        if not self._inline:
            self._bullet = bullet
        elif self._parts and not self._parts[-1].endswith((":", ";")):
            self._write(";")

    def end_item(self) -> None:
        """Forget the bullet of an item without words."""
        self._bullet = ""

    def begin(self) -> tuple[int, int]:
        """Make the breaks that are due; returns the offset reached, and a mark for ``since``."""
        if self._breaks and self._parts:
            last = self._parts[-1]
            made = len(last) - len(last.rstrip("\n"))
            self._write("\n" * (self._breaks - made))
            self._space = False
        self._breaks = 0
        self._write(self._bullet)
        self._bullet = ""
        return self._length, len(self._parts)

    def since(self, mark: int) -> str:
        """The text written after ``begin`` gave ``mark``."""
        return "".join(self._parts[mark:])

    def _write(self, string: str) -> None:
        if string:
            self._parts.append(string)
            self._length += len(string)
