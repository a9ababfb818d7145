"""Which lines of code belong together: a function or class while it is small, else its statements.

Indentation tells what stands in what, in any language that is laid out by its authors' habit::

    class Fees:                     opens all below
        def entry(self):            opens the next two lines
            if self.late:
                return 9
            return 4

A block of up to `LARGEST` characters is one piece. Of a larger one each piece that is not too large
stands for itself, together with the lines that open what it stands in: half a statement tells a lie.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from ragdiet.diet.lines import Line

LARGEST = 1_000
"""Characters of a block that is kept whole, as many as a sentence may have."""

_DEEPEST = 12  # openers that a line brings along at most, the innermost
_OPEN, _CLOSE = re.compile(r"[(\[]"), re.compile(r"[)\]]")
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_MULTILINE_QUOTE = re.compile(r'"""|\'\'\'')
_GOES_ON = re.compile(r"(?:\\|,|[-+*/%&|^]|&&|\|\||\b(?:and|or|not|in))\Z")
_CONTINUES = re.compile(
    r"[)\]}]|\.\w|(?:else|elif|elsif|except|finally|catch|end|fi|done|esac|then|rescue|ensure)\b|&&|\|\|"
)
_PREFIX = re.compile(r"@\w")


@dataclass(slots=True)
class _Node:
    """A statement, lines first..head-1, with what stands in it, up to ``end``. ``parts`` are its lines that
    open or close it, such as ``else:``."""

    indent: int
    first: int
    head: int
    parent: int | None
    end: int
    parts: list[int] = field(default_factory=list)


def blocks(lines: Sequence[Line], *, is_one: bool) -> list[tuple[int, ...]]:
    """For each line those that it is kept with, ascending. ``is_one``: all are a block, such as a fence holds."""
    sizes = [len(line.text) + 1 for line in lines]
    if is_one and sum(sizes) <= LARGEST:
        return [tuple(range(len(lines)))] * len(lines)
    together: list[tuple[int, ...]] = [()] * len(lines)
    nodes = _nodes(lines)
    openers: list[tuple[int, ...]] = []
    is_done = -1  # lines before it belong to a piece
    for node in nodes:
        above = _open_above(nodes[node.parent], openers[node.parent], node.first) if node.parent is not None else ()
        openers.append(above)
        if node.first < is_done:
            continue
        whole = range(node.first, node.end)
        if sum(sizes[node.first : node.end]) <= LARGEST or node.end == node.head:
            together[node.first : node.end] = [(*above, *whole)] * len(whole)
            is_done = node.end
        else:
            for number, part in enumerate(node.parts, start=1):
                together[part] = (*above, *node.parts[max(0, number - _DEEPEST) : number])
    return together


def _open_above(parent: _Node, openers: tuple[int, ...], line: int) -> tuple[int, ...]:
    before = bisect_left(parent.parts, line)
    return (*openers, *parent.parts[max(0, before - _DEEPEST) : before])[-_DEEPEST:]


def _nodes(lines: Sequence[Line]) -> list[_Node]:
    nodes: list[_Node] = []
    path: list[int] = []
    goes_on = False
    depth = 0
    quote = ""
    size = 0  # of the statement
    for index, line in enumerate(lines):
        is_part = bool(nodes) and (goes_on or depth > 0 or bool(quote) or line.breaks == 0)
        if is_part:
            node = nodes[path[-1]]
            node.parts.append(index)
            node.head = index + 1 if node.head == index else node.head
        else:
            while path and nodes[path[-1]].indent > line.indent:
                path.pop()
            if path and nodes[path[-1]].indent == line.indent:
                if _CONTINUES.match(line.text):
                    nodes[path[-1]].parts.append(index)
                    is_part = True
                else:
                    path.pop()
            if not is_part:
                nodes.append(_Node(line.indent, index, index + 1, path[-1] if path else None, index + 1, [index]))
                path.append(len(nodes) - 1)
        nodes[path[-1]].end = index + 1
        size = len(line.text) + (size if is_part else 0)
        if size > LARGEST:  # a bracket or a quotation that nothing closes
            depth, quote, goes_on = 0, "", False
            continue
        depth, quote = _state(line.text, depth, quote)
        goes_on = not quote and (_GOES_ON.search(line.text) is not None or _PREFIX.match(line.text) is not None)
    for node in reversed(nodes):
        if node.parent is not None:
            nodes[node.parent].end = max(nodes[node.parent].end, node.end)
    return nodes


def _state(text: str, depth: int, quote: str) -> tuple[int, str]:
    """Open brackets and the open quote of several lines after a line."""
    for mark in _MULTILINE_QUOTE.findall(text):
        if not quote:
            quote = mark
        elif quote == mark:
            quote = ""
    if quote:
        return depth, quote
    bare = _STRING.sub("", text)
    return max(0, depth + len(_OPEN.findall(bare)) - len(_CLOSE.findall(bare))), quote
