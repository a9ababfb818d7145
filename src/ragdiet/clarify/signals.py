"""What a question and its hits show for free about whether the question can be answered as it stands."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragdiet.bm25 import idf
from ragdiet.clarify.wording import parts, subject_terms

if TYPE_CHECKING:
    from ragdiet.analysis import Analyzer
    from ragdiet.types import Hit

MOST_TERMS = 2
"""A subject of more words than this is not taken for ambiguous, whatever it finds."""
_COMPARED = 3
_HITS = 10
_CHOOSES = re.compile(r"\d|[\"“„«`]|(?<=\w)[^\S\n]+[A-Z]")  # a number, a quotation, a name that is not the first word


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The hits of one document, or of one section where all hits are of one document. ``heading`` is its title or
    the section's heading; ``cosine`` and ``keyword`` are the best scores of its hits."""

    heading: str
    cosine: float
    keyword: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """``terms``: of the question's subject. ``clusters``: those whose hits hold all of them, best first, where the
    question does not choose between them. ``margin``: by how much the first one's cosine is above the third one's;
    ``ratio``: the third one's BM25 score as a share of the first one's; NaN where that cannot be known.

    ``parts``: the questions that it asks, where they are two or more. ``apart``: the share of its subject that each
    part finds in some hit at least, ``together``: the most that one hit has of all parts; both in [0, 1].
    """

    terms: tuple[str, ...]
    clusters: tuple[Cluster, ...] = ()
    margin: float = math.nan
    ratio: float = math.nan
    parts: tuple[str, ...] = field(default=())
    apart: float = 0.0
    together: float = 0.0


def signals(question: str, hits: Sequence[Hit], analyzer: Analyzer) -> Signals:
    """Of the first ten hits. Texts are looked at only for a short subject or for two questions in one."""
    terms = subject_terms(question, analyzer)
    hits = hits[:_HITS]
    is_english = analyzer.language == "english"
    if is_english and (asked := parts(question)):
        apart, together = _coverage(asked, hits, analyzer)
        return Signals(terms=terms, parts=asked, apart=apart, together=together)
    if not 0 < len(terms) <= MOST_TERMS or (is_english and _CHOOSES.search(question)):
        return Signals(terms=terms)
    found = _clusters(terms, hits, analyzer)
    compared = found[:_COMPARED]
    is_comparable = len(compared) == _COMPARED
    return Signals(
        terms=terms,
        clusters=found,
        margin=compared[0].cosine - compared[-1].cosine if is_comparable and compared[-1].cosine else math.nan,
        ratio=compared[-1].keyword / compared[0].keyword if is_comparable and compared[0].keyword else math.nan,
    )


def headings(hits: Sequence[Hit]) -> list[str]:
    """What each hit stands under: its title, or its section's heading where all are of one document; may be empty."""
    if len({hit.document_id for hit in hits}) > 1:
        return [hit.title or "" for hit in hits]
    return [str(hit.meta.get("heading") or hit.title or "") for hit in hits]


def _clusters(terms: Sequence[str], hits: Sequence[Hit], analyzer: Analyzer) -> tuple[Cluster, ...]:
    subject = set(terms)
    found: dict[str, Cluster] = {}
    for heading, hit in zip(headings(hits), hits, strict=True):
        named = set(subject_terms(heading, analyzer))
        if not named:
            continue
        if named <= subject:
            return ()  # the question names it
        if subject <= named.union(analyzer.terms(said(hit))):
            known = found.get(heading)
            found[heading] = Cluster(
                heading=heading,
                cosine=max(hit.dense_score, known.cosine if known else -1.0),
                keyword=max(hit.keyword_score, known.keyword if known else 0.0),
            )
    return tuple(sorted(found.values(), key=lambda cluster: (-cluster.cosine, -cluster.keyword)))


def _coverage(asked: Sequence[str], hits: Sequence[Hit], analyzer: Analyzer) -> tuple[float, float]:
    """``Signals.apart`` and ``together``, terms weighted by how few of the hits have them."""
    texts = [set(analyzer.terms(said(hit))) for hit in hits]
    subjects = [subject_terms(part, analyzer) for part in asked]
    if not texts or not all(subjects):
        return 0.0, 0.0
    every = {term for subject in subjects for term in subject}
    weights = {term: idf(sum(term in text for text in texts), len(texts)) for term in every}
    shares = [
        [
            sum(weights[term] for term in subject if term in text) / sum(weights[term] for term in subject)
            for subject in subjects
        ]
        for text in texts
    ]
    return min(map(max, zip(*shares, strict=True))), max(map(min, shares))


def said(hit: Hit) -> str:
    """All that a hit says, its title and heading among it."""
    return f"{hit.title or ''}\n{hit.meta.get('heading') or ''}\n{hit.text}"
