"""Sentence spans of prose, Markdown and code, by rules: no model, no language setting, linear time.

First the text is cut into blocks that no sentence crosses: paragraphs and list items, which are prose,
and lines that stand for themselves (heading, table row, line of code). Prose is then cut at its full
stops. Where the rules doubt they join: a sentence too long costs tokens, a sentence cut in two loses its
meaning.

Most lines and stops are plain. Expressions that begin with a set of characters, which `re` looks for
fastest, go over whole texts and bring to Python only what needs a decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, starmap
from operator import sub
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragdiet.types import Span

MAX_SENTENCE = 1_000
"""Characters. What runs longer without a stop (minified text, logs) is cut, at a space if there is one."""

# Each quantifier is possessive or ends with its line, and no match can begin inside a run that was tried
# before, so that a line of 50 MB of any one character is scanned once.
_SOFT = ".!?…‼⁇⁈⁉"
_HARD = "。｡！？．।॥؟۔።။។։"
# A first mark, then as group "soft" or "hard" those that follow it at once.
_STOP = re.compile(
    rf"""[{_SOFT}{_HARD}](?:
        # a full stop that needs no second look: after a word that is no abbreviation, before a capital
        (?P<plain>(?<=[a-z]{{5}}\.)(?<!approx\.)(?<!messrs\.)(?<![ivx]{{5}}\.)(?=\s++[A-Z]))
        | (?P<soft>(?<=[{_SOFT}])(?<![{_SOFT}].)[{_SOFT}]*+)(?P<mark>
            ["'”’»›)\]}}*_`]|\[\d{{1,3}}\]|[ \u00a0\u202f]»(?=\s))*+(?=\s)
        | (?P<hard>(?<=[{_HARD}])[{_HARD}]*+)["'”’»」』）】》〉〕)\]]*+
    )""",
    re.VERBOSE | re.DOTALL,
)
_OPENERS = "\"'“‘„«‹([{*_`¿¡"
_NEXT = re.compile(r"""\s++(?P<open>["'“‘„«‹(\[{*_`¿¡]*+)(?P<word>\w{0,24})(?P<dot>\.?)""")
_INK = re.compile(r"\S")

_BREAK = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"  # what ends a line for str.splitlines
_BLANK = rf"[^\S{_BREAK}]"
_LINE_BEGINS = rf"[{_BREAK}](?!(?<=\r)\n)"
_LINE_TEXT = re.compile(rf"\S(?:[^{_BREAK}]*[^\s])?")

# Lines that are no part of a paragraph: blank, of marks alone, or of one of these kinds. What begins with
# letters is none of them as a rule, which is seen first.
_APART = rf"""(?P<line>)(?:(?![ \t>]*+[A-Za-z_]++(?![.)][ \t]))(?:
    [ \t>]*+(?:
        (?P<fence>`{{3,}}+(?![^`{_BREAK}]*+`)|~{{3,}})
        | (?P<heading>\#{{1,6}}(?=\s))
        | (?P<item>(?:[-*+•◦▪‣–]|\(?(?:1|[A-Za-z]|[ivx]{{1,5}})\)|1\.)(?=[ \t]+\S))
        | (?P<later_item>(?:\d{{1,3}}[.)]|\(\d{{1,3}}\)|(?:[a-z]|[ivx]{{1,5}})\.)(?=[ \t]+\S))
        | (?P<row>\|)
    )[^{_BREAK}]*+
    | (?P<marks>[^\w{_BREAK}]*+)(?=[{_BREAK}]|\Z)
))"""
_CELLS = rf"(?=[^|\t{_BREAK}]*+[|\t])(?=[^{_BREAK}]*[ ]\|[ ]|{_BLANK}*+\S[^\t{_BREAK}]*+\t{_BLANK}*+[^\s])[^{_BREAK}]*+"
_WITH_CELLS = f"{_APART[:-1]}|(?P<cells>{_CELLS}))"
_HAS_CELLS = re.compile(_CELLS, re.VERBOSE)
_FIRST_APART, _NEXT_APART, _FIRST_APART_OR_CELLS, _NEXT_APART_OR_CELLS = (
    re.compile(begins + kinds, re.VERBOSE) for kinds in (_APART, _WITH_CELLS) for begins in ("", _LINE_BEGINS)
)
_FENCE_ENDS = {
    mark: re.compile(rf"[{_BREAK}]{_BLANK}*+(?P<fence>{mark}{{3,}}+){_BLANK}*+(?=[{_BREAK}]|\Z)") for mark in "`~"
}
# Of lines without the white space around them, each after a "\n"; takes the rest of the line. Each branch
# begins with one character, so that `re` goes from one of these to the next.
_CODE_LIKE = re.compile(
    r"""(?:
        \n(?:["'<@$]|[\w .-]{1,30}+:[^\S\n])
        | \((?:(?<=[\w\]]\()|(?=\n|\Z))
        | =(?:(?=[=\n]|\Z)|(?<=[^\S\n]=)(?=[^\S\n])|(?<=[^\S\n][-+*/|&:]=)(?=[^\S\n]))
        | -> | ::
        | :(?=\n|\Z) | ;(?=\n|\Z) | \[(?=\n|\Z) | \\(?=\n|\Z) | \{(?=\n|\Z)
        | \},?(?=\n|\Z) | \),?(?=\n|\Z) | \],(?=\n|\Z) | ",(?=\n|\Z) | ',(?=\n|\Z)
    )[^\n]*+""",
    re.VERBOSE,
)
_BETWEEN_VALUES = re.compile(r"[,;](?=\S)")
_ROWS_LOOKED_AT = 50
_ENUMERATOR = re.compile(r"[ \t>(*_-]*(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})(?:\.\d{1,3})*\Z")
_ELISION = re.compile(r"\A\w{1,2}['’](?=\w)")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}\Z")

_NEVER_END = frozenset(
    "e.g eg i.e ie cf viz vs approx ca incl resp z.b d.h u.a bzw vgl ggf evtl sog p.ex par.ex "
    "bijv d.w.z np tzn tzw zob např tj tzv т.е т.к т.д т.п см напр κ π.χ "
    "dr mr mrs ms messrs prof capt sgt cmdr mme mlle sra srta dra sig dott avv hr frl "
    "avda ee dhr mevr ul ул им проф акад доц вул ім डॉ श्री प्रो".split()
)
# Words of the language when written small, so only with their capital.
_TITLES = frozenset("Gen Sen Rep Gov Lt Col Maj Adm Rev Hon Pres Fr Ing Lic".split())
_END_BEFORE_STARTER = frozenset(
    "st mt ft ave blvd rd inc ltd co corp bros jr sr al univ dept est assn figs eqs vols nos pp mio mrd tsd "
    "Fig Eq Sec Vol Ch Op Nr Abs Str Núm Pág Mag Bd Hrsg".split()
)
_BEFORE_NUMBER = frozenset(
    "no nos nr núm num n p pp s ss f ff fig figs eq eqs sec sect vol vols ch art arts abs para ver v tab ref "
    "refs cap pág pag blz str рис стр табл гл буд op ex ed c b d r al § "
    "jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
_STARTERS = frozenset(
    "The A An This That These Those It Its He She They We You I In On At But And Or However If When While After "
    "Before As For From To By With Without There Here His Her Their Our My Your What Who Why How Where Which Also "
    "Some Many Most All No Not Yes Then Thus So Since Although Though Because During Until Once One Two Both Each "
    "Every Such Another Only Even Despite According Later Today Now Meanwhile Please See Is Are Was Were Do Does Did "
    "Der Die Ein Eine Er Sie Es Wir Ich Im Und Aber Auch Wenn Dies Diese Dieser Dieses Nach Bei Mit "
    "Le Les Un Une Il Elle Ils Elles Nous Vous Ce Cette Ces Dans En Mais Et El Una Pero Se Este Esta Um Uma".split()
)
_AFTER_ORDINAL = frozenset(
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember "
    "Jahrhundert Jahrhunderts Mal Auflage Weltkrieg".split()
)


def split_sentences(text: str) -> tuple[Span, ...]:
    """Sentences as (start, end) in characters, in order, without overlap or surrounding white space.

    Every character that is not white space lies in exactly one span; none is longer than
    ``MAX_SENTENCE``.

    >>> text = "Dr. Lee left at 5 p.m. on Monday. Who knew?"
    >>> [text[start:end] for start, end in split_sentences(text)]
    ['Dr. Lee left at 5 p.m. on Monday.', 'Who knew?']
    """
    spans: list[Span] = []
    done = 0
    for start, end in _prose(text):
        spans += _lines(text, done, start)
        spans += _sentences(text, start, end)
        done = end
    spans += _lines(text, done, len(text))
    if min(starmap(sub, spans), default=0) < -MAX_SENTENCE:
        return tuple(piece for start, end in spans for piece in _pieces(text, start, end))
    return tuple(spans)


def _prose(text: str) -> Iterator[Span]:
    """Paragraphs and list items that are prose. All lines between them stand for themselves."""
    has_cells = " | " in text or "\t" in text
    first, later = (_FIRST_APART_OR_CELLS, _NEXT_APART_OR_CELLS) if has_cells else (_FIRST_APART, _NEXT_APART)
    begun = 0  # where the open paragraph or list item begins
    in_item = False
    opening = first.match(text)
    for match in chain([opening] if opening else [], later.finditer(text)):
        line = match.start("line")
        if line < begun:
            continue  # within a fence
        kind = match.lastgroup
        if kind == "later_item":
            if in_item and (left := _item_end(text, begun, line)) < line:
                yield from _paragraph(text, begun, left)
                begun, in_item = left, False
            # As in Markdown, a wrapped line that happens to begin with "45." does not become an item.
            if not in_item and _INK.search(text, begun, line):
                if not _HAS_CELLS.match(text, line):
                    continue
                kind = "cells"
        yield from _block(text, begun, line, in_item)
        in_item = kind in ("item", "later_item")
        if in_item:
            begun = line
        elif kind == "fence":
            begun = _fence_end(text, match.end(), match["fence"])
        else:
            begun = match.end()
    yield from _block(text, begun, len(text), in_item)


def _block(text: str, start: int, end: int, in_item: bool) -> Iterator[Span]:
    """Plain lines that follow each other: a paragraph, or a list item and the paragraph right after it."""
    if in_item:
        left = _item_end(text, start, end)
        yield from _paragraph(text, start, left)
        start = left
    if start < end:
        yield from _paragraph(text, start, end)


def _item_end(text: str, start: int, end: int) -> int:
    """A wrapped item goes on indented, or at the margin after a line too long for a whole item."""
    position, previous = start, ""
    for line in text[start:end].splitlines(keepends=True):
        if previous and not (line[0].isspace() or line[0].islower() or len(previous) > 50):
            return position
        position += len(line)
        previous = line
    return end


def _paragraph(text: str, start: int, end: int) -> Iterator[Span]:
    """The lines without white space around them, unless most look like code or fields."""
    block = text[start:end].rstrip()
    end = start + len(block)
    block = block.lstrip()
    start = end - len(block)
    lines = block.splitlines()
    if lines and not (len(lines) > 1 and (looks_like_code(lines) or _lists_values(lines))):
        yield start, end


def looks_like_code(lines: Sequence[str]) -> bool:
    """Whether more than half of the lines look like code or like ``Key: value``, by their marks."""
    bare = "\n".join(["", *map(str.strip, lines)])
    return 2 * len(_CODE_LIKE.findall(bare)) > len(lines)


def _lists_values(lines: Sequence[str]) -> bool:
    """Whether they are rows such as ``Ada,1815``: as many commas in each, and no blank after any."""
    if len(lines) < 3:
        return False
    counts = {len(_BETWEEN_VALUES.findall(line)) for line in lines[:_ROWS_LOOKED_AT]}
    return len(counts) == 1 and counts != {0} and not any(", " in line for line in lines[:_ROWS_LOOKED_AT])


def _fence_end(text: str, start: int, fence: str) -> int:
    for match in _FENCE_ENDS[fence[0]].finditer(text, start):
        if len(match["fence"]) >= len(fence):
            return match.end()
    return len(text)


def _lines(text: str, start: int, end: int) -> list[Span]:
    return [match.span() for match in _LINE_TEXT.finditer(text, start, end)]


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    """A block of prose cut at its stops."""
    has_capitals = not text[start:end].islower()
    for stop in _STOP.finditer(text, start, end):
        cut = stop.end()
        if cut == end:
            break
        if stop.lastgroup == "hard":
            # "３．５" is a number, and a quotation followed by と belongs to the clause that reports it.
            is_end = not (text[stop.start()] == "．" and not stop["hard"] and text[cut].isalnum()) and text[cut] != "と"
        else:
            is_end = stop.lastgroup == "plain" or _ends_sentence(text, start, stop, end, has_capitals)
        if is_end:
            yield start, cut
            start = cut
            while text[start].isspace():
                start += 1
    yield start, end


def _ends_sentence(text: str, start: int, stop: re.Match[str], end: int, has_capitals: bool) -> bool:
    following = _NEXT.match(text, stop.end(), end)
    if following is None or following.start("open") == end:
        return False
    word, bracket = following["word"], following["open"].strip("\"'“‘„«‹*_`¿¡")
    if not word and following["dot"]:
        return False  # a spaced ellipsis
    if stop.start() > start and text[stop.start() - 1].isspace():
        return True
    if stop["soft"] or text[stop.start()] != ".":
        return not (word[:1].islower() and has_capitals)

    before = text[max(start, stop.start() - 24) : stop.start()].rsplit(None, 1)
    last = _ELISION.sub("", before[-1].lstrip(_OPENERS)) if before else ""
    if len(last) == 1 == len(word) and last.isalpha() and following["dot"]:
        return False  # "z. B.", "т. е."
    if last == "г" and not (len(before) == 2 and before[0][-1].isdigit()):
        return False  # "г. Москва" is a town, "1990 г." a year
    if last.lower() in _NEVER_END or last in _TITLES:
        return False
    if stop.start() - start <= 12 and _ENUMERATOR.match(text[start : stop.start()].lstrip()):
        return False
    if word[:1].isdigit():
        return last.lower() not in _BEFORE_NUMBER
    is_initial = len(last) == 1 and last.isalpha() and not (last.islower() and has_capitals)
    if is_initial or last.lower() in _END_BEFORE_STARTER or last in _END_BEFORE_STARTER or _DOTTED.match(last):
        starter = (word if has_capitals else word.capitalize()) in _STARTERS and not following["dot"]
        return starter and not bracket
    if word[:1].islower():
        return not has_capitals
    return not (last.isdigit() and len(last) < 3 and word in _AFTER_ORDINAL)


def _pieces(text: str, start: int, end: int) -> Iterator[Span]:
    """The sentence in pieces of at most ``MAX_SENTENCE``, without white space around them."""
    while start < end:
        piece = text[start : min(end, start + MAX_SENTENCE)]
        cut = start + len(piece)
        if cut < end and not piece[-1].isspace() and not text[cut].isspace():
            words = piece.rsplit(None, 1)
            cut -= len(words[1]) if len(words) == 2 else 0
            piece = text[start:cut]
        if stripped := piece.strip():
            first = start + piece.index(stripped[0])
            yield first, first + len(stripped)
        start = cut
