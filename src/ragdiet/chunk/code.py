"""Chunks of source code: definitions stay whole, with what stands right above them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ragdiet.chunk.assemble import assemble, check_size
from ragdiet.chunk.atoms import Atoms
from ragdiet.chunk.borders import borders_of, section_borders
from ragdiet.chunk.outline import Outline
from ragdiet.chunk.sections import pack, section_tree
from ragdiet.protocols import TokenCounter
from ragdiet.tokens import default_counter
from ragdiet.types import Chunk, Document, Span

_TAB = 4
_WIDEST = 200
_COMMENT = ("#", "//", "/*", "*", "--", ";", "@")
_CLOSING = re.compile(r"[})\]]|(?:end|fi|done|esac)\b")


class CodeChunker:
    """Cuts source code of any language into chunks of at most ``size`` tokens.

    A definition that fits stays whole, with the comments and decorators above it, and shares a chunk with
    its neighbours up to the size; one that does not, as a class, is cut into what it holds, its header
    with the first of that. Definitions are the headings of the document (classes and functions, where a
    loader knows the language) and blocks that a blank line or a closing brace parts from the one before;
    what is indented more belongs to the block above.
    """

    def __init__(self, size: int = 256, counter: TokenCounter | None = None) -> None:
        check_size(size)
        self._size = size
        self._counter = counter or default_counter()
        self.version = f"code-{size}-{self._counter.name}-v1"

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        """Chunks in the order of the text; together they hold all of it but white space."""
        return assemble(document, self._size, self._counter, self._slices)

    def _slices(self, atoms: Atoms, outline: Outline) -> list[Span]:
        named = set(_with_comments(atoms, section_borders(atoms, outline)))
        begins = sorted(named.union(_blocks(atoms)))
        levels = [_indentation(atoms, begin) for begin in begins]
        whole = section_tree(len(atoms.spans), begins, levels)
        borders = borders_of(atoms, sorted(named))
        return [atoms.span(first, end) for first, end in pack(atoms, borders, self._size, whole, small=1.0)]


def _blocks(atoms: Atoms) -> list[int]:
    """Atoms that begin a block."""
    text, spans = atoms.text, atoms.spans
    return [
        number
        for number, gap in enumerate(atoms.gaps)
        if (lines := gap.count("\n"))
        and (lines > 1 or text.startswith("}", spans[number - 1][0]))
        and not _CLOSING.match(text, spans[number][0])
    ]


def _with_comments(atoms: Atoms, begins: Iterable[int]) -> Iterator[int]:
    """For each border the one above the lines of comment or decoration that stand right above it."""
    definitions = {begin for begin in begins if begin < len(atoms.spans)}
    for begin in definitions:
        while (
            begin
            and begin - 1 not in definitions
            and atoms.gaps[begin].count("\n") == 1
            and atoms.text.startswith(_COMMENT, atoms.spans[begin - 1][0])
        ):
            begin -= 1
        yield begin


def _indentation(atoms: Atoms, atom: int) -> int:
    """Of the line the atom begins, in columns."""
    start = atoms.spans[atom][0]
    line = atoms.text[max(0, start - _WIDEST) : start].rpartition("\n")[2]
    return len(line.expandtabs(_TAB)) if line.isspace() else 0
