"""What a sentence must be kept with to mean what it meant: a row its header, an item its lead-in, code its block.

A `Unit` for each sentence span of a passage::

    span                          together      above    leads
     0  ## Refunds                0             -        yes
     1  A fee is waived when:     1             0        yes
     2  - the ferry is late       1 2           0
     3  - the ferry is full       1 3           0
     4  It takes 30 days.         0 4           0

``together`` are spans of the one passage, so that a unit stays inside its block, verbatim and in source
order, and each of its spans is paid for once. A span that ``leads`` says nothing alone: it comes with the
best of those that it leads to. Of the headings ``above`` come those that say a word of the question which
the sentence lacks; one that points back ("It takes") has its heading among ``together``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ragdiet.diet.code_blocks import blocks
from ragdiet.diet.lines import BREAK, FENCE, HEADING, ITEM, SENTENCE_END, Line, read_lines
from ragdiet.diet.tables import SEPARATOR, has_header, table_end
from ragdiet.sentences import looks_like_code
from ragdiet.types import Span


@dataclass(frozen=True, slots=True)
class Unit:
    """``together``: indexes of spans, ascending, this one's too; ``above``: those of headings, outermost first."""

    together: tuple[int, ...]
    above: tuple[int, ...] = ()
    leads: bool = False


_LONGEST_HEADING = 60  # characters, of one without a mark
_UNMARKED = 7  # its level
_FEW_WORDS = 3
_MOST_NEEDED = 12  # spans; what would take more with it goes without
_UNDERLINE = re.compile(r"={3,}\Z|-{3,}\Z")
_FIELD = re.compile(r"(?!\d+\Z)([^\W_][\w .()/-]{0,39}):(?=\s+\S|\Z)")
_WORD = re.compile(r"\w+")
# First words that point back at what a heading may name; elsewhere the rule is silent.
_POINTS_BACK = frozenset(
    "it its they their them this that these those such he she his her here both "
    "es er sie dies diese dieser dieses dabei dazu dafür hier il elle ils elles ce cela ceci cette ces ici "
    "esto eso este esta estos estas ello él ella ellos ellas aquí esso essa questo questa questi queste ciò "
    "isto isso ele ela eles elas aqui het dit dat deze hij zij den det denne dette "
    "он она оно они это этот эта эти его её их هذا هذه هو هي यह वह ये".split()
)


def read_units(text: str, spans: Sequence[Span]) -> tuple[Unit, ...]:
    """The unit of each span, in time in proportion to the text."""
    if BREAK.search(text) is None:
        return tuple(Unit((index,)) for index in range(len(spans)))
    return _Reader(read_lines(text, spans)).read()


@dataclass(slots=True)
class _Item:
    """``needs`` are those of the item; ``within``, of those in it: the item and what stands right before the first."""

    indent: int
    span: int
    needs: tuple[int, ...]
    within: tuple[int, ...] = ()


class _Reader:
    """Goes down the lines of one passage, block by block."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._together: list[tuple[int, ...]] = [(index,) for index in range(len(lines))]
        self._above: list[tuple[int, ...]] = [()] * len(lines)
        self._leads: set[int] = set()
        self._headings: list[tuple[int, int]] = []  # level and span of those open, outermost first
        self._heading_ends = 0
        begins = [line.text for at, line in enumerate(lines) if line.breaks > 1 or at == 0]
        self._first_keys = Counter(key[1] for key in map(_FIELD.match, begins) if key)

    def read(self) -> tuple[Unit, ...]:
        begin = 0
        while begin < len(self._lines):
            end = self._heading(begin)
            path = tuple(span for _, span in self._headings)
            if end == begin:
                end = self._block(begin)
                self._above[begin:end] = [path] * (end - begin)
            begin = end
        return tuple(
            Unit(together, above, index in self._leads)
            for index, (together, above) in enumerate(zip(self._together, self._above, strict=True))
        )

    def _block(self, begin: int) -> int:
        """Reads what begins there, and gives its end."""
        if self._lines[begin].breaks and FENCE.match(self._lines[begin].text):
            return self._fence(begin)
        if (end := self._code_end(begin)) > begin:
            while end < len(self._lines) and (further := self._code_end(end, goes_on=True)) > end:
                end = further
            self._set_blocks(begin, end, self._introduction(begin))
            return end
        for read in (self._table, self._list, self._fields):
            if (end := read(begin)) > begin:
                return end
        self._lean(begin)
        return begin + 1

    def _heading(self, at: int) -> int:
        """Reads a heading, with the line of marks below it, and gives its end."""
        line, after = self._lines[at], at + 1
        if not line.breaks or not line.is_whole or after == len(self._lines):
            return at
        following = self._lines[after]
        if marked := HEADING.match(line.text):
            level = len(marked[1])
        elif following.breaks == 1 and _UNDERLINE.match(following.text) and not SEPARATOR.match(line.text):
            level, after = 1 if following.text[0] == "=" else 2, after + 1
        elif (line.breaks > 1 or at == 0) and following.breaks > 1 and _reads_like_heading(line.text):
            level = _UNMARKED
        else:
            return at
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        self._above[at:after] = [tuple(span for _, span in self._headings)] * (after - at)
        self._headings.append((level, at))
        self._leads.update(range(at, after))
        self._together[after - 1] = tuple(range(at, after))
        self._heading_ends = after
        return after

    def _lean(self, at: int) -> None:
        """A sentence that points back, or is hardly one, takes the heading with it."""
        if self._headings:
            words = _WORD.findall(self._lines[at].text[:200])
            is_fragment = at == self._heading_ends and len(words) <= _FEW_WORDS
            if words and (is_fragment or words[0].lower() in _POINTS_BACK):
                self._together[at] = (self._headings[-1][1], at)

    def _introduction(self, begin: int, *, of_list: bool = False) -> tuple[int, ...]:
        """The sentence that leads to what begins there, with its own needs; for a list its heading too."""
        if begin == 0:
            return ()
        before, line = begin - 1, self._lines[begin - 1]
        if self._headings and begin == self._heading_ends:
            return (self._headings[-1][1],) if of_list else ()
        is_close = of_list and self._lines[begin].breaks == 1 and not SENTENCE_END.search(line.text[-40:])
        if not (line.leads_on or is_close) or len(self._together[before]) > _MOST_NEEDED:
            return ()
        self._leads.add(before)
        return self._together[before]

    def _fence(self, begin: int) -> int:
        mark = self._lines[begin].text[:3]
        end = begin + 1
        while end < len(self._lines) and not self._closes(end, mark):
            end += 1
        fences = (begin, end) if end < len(self._lines) else (begin,)
        needs = _union(self._introduction(begin), fences)
        self._set_blocks(begin + 1, end, needs, is_one=True)
        for fence in fences:
            self._together[fence] = needs
        self._leads.update(fences)
        return fences[-1] + 1 if len(fences) == 2 else end

    def _closes(self, at: int, mark: str) -> bool:
        text = self._lines[at].text
        return text.startswith(mark) and not text.strip(mark[0])

    def _code_end(self, begin: int, *, goes_on: bool = False) -> int:
        """The end of a paragraph of code without a fence; ``begin`` where none begins. Code ``goes_on`` indented."""
        line = self._lines[begin]
        if not (begin in (0, self._heading_ends) or line.breaks > 1) or ITEM.match(line.text):
            return begin
        end = begin + 1
        while end < len(self._lines) and self._lines[end].breaks < 2 and not self._is_marked(end):
            end += 1
        own = self._lines[begin:end]
        if goes_on and line.indent >= 2:
            return end
        if not all(each.breaks and each.is_whole for each in own):
            return begin
        fields = sum(_FIELD.match(each.text) is not None for each in own)
        is_code = len(own) > 1 and 2 * fields <= len(own) and looks_like_code([each.text for each in own])
        return end if is_code or min(each.indent for each in own) >= 4 else begin

    def _is_marked(self, at: int) -> bool:
        line = self._lines[at]
        return bool(line.breaks and (HEADING.match(line.text) or FENCE.match(line.text)))

    def _set_blocks(self, begin: int, end: int, needs: tuple[int, ...], *, is_one: bool = False) -> None:
        known: dict[tuple[int, ...], tuple[int, ...]] = {}
        for index, own in enumerate(blocks(self._lines[begin:end], is_one=is_one), start=begin):
            if own not in known:
                known = {own: _union(needs, (begin + other for other in own))}
            self._together[index] = known[own]

    def _table(self, begin: int) -> int:
        end = table_end(self._lines, begin)
        if end == begin:
            return begin
        needs = self._introduction(begin)
        if has_header(self._lines[begin:end]):
            self._leads.add(begin)
            needs = _union(needs, (begin,))
        for index in range(begin, end):
            self._together[index] = _union(needs, (index,))
            if SEPARATOR.match(self._lines[index].text):
                self._leads.add(index)
        return end

    def _list(self, begin: int) -> int:
        """Reads items, those within them, and what goes on in either."""
        if not self._is_item(begin):
            return begin
        outermost = self._introduction(begin, of_list=True)
        path: list[_Item] = []
        end = begin
        while end < len(self._lines):
            line = self._lines[end]
            if self._is_item(end):
                while path and (path[-1].indent >= line.indent or len(path) == _MOST_NEEDED):
                    path.pop()
                needs = outermost
                if path:
                    needs = path[-1].within = path[-1].within or _union(self._together[path[-1].span], (end - 1,))
                    if self._lines[end - 1].leads_on:
                        self._leads.add(end - 1)
                path.append(_Item(line.indent, end, needs))
            elif line.breaks and line.indent <= path[0].indent:
                break
            self._together[end] = _union(path[-1].needs, (end,))
            end += 1
        return end

    def _is_item(self, at: int) -> bool:
        line = self._lines[at]
        return line.breaks > 0 and ITEM.match(line.text) is not None

    def _fields(self, begin: int) -> int:
        """Reads lines ``Key: value``. One that is indented needs those it stands under, one of a record its first.

        Records are paragraphs of such lines that begin with one key, each key once.
        """
        keys: list[str] = []
        path: list[tuple[int, int]] = []  # indent and span
        end = begin
        while end < len(self._lines) and (end == begin or self._lines[end].breaks < 2):
            line = self._lines[end]
            key = _FIELD.match(line.text) if line.breaks else None
            if (line.breaks and not key) or not (key or path):
                break
            if key:
                keys.append(key[1])
                while path and (path[-1][0] >= line.indent or len(path) == _MOST_NEEDED):
                    path.pop()
                path.append((line.indent, end))
            end += 1
            self._together[end - 1] = _union((span for _, span in path), (end - 1,))
        if len(keys) < 2:
            self._together[begin:end] = [(index,) for index in range(begin, end)]
            return begin
        needs = self._introduction(begin)
        if len(set(keys)) == len(keys) and self._first_keys[keys[0]] > 1:
            needs = _union(needs, (begin,))
        for index in range(begin, end) if needs else ():
            self._together[index] = _union(needs, self._together[index])
        return end


def _reads_like_heading(text: str) -> bool:
    bare = text.strip("*_")
    return len(bare) <= _LONGEST_HEADING and bare[:1].isalnum() and bare[-1:].isalnum() and "|" not in bare


def _union(needs: Iterable[int], others: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted({*needs, *others}))
