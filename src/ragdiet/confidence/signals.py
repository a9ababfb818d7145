"""What retrieval and an answer show for free about whether the answer is right.

Pure functions, each giving a number in [0, 1], or NaN where the signal cannot be known (a retriever
that gives no scores, a single hit that has nothing to stand out from). Only the first ten hits count,
so that a wider search is measured by the same yardstick.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from ragdiet.analysis import analyzer
from ragdiet.bm25 import idf
from ragdiet.confidence.wording import is_negated, opposites, specifics, subject_terms, words_of
from ragdiet.sentences import split_sentences

if TYPE_CHECKING:
    from ragdiet.types import Context, Generation, Hit, Sentence

_HITS = 10
_NEAR = 4
_MARK = re.compile(r"\[(\d{1,4})\]")
_STOP_THEN_MARKS = re.compile(r"([.!?])((?:\s*\[\d{1,4}\])+)")
_BLOCKED = frozenset({"guardrail_intervened", "content_filtered", "malformed_model_output", "malformed_tool_use"})
_CUT_OFF = frozenset({"max_tokens", "model_context_window_exceeded"})
UNKNOWN = math.nan

COSINE_SIGNALS = frozenset({"best_cosine", "cosine_margin"})
TOPIC_SIGNALS = ("best_cosine", "legs_agree", "sentence_coverage")
RETRIEVAL_SIGNALS = (
    *TOPIC_SIGNALS,
    "cosine_margin",
    "specifics_missing",
    "negation_missing",
    "opposite_said",
)
ANSWER_SIGNALS = (
    "best_cosine",
    "cosine_margin",
    "legs_agree",
    "from_first_hit",
    "answer_margin",
    "answer_coverage",
    "phrases_kept",
    "specifics_missing",
    "negation_missing",
    "opposite_said",
)


class Reading:
    """A question and its hits, read once for all signals."""

    def __init__(self, question: str, hits: Sequence[Hit], language: str = "english") -> None:
        self.question = question
        self.hits = hits[:_HITS]
        self.language = language
        self.sequence = subject_terms(question, language)
        self.terms = tuple(dict.fromkeys(self.sequence))
        self.specifics = specifics(question, language)
        self.titles = [self.words(hit.title or "") for hit in self.hits]
        self.sentences: list[tuple[int, str, frozenset[str]]] = []
        for index, hit in enumerate(self.hits):
            for start, end in hit.sentences or split_sentences(hit.text):
                text = hit.text[start:end]
                self.sentences.append((index, text, self.words(text)))
        self.hit_words = list(self.titles)
        for index, _, words in self.sentences:
            self.hit_words[index] |= words

    def words(self, text: str) -> frozenset[str]:
        """Stems and numbers of a text in the collection's language."""
        return words_of(text, self.language)

    @cached_property
    def importance(self) -> dict[str, float]:
        """BM25's idf of the question's terms, counted in the hits' sentences: what none has counts most."""
        frequency = {term: sum(term in words for _, _, words in self.sentences) for term in self.terms}
        return {term: idf(frequency[term], len(self.sentences)) for term in self.terms}

    def coverage(self, words: frozenset[str]) -> float:
        """Share of the question's terms among ``words``, weighted by importance."""
        total = sum(self.importance.values())
        return sum(self.importance[term] for term in self.terms if term in words) / total if total else 0.0

    def missing_specifics(self, words: frozenset[str]) -> float:
        """1 where ``words`` lacks a name, a number or an identifier of the question; unknown where it has none."""
        return float(not all(named <= words for named in self.specifics)) if self.specifics else UNKNOWN

    def has_opposite(self, words: frozenset[str]) -> float:
        """1 where a term of the question is missing and its opposite is there ("first" for "last")."""
        if self.language != "english":
            return UNKNOWN
        known = opposites()
        return float(any(term not in words and known.get(term, frozenset()) & words for term in self.terms))

    def lacks_negation(self, text: str) -> float:
        """1 where the question denies something and the text does not. The reverse is no sign of anything:
        "how do I ..." is well answered by "you cannot"."""
        asked = is_negated(self.question, self.language)
        return UNKNOWN if asked is None else float(asked and not is_negated(text, self.language))

    def best_sentence(self) -> tuple[str, frozenset[str]]:
        """The hits' sentence that covers most of the question, and its words with those of its title."""
        index, text, words = max(
            self.sentences,
            key=lambda sentence: self.coverage(sentence[2] | self.titles[sentence[0]]),
            default=(0, "", frozenset[str]()),
        )
        return text, words | self.titles[index] if self.titles else words


def retrieval_signals(reading: Reading) -> dict[str, float]:
    """Gate 1, by name. There must be a hit."""
    text, words = reading.best_sentence()
    return {
        "best_cosine": best_cosine(reading.hits),
        "cosine_margin": cosine_margin(reading.hits),
        "legs_agree": legs_agree(reading.hits, reading.hits),
        "sentence_coverage": reading.coverage(words),
        "specifics_missing": reading.missing_specifics(words),
        "negation_missing": reading.lacks_negation(text),
        "opposite_said": reading.has_opposite(words),
    }


def answer_signals(reading: Reading, context: Context, generation: Generation) -> dict[str, float]:
    """Gate 2, by name. There must be a hit and a kept sentence that the reply cites."""
    cited = cited_sentences(context, generation.text, reading.language)
    titles = {source.n: source.title or "" for source in context.sources}
    text = " ".join(sentence.text for sentence in cited)
    words = reading.words(text).union(*(reading.words(titles.get(sentence.source, "")) for sentence in cited))
    chunks = {sentence.chunk_id for sentence in cited}
    owners = [hit for hit in reading.hits if hit.chunk_id in chunks]
    return {
        "best_cosine": best_cosine(owners),
        "cosine_margin": cosine_margin(reading.hits),
        "legs_agree": legs_agree(owners, reading.hits),
        "from_first_hit": float(any(sentence.document_id == reading.hits[0].document_id for sentence in cited)),
        "answer_margin": answer_margin(cited, context),
        "answer_coverage": reading.coverage(words),
        "phrases_kept": phrases_kept(reading.sequence, text, reading.language),
        "specifics_missing": reading.missing_specifics(words),
        "negation_missing": reading.lacks_negation(text),
        "opposite_said": reading.has_opposite(words),
    }


def best_cosine(hits: Iterable[Hit]) -> float:
    """The greatest cosine with the question, 0 at least; unknown without dense scores."""
    return max(_cosines(hits), default=UNKNOWN)


def cosine_margin(hits: Iterable[Hit]) -> float:
    """By how much the best cosine stands out from the mean of the others."""
    cosines = sorted(_cosines(hits), reverse=True)
    return cosines[0] - sum(cosines[1:]) / len(cosines[1:]) if len(cosines) > 1 else UNKNOWN


def legs_agree(hits: Iterable[Hit], among: Sequence[Hit]) -> float:
    """1 / the worse of a hit's two ranks, for the hit where that is best; unknown where ``among`` has
    no hit of one leg."""
    if not (any(hit.dense_rank for hit in among) and any(hit.keyword_rank for hit in among)):
        return UNKNOWN
    return max(
        (1 / max(hit.dense_rank, hit.keyword_rank) for hit in hits if hit.dense_rank and hit.keyword_rank),
        default=0.0,
    )


def answer_margin(cited: Sequence[Sentence], context: Context) -> float:
    """By how much the best cited sentence outscores the best one left uncited, as a share of its score."""
    places = {(sentence.source, sentence.start) for sentence in cited}
    best = max((sentence.score for sentence in cited), default=0.0)
    others = [sentence.score for sentence in context.kept if (sentence.source, sentence.start) not in places]
    if best <= 0 or not others:
        return UNKNOWN
    return min(1.0, max(0.0, 1 - max(others) / best))


def phrases_kept(sequence: Sequence[str], text: str, language: str = "english") -> float:
    """Share of the question's neighbouring terms that stand within four words of each other in the text."""
    pairs = set(pairwise(sequence))
    if not pairs:
        return UNKNOWN
    terms = analyzer(language).terms(text)
    places: dict[str, list[int]] = {}
    for place, term in enumerate(terms):
        places.setdefault(term, []).append(place)
    kept = sum(
        any(abs(a - b) <= _NEAR for a in places.get(first, ()) for b in places.get(second, ()))
        for first, second in pairs
    )
    return kept / len(pairs)


def cited_sentences(context: Context, reply: str, language: str = "english") -> list[Sentence]:
    """The kept sentences that a reply rests on: of each cited block those it quotes, else the one nearest
    in words."""
    numbers = {int(number) for number in _MARK.findall(reply)}
    said = " ".join(_MARK.sub("", reply).split())
    words = words_of(said, language)
    blocks: dict[int, list[Sentence]] = {}
    for sentence in context.kept:
        if sentence.source in numbers:
            blocks.setdefault(sentence.source, []).append(sentence)
    found: list[Sentence] = []
    for sentences in blocks.values():
        quoted = [sentence for sentence in sentences if " ".join(sentence.text.split()) in said]
        nearest = max(sentences, key=lambda sentence: (len(words & words_of(sentence.text, language)), sentence.score))
        found += quoted or [nearest]
    return found


def cited_documents(context: Context, reply: str) -> list[str]:
    """The ids of the documents whose blocks a reply cites."""
    numbers = {int(number) for number in _MARK.findall(reply)}
    return sorted({source.document_id for source in context.sources if source.n in numbers})


def support(context: Context, generation: Generation, language: str = "english") -> float:
    """How far a reply stands on its citations, in [0, 1]: the mean over its sentences, halved where it
    was cut off; 0 where it was blocked.

    A sentence has 1 when the cited blocks hold it word for word; else, when it is marked, the share of
    its names and numbers that they hold; else 0. Not fitted: it scales the model's estimate down.
    """
    numbers = {int(number) for number in _MARK.findall(generation.text)}
    cited = [sentence for sentence in context.kept if sentence.source in numbers]
    if generation.stop_reason in _BLOCKED or not cited:
        return 0.0
    quotable = " ".join(" ".join(sentence.text for sentence in cited).split())
    held = words_of(quotable, language)
    held = held.union(*(words_of(source.title or "", language) for source in context.sources if source.n in numbers))
    shares = []
    for claim, marked in _claims(generation.text):
        said = specifics(claim, language)
        share = sum(named <= held for named in said) / len(said) if said else 1.0
        shares.append(1.0 if claim in quotable else share * marked)
    if not shares:
        return 0.0
    return sum(shares) / len(shares) * (0.5 if generation.stop_reason in _CUT_OFF else 1.0)


def _claims(reply: str) -> list[tuple[str, bool]]:
    """Sentences of a reply without their marks, and whether each has one; a mark that follows the full
    stop belongs to the sentence before it."""
    claims: list[tuple[str, bool]] = []
    reply = _STOP_THEN_MARKS.sub(r"\2\1", reply)
    for start, end in split_sentences(reply):
        claim = " ".join(_MARK.sub("", reply[start:end]).split())
        if claim:
            claims.append((claim, _MARK.search(reply[start:end]) is not None))
    return claims


def _cosines(hits: Iterable[Hit]) -> list[float]:
    # Exactly 0 is what a retriever without vectors leaves; NaN what a zero vector gives.
    return [min(1.0, max(0.0, hit.dense_score)) for hit in hits if hit.dense_score and math.isfinite(hit.dense_score)]
