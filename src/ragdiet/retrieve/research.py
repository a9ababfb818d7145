"""A second search, in the corpus's own words, for a question whose first search found nothing good.

What each step brings, counted among the questions of SQuAD, Cranfield, CACM and NQ whose first search has nothing
relevant in its first ten hits: words of the hits find a relevant text for 25 of 101, among the first ten. With
two words of each question misspelt, corrected spelling, in both legs, does so for 25 of 57, and words of the hits
for 6: there the first hits answer another question. Dropping words such as "tell me about" did so for 2 of 101,
and is not done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragdiet.retrieve.feedback import feedback_words, hit_terms
from ragdiet.retrieve.question import parse_question
from ragdiet.retrieve.rewrite import without_question_words
from ragdiet.retrieve.spelling import corrected

if TYPE_CHECKING:
    from ragdiet.retrieve.spelling import Change
    from ragdiet.retrieve.vocabulary import Vocabulary
    from ragdiet.types import Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """``question`` is for the embedder and for "did you mean"; ``keywords``, which holds it with its phrases and
    exclusions, for the keyword leg. ``reasons`` say what was done, for the record of the attempt."""

    question: str
    keywords: str
    changes: tuple[Change, ...] = ()
    reasons: tuple[str, ...] = ()


def re_search(question: str, hits: Sequence[Hit], vocabulary: Vocabulary, chunks: int) -> Rewritten:
    """The question as a second search is to ask it; ``hits`` are what the first one brought, out of ``chunks``.

    Unknown words are corrected by the corpus's vocabulary; where all are known, the words that tell the first
    hits from the rest of the corpus are added, the question's own counting double.
    """
    correction = corrected(question, vocabulary)
    if correction.changes:
        made = ", ".join(f"{change.written} to {change.corrected}" for change in correction.changes)
        return Rewritten(
            question=correction.question,
            keywords=correction.question,
            changes=correction.changes,
            reasons=(f"spelling: {made}",),
        )
    analyzer = vocabulary.analyzer
    asked = parse_question(question, analyzer)
    frequencies = vocabulary.frequencies(hit_terms(hits, analyzer))
    added = feedback_words(question, hits, analyzer, frequencies, chunks)
    if not added:
        return Rewritten(question=question, keywords=question)
    # The question comes last, as it is: whether a "-" excludes can depend on how it ends.
    telling = without_question_words(asked.text, analyzer.language)
    return Rewritten(
        question=question,
        keywords=" ".join((telling, *added, question)),
        reasons=(f"with words of the first hits: {', '.join(added)}",),
    )
