"""Retrieved sentences that a guard refuses are taken out of the hits, before anything is made of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from ragdiet.sentences import split_sentences
from ragdiet.types import GuardVerdict, Hit, Sentence, Span

_SHOWN = 60
_TITLE = -1
_LINE = re.compile(r"[^\n]*\S[^\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """``hits`` as they may be read; ``withheld`` is what was taken out, with the guard's highest score; ``reasons``
    say what was taken out or, where the guard only flags, what was left in."""

    hits: tuple[Hit, ...]
    withheld: tuple[Sentence, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Piece:
    """``text[start:end]`` of a hit: its sentence number ``row``, a line of that, or its title."""

    hit: int
    row: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Cut:
    """What a sentence loses, and what is left of it."""

    row: int
    refused: list[tuple[_Piece, GuardVerdict]] = field(default_factory=list)
    flagged: list[tuple[_Piece, GuardVerdict]] = field(default_factory=list)
    left: Span | None = None


def screened(hits: Sequence[Hit], judge: Callable[[Sequence[str]], Sequence[GuardVerdict]]) -> Screened:
    """Each sentence, each line of one that has several, and each title of the hits judged.

    What is refused becomes white space, so that all offsets stay right: lines at the edges of a sentence, else all of
    it. A title that is refused goes.
    """
    spans = [_spans(hit) for hit in hits]
    pieces = [piece for number, hit in enumerate(hits) for piece in _pieces(number, hit, spans[number])]
    verdicts = judge([_text(hits[piece.hit], piece) for piece in pieces])
    cuts: dict[int, list[_Cut]] = {}
    for (number, _), group in groupby(zip(pieces, verdicts, strict=True), lambda pair: (pair[0].hit, pair[0].row)):
        cuts.setdefault(number, []).append(_cut([*group]))
    kept = [_without(hit, spans[number], cuts.get(number, ())) for number, hit in enumerate(hits)]
    withheld: list[Sentence] = []
    reasons: list[str] = []
    for number, of_hit in cuts.items():
        hit = hits[number]
        for cut in of_hit:
            withheld += (_withheld(hit, piece, verdict) for piece, verdict in cut.refused)
            reasons += (_reason("left out of", hit, piece, verdict) for piece, verdict in cut.refused)
            reasons += (_reason("found in", hit, piece, verdict) for piece, verdict in cut.flagged)
    return Screened(hits=tuple(kept), withheld=tuple(withheld), reasons=tuple(reasons))


def _spans(hit: Hit) -> Sequence[Span]:
    """The hit's own sentences where they cover its text, else those found in it."""
    position, covered = 0, bool(hit.sentences)
    for start, end in hit.sentences:
        covered = covered and position <= start < end <= len(hit.text) and not hit.text[position:start].strip()
        position = end
    return hit.sentences if covered and not hit.text[position:].strip() else split_sentences(hit.text)


def _pieces(number: int, hit: Hit, spans: Sequence[Span]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for row, (start, end) in enumerate(spans):
        lines = [line.span() for line in _LINE.finditer(hit.text, start, end)]
        pieces += (_Piece(number, row, *span) for span in ((start, end), *(lines if len(lines) > 1 else ())))
    if hit.title:
        pieces.append(_Piece(number, _TITLE, 0, 0))
    return pieces


def _text(hit: Hit, piece: _Piece) -> str:
    return (hit.title or "") if piece.row == _TITLE else hit.text[piece.start : piece.end]


def _cut(judged: Sequence[tuple[_Piece, GuardVerdict]]) -> _Cut:
    """Of a sentence, and of its lines where it has several."""
    whole, *lines = judged
    row = whole[0].row
    refused = [pair for pair in lines if pair[1].action == "block"]
    stays = [number for number, (_, verdict) in enumerate(lines) if verdict.action != "block"]
    if refused and stays and stays[-1] - stays[0] == len(stays) - 1:
        return _Cut(row, refused=refused, left=(lines[stays[0]][0].start, lines[stays[-1]][0].end))
    if refused or whole[1].action == "block":
        worst = whole[1] if whole[1].action == "block" else refused[0][1]
        return _Cut(row, refused=[(whole[0], worst)])
    flagged = [pair for pair in (whole, *lines) if pair[1].reason]
    return _Cut(row, flagged=flagged[:1], left=(whole[0].start, whole[0].end))


def _without(hit: Hit, spans: Sequence[Span], cuts: Sequence[_Cut]) -> Hit:
    if not any(cut.refused for cut in cuts):
        return hit
    text = hit.text
    for piece in (piece for cut in cuts for piece, _ in cut.refused):
        blank = re.sub(r"[^\n]", " ", text[piece.start : piece.end])
        text = f"{text[: piece.start]}{blank}{text[piece.end :]}"
    left = {cut.row: cut.left for cut in cuts if cut.left}
    rows = [row for row in range(len(spans)) if row in left]
    is_own = spans is hit.sentences
    return replace(
        hit,
        text=text,
        title=None if any(cut.row == _TITLE and cut.refused for cut in cuts) else hit.title,
        sentences=tuple(left[row] for row in rows) if is_own else (),
        sentence_vectors=hit.sentence_vectors[rows] if is_own and hit.sentence_vectors is not None else None,
    )


def _withheld(hit: Hit, piece: _Piece, verdict: GuardVerdict) -> Sentence:
    return Sentence(
        document_id=hit.document_id,
        text=_text(hit, piece),
        start=hit.start + piece.start,
        end=hit.start + piece.end,
        score=max(verdict.scores.values(), default=0.0),
        chunk_id=hit.chunk_id,
    )


def _reason(what: str, hit: Hit, piece: _Piece, verdict: GuardVerdict) -> str:
    text = " ".join(_text(hit, piece).split())
    shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return f'{what} {hit.document_id}: "{shown}" as {verdict.reason or "refused"}'
