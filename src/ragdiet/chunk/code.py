"""Chunks of source code: definitions stay whole, with what stands right above them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from ragdiet.chunk.assemble import assemble, check_size
from ragdiet.chunk.atoms import Atoms
from ragdiet.chunk.outline import Outline
from ragdiet.chunk.sections import pack, section_tree
from ragdiet.protocols import TokenCounter
from ragdiet.tokens import default_counter
from ragdiet.types import Chunk, Document, Span

_TAB = 4
_WIDEST = 200
_COMMENT = ("#", "//", "/*", "*", "--", ";", "@")
# The end of a line that begins with a closing brace, before a line that is not blank.
_AFTER_BRACE = re.compile(r"^[^\S\n]*\}[^\n]*\n(?=[^\n]*\S)", re.MULTILINE)
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
        self.version = f"code-{size}-{self._counter.name}-v3"

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        """Chunks in the order of the text; together they hold all of it but white space."""
        return assemble(document, self._size, self._counter, self._slices, _begins)

    def _slices(self, atoms: Atoms, outline: Outline) -> Iterator[Span]:
        definitions = atoms.at(_definitions(atoms.text, outline))
        begins = sorted({*definitions, *_blocks(atoms)}.difference([len(atoms.spans)]))
        whole = section_tree(len(atoms.spans), begins, [_indentation(atoms, begin) for begin in begins])
        return pack(atoms, self._size, whole, small=1.0)


def _begins(text: str, outline: Outline) -> tuple[list[int], list[int]]:
    definitions = _definitions(text, outline)
    after_braces = [match.end() for match in _AFTER_BRACE.finditer(text)]
    return sorted({*outline.lines(text), *definitions, *after_braces}), definitions


def _definitions(text: str, outline: Outline) -> list[int]:
    """Where the lines of definitions begin, or those of comment or decoration that stand right above them."""
    definitions = []
    after = 0
    for offset in sorted({min(max(0, offset), len(text)) for offset in outline.offsets}):
        begin = text.rfind("\n", after, offset) + 1
        if begin < after:
            continue  # a second one in the same line
        while begin > after:
            above = text.rfind("\n", after, begin - 1) + 1
            if above < after or not text[above:begin].lstrip().startswith(_COMMENT):
                break
            begin = above
        definitions.append(begin)
        after = offset + 1
    return definitions


def _blocks(atoms: Atoms) -> list[int]:
    """Atoms that begin a block."""
    text, spans = atoms.text, atoms.spans
    return [
        number
        for number, ((_, end), (start, _)) in enumerate(pairwise(spans), start=1)
        if (lines := text.count("\n", end, start))
        and (lines > 1 or _last_line(text, *spans[number - 1]).startswith("}"))
        and not _CLOSING.match(text, start)
    ]


def _last_line(text: str, start: int, end: int) -> str:
    return text[max(start, text.rfind("\n", start, end)) : end].lstrip()


def _indentation(atoms: Atoms, atom: int) -> int:
    """Of the line the atom begins, in columns."""
    start = atoms.spans[atom][0]
    line = atoms.text[max(0, start - _WIDEST) : start].rpartition("\n")[2]
    return len(line.expandtabs(_TAB)) if line.isspace() else 0
