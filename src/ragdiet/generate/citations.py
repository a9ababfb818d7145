"""From ``[n]`` marks in a reply to the sentences they stand for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragdiet.analysis import analyzer
from ragdiet.sentences import split_sentences
from ragdiet.types import Citation, Context, Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = re.compile(r"\[(\d{1,4})\]")


def cited_claims(text: str) -> list[tuple[str, tuple[int, ...]]]:
    """Each sentence of a reply without its marks, and the block numbers that it names.

    A mark after the full stop belongs to the sentence before it.
    """
    claims: list[tuple[str, tuple[int, ...]]] = []
    for start, end in split_sentences(text):
        piece = text[start:end]
        leading = re.match(r"(?:\s*\[\d{1,4}\])+", piece)
        if leading and claims:
            claim, numbers = claims[-1]
            claims[-1] = (claim, numbers + tuple(map(int, MARK.findall(leading.group()))))
            piece = piece[leading.end() :]
        claim = MARK.sub("", piece).strip()
        if claim:
            claims.append((claim, tuple(map(int, MARK.findall(piece)))))
    return claims


def citations(text: str, context: Context) -> tuple[Citation, ...]:
    """For each block that ``text`` names, the kept sentence of it nearest in words to the claim.

    Numbers that are no block of the context are left out; the confidence signals count them.
    """
    uris = {source.n: source.uri for source in context.sources}
    kept: dict[int, list[Sentence]] = {}
    for sentence in context.kept:
        kept.setdefault(sentence.source, []).append(sentence)
    found: dict[tuple[int, int], Citation] = {}
    for claim, numbers in cited_claims(text):
        for n in numbers:
            if n not in kept:
                continue
            sentence = _nearest(claim, kept[n])
            found.setdefault(
                (n, sentence.start),
                Citation(
                    n=n,
                    document_id=sentence.document_id,
                    chunk_id=sentence.chunk_id,
                    text=sentence.text,
                    uri=uris.get(n),
                    start=sentence.start,
                    end=sentence.end,
                ),
            )
    return tuple(found.values())


def _nearest(claim: str, sentences: Iterable[Sentence]) -> Sentence:
    words = set(analyzer().terms(claim))
    return max(sentences, key=lambda sentence: (len(words & set(analyzer().terms(sentence.text))), sentence.score))
