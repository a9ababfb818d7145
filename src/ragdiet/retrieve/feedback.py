"""Words to ask with, out of what a first search brought: pseudo-relevance feedback.

RM1 of Lavrenko and Croft, "Relevance-Based Language Models" (2001), with BM25's weights in place of word
probabilities: a term counts by its weight in each of the first hits, times its idf in the corpus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ragdiet.analysis.words import words
from ragdiet.bm25 import idf, weight

if TYPE_CHECKING:
    from ragdiet.analysis import Analyzer
    from ragdiet.types import Hit

HITS = 5
TERMS = 10


def hit_terms(hits: Sequence[Hit], analyzer: Analyzer) -> set[str]:
    """The terms whose frequencies ``feedback_words`` wants to know."""
    return {term for hit in hits[:HITS] for term in analyzer.terms(_said(hit))}


def feedback_words(
    question: str,
    hits: Sequence[Hit],
    analyzer: Analyzer,
    frequencies: Mapping[str, int],
    chunks: int,
    n: int = TERMS,
) -> tuple[str, ...]:
    """The ``n`` words that tell the first hits from the rest of the corpus, the best first, as they are
    written there; none that the question has.

    ``frequencies``: chunks of the corpus that hold a term, by term; ``chunks``: how many it has.
    """
    counted = [Counter(analyzer.terms(_said(hit))) for hit in hits[:HITS]]
    average = sum(map(Counter.total, counted)) / len(counted) if counted else 1.0
    asked = set(analyzer.terms(question))
    scores: dict[str, float] = {}
    for terms in counted:
        for term, count in terms.items():
            if term not in asked and frequencies.get(term, 0) > 1:
                gain = weight(count, terms.total(), average) * idf(frequencies[term], chunks)
                scores[term] = scores.get(term, 0.0) + gain
    written: dict[str, Counter[str]] = {}
    for hit in hits[:HITS]:
        for word in words(_said(hit)):
            for term in analyzer.terms(word):
                written.setdefault(term, Counter())[word.lower()] += 1
    best = sorted(scores, key=lambda term: (-scores[term], term))[:n]
    return tuple(dict.fromkeys(written[term].most_common(1)[0][0] for term in best))


def _said(hit: Hit) -> str:
    return f"{hit.title or ''}\n{hit.text}"
