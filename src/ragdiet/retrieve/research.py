"""A second search, in the corpus's own words, for a question whose first search found nothing good.

What each step brings, counted among questions whose first search has nothing relevant in its first ten hits: ten
words of the hits find a relevant text, among the first ten, for 25 of 101 well-spelt ones (SQuAD 8, Cranfield 0,
CACM 1, NQ 16). With two words of each question misspelt (57 of SQuAD, Cranfield and CACM; NQ was not run),
corrected spelling, in both legs, does so for 25, and words of the hits for 5: there the first hits answer another
question. Dropping words such as "tell me about" did so for 2 of 101, and is not done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragdiet.analysis import analyzer
from ragdiet.retrieve.feedback import feedback_words, hit_terms
from ragdiet.retrieve.question import parse_question
from ragdiet.retrieve.rewrite import without_question_words
from ragdiet.retrieve.spelling import corrected
from ragdiet.retrieve.statements import statement
from ragdiet.retrieve.vocabulary import Vocabulary
from ragdiet.types import Rewritten

if TYPE_CHECKING:
    import psycopg

    from ragdiet.protocols import Database
    from ragdiet.types import Hit


class CorpusRewriter:
    """Rewrites a question by the words of the collection it is asked of. Fits ``protocols.Rewriter``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rewrite(
        self, question: str, hits: Sequence[Hit], *, tenant: str = "", collection: str = "default"
    ) -> Rewritten:
        """See ``re_search``; the question as it is where the collection was never filled."""

        def work(connection: psycopg.Connection) -> Rewritten:
            row = connection.execute(statement("corpus.sql"), {"tenant": tenant, "collection": collection}).fetchone()
            if row is None:
                return Rewritten(question=question, keywords=question)
            corpus_id, chunks, language = row
            return re_search(question, hits, Vocabulary(connection, corpus_id, analyzer(language)), chunks)

        return self._database.run(work, tenant=tenant, read_only=True)


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
    words = vocabulary.analyzer
    asked = parse_question(question, words)
    frequencies = vocabulary.frequencies(hit_terms(hits, words))
    added = feedback_words(question, hits, words, frequencies, chunks)
    if not added:
        return Rewritten(question=question, keywords=question)
    # The question comes last, as it is: whether a "-" excludes can depend on how it ends.
    telling = without_question_words(asked.text, words.language)
    return Rewritten(
        question=question,
        keywords=" ".join((telling, *added, question)),
        reasons=(f"with words of the first hits: {', '.join(added)}",),
    )
