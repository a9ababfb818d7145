"""Sentence spans of prose, Markdown and code, by rules: no model, no language setting, linear time.

First the lines are grouped into units that no sentence crosses (paragraph, list item, heading, table
row, line of code), then prose units are cut at their full stops. Where the rules doubt they join: a
sentence too long costs tokens, a sentence cut in two loses its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragdiet.types import Span

MAX_SENTENCE = 1_000
"""Characters. What runs longer without a stop (minified text, logs) is cut, at a space if there is one."""

# Each quantifier is possessive and no match can begin inside a run that was tried before, so that a
# line of 50 MB of any one character is scanned once.
_STOP = re.compile(
    r"""(?:
        (?P<soft>(?<![.!?…‼⁇⁈⁉])[.!?…‼⁇⁈⁉]++)(?P<mark>["'”’»›)\]}*_`]|\[\d{1,3}\])*+(?=\s)
        | (?P<hard>[。｡！？．।॥؟۔።။។։]++)["'”’»」』）】》〉〕)\]]*+
    )""",
    re.VERBOSE,
)
_OPENERS = "\"'“‘„«‹([{*_`¿¡"
_NEXT = re.compile(r"""\s++(?P<open>["'“‘„«‹(\[{*_`¿¡]*+)(?P<word>\w{0,24})(?P<dot>\.?)""")
_LINE = re.compile(
    r"""[ \t>]*+(?:
        (?P<fence>`{3,}+(?!.*`)|~{3,})
        | (?P<heading>\#{1,6}(?=\s))
        | (?P<item>(?:[-*+•◦▪‣–]|\(?(?:1|[A-Za-z]|[ivx]{1,5})\)|1\.)(?=[ \t]+\S))
        | (?P<later_item>(?:\d{1,3}[.)]|\(\d{1,3}\)|(?:[a-z]|[ivx]{1,5})\.)(?=[ \t]+\S))
        | (?P<row>\|)
    )""",
    re.VERBOSE,
)
_WORD = re.compile(r"\w")
_CODE_LIKE = re.compile(
    r"""[\w\]]\(|\s[-+*/|&:]?=\s|==|->|::|[{}();:\[=\\]\Z|[)\]}"'],\Z|\A["'<@$]|\A[\w .-]{1,30}:\s"""
)
_ENUMERATOR = re.compile(r"[ \t>(*_-]*(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})(?:\.\d{1,3})*\Z")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}\Z")

_NEVER_END = frozenset(
    "e.g eg i.e ie cf viz vs approx ca incl resp z.b d.h u.a bzw vgl ggf evtl sog p.ex par.ex "
    "dr mr mrs ms messrs prof capt sgt cmdr mme mlle sra srta dra sig dott avv hr frl".split()
)
# Words of the language when written small, so only with their capital.
_TITLES = frozenset("Gen Sen Rep Gov Lt Col Maj Adm Rev Hon Pres Fr Ing Lic".split())
_END_BEFORE_STARTER = frozenset(
    "st mt ft ave blvd rd inc ltd co corp bros jr sr al univ dept est assn figs eqs vols nos pp "
    "Fig Eq Sec Vol Ch Op Nr Abs Str Núm Pág Mag Bd Hrsg".split()
)
_BEFORE_NUMBER = frozenset(
    "no nos nr núm num n p pp s ss f ff fig figs eq eqs sec sect vol vols ch art arts abs para ver v tab ref "
    "refs cap pág pag op ex ed c b d r al § jan feb mar apr jun jul aug sep sept oct nov dec".split()
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
    for start, end, prose in _units(text):
        if prose:
            for stop in _stops(text, start, end):
                spans.extend(_pieces(text, start, stop))
                start = stop
        spans.extend(_pieces(text, start, end))
    return tuple(spans)


def _units(text: str) -> Iterator[tuple[int, int, bool]]:
    """Stretches no sentence crosses, as (start, end, whether it is prose). Blank lines lie between."""
    lines: list[tuple[int, int]] = []  # the open paragraph or list item
    in_item = False
    fence = ""
    position = 0
    for line in text.splitlines(keepends=True):
        start, position = position, position + len(line)
        stripped = line.strip()
        if not stripped:
            yield from _paragraph(text, lines)
            lines, in_item = [], False
            continue
        match = _LINE.match(line)
        kind = match.lastgroup if match else None
        if fence:
            yield start, position, False
            if stripped.startswith(fence) and not stripped.strip(fence[0]):
                fence = ""
        elif kind == "item" or (kind == "later_item" and (in_item or not lines)):
            # As in Markdown, a wrapped line that happens to begin with "45." does not become an item.
            yield from _paragraph(text, lines)
            lines, in_item = [(start, position)], True
        elif kind in ("fence", "heading", "row") or " | " in line or "\t" in stripped or not _WORD.search(line):
            yield from _paragraph(text, lines)
            lines, in_item = [], False
            yield start, position, False
            fence = match["fence"] if match and kind == "fence" else ""
        else:
            # A wrapped item goes on indented, or at the margin after a line too long for a whole item.
            previous = lines[-1][1] - lines[-1][0] if lines else 0
            if in_item and not (line[0].isspace() or line[0].islower() or previous > 50):
                yield from _paragraph(text, lines)
                lines, in_item = [], False
            lines.append((start, position))
    yield from _paragraph(text, lines)


def _paragraph(text: str, lines: list[tuple[int, int]]) -> Iterator[tuple[int, int, bool]]:
    """Consecutive lines as one prose unit, or line by line where most of them look like code or fields."""
    if not lines:
        return
    if len(lines) > 1 and 2 * sum(bool(_CODE_LIKE.search(text[a:b].strip())) for a, b in lines) > len(lines):
        yield from ((start, end, False) for start, end in lines)
    else:
        yield lines[0][0], lines[-1][1], True


def _stops(text: str, start: int, end: int) -> Iterator[int]:
    """Where the sentences of a prose unit end, its own end left out."""
    has_capitals = not text[start:end].islower()
    sentence = start
    for match in _STOP.finditer(text, start, end):
        stop = match.end()
        if match["hard"]:
            follower = text[stop : stop + 1]
            # "３．５" is a number, and a quotation followed by と belongs to the clause that reports it.
            is_end = not (match["hard"] == "．" and follower.isalnum()) and follower != "と"
        else:
            is_end = _ends_sentence(text, sentence, match, end, has_capitals)
        if is_end:
            yield stop
            sentence = stop


def _ends_sentence(text: str, start: int, stop: re.Match[str], end: int, has_capitals: bool) -> bool:
    following = _NEXT.match(text, stop.end(), end)
    if following is None or following.start("open") == end:
        return False
    word, bracket = following["word"], following["open"].strip("\"'“‘„«‹*_`¿¡")
    if not word and following["dot"]:
        return False  # a spaced ellipsis
    if stop.start() > start and text[stop.start() - 1].isspace():
        return True
    if stop["soft"] != ".":
        return not (word[:1].islower() and has_capitals)

    before = text[max(start, stop.start() - 24) : stop.start()].rsplit(None, 1)
    last = before[-1].lstrip(_OPENERS) if before else ""
    if last.lower() in _NEVER_END or last in _TITLES:
        return False
    if stop.start() - start <= 12 and _ENUMERATOR.match(text[start : stop.start()].lstrip()):
        return False
    if word[:1].isdigit():
        return last.lower() not in _BEFORE_NUMBER
    is_initial = len(last) == 1 and last.isalpha() and (last.isupper() or not has_capitals)
    if is_initial or last.lower() in _END_BEFORE_STARTER or last in _END_BEFORE_STARTER or _DOTTED.match(last):
        starter = (word if has_capitals else word.capitalize()) in _STARTERS and not following["dot"]
        return starter and not bracket
    if word[:1].islower():
        return not has_capitals
    return not (last.isdigit() and len(last) < 3 and word in _AFTER_ORDINAL)


def _pieces(text: str, start: int, end: int) -> Iterator[Span]:
    """The stretch without surrounding white space, in pieces of at most ``MAX_SENTENCE``."""
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
