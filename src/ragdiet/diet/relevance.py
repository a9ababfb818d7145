"""How much each sentence bears on the question.

score = bm25(sentence and title) + bm25(passage) + cos(sentence)^2 + cos(passage)^2, each as a share of the
best one at hand, + 1 where the sentence holds the kind of thing asked for and the question does not say it itself,
+ 1 in a passage whose title the two best sentences name: the second half of a question that takes two documents.

Cosines with passages on one subject lie close together, so their shares are squared: else what tells the
best ones apart weighs less than the words do. ``python -m benchmarks.diet --only terms`` tells what
each is worth.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ragdiet.analysis import Analyzer
from ragdiet.bm25 import idf, weight
from ragdiet.diet.cues import answers_kind, plain_words, subject
from ragdiet.diet.passages import Part

SENTENCE_WORDS = 1.0
PASSAGE_WORDS = 1.0
SENTENCE_COSINE = 1.0
PASSAGE_COSINE = 1.0
ANSWER_KIND = 1.0
NAMED_TITLE = 1.0
BEST_OF_PASSAGE = 0.5
_LEADING_SENTENCES = 2
_IN_BRACKETS = re.compile(r"\([^()]*\)")


def relevance(question: str, parts: Sequence[Part], analyzer: Analyzer) -> NDArray[np.float64]:
    """Scores of all sentences of all parts in order, float64, (sentences,), each 0 or more.

    They compare within a call only. Without any cosine the words alone decide.
    """
    owner = np.repeat(np.arange(len(parts)), [len(part.spans) for part in parts])
    sentences = [part.sentence(index) for part in parts for index in range(len(part.spans))]

    by_word, by_word_whole = _keyword_shares(question, parts, sentences, owner, analyzer)
    scores = SENTENCE_WORDS * by_word + PASSAGE_WORDS * by_word_whole[owner]
    scores += _cosine_shares(parts, owner, by_word, by_word_whole)
    scores += ANSWER_KIND * answers_kind(question, sentences)
    best = np.argsort(-scores, kind="stable")[:_LEADING_SENTENCES]
    said = plain_words(" ".join(sentences[index] for index in best.tolist()))
    named = {title for title in {part.title for part in parts} if _is_named(title, said)}
    return scores + NAMED_TITLE * np.array([part.title in named for part in parts], dtype=np.float64)[owner]


def priority(scores: NDArray[np.float64], parts: Sequence[Part]) -> NDArray[np.float64]:
    """In which order sentences are worth a prompt's tokens: by relevance, and the best of each part a little before.

    What a passage says best is likelier to hold the answer than what another says second.
    """
    borders = np.cumsum([len(part.spans) for part in parts])[:-1]
    best = [first + int(own.argmax()) for first, own in zip((0, *borders), np.split(scores, borders), strict=True)]
    raised = scores.copy()
    raised[best] += BEST_OF_PASSAGE
    return raised


def _keyword_shares(
    question: str,
    parts: Sequence[Part],
    sentences: Sequence[str],
    owner: NDArray[np.intp],
    analyzer: Analyzer,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """BM25 as a share of the best one: of each sentence with its title, and of each part.

    A part's is counted among the parts at hand where sentence vectors tell what is meant, else it is
    the retriever's, counted in the corpus, if every hit brings it: measured, each is better there.
    """
    wanted = set(analyzer.terms(subject(question)) or analyzer.terms(question))
    title_terms = {title: analyzer.terms(title) for title in {part.title for part in parts}}
    wholes = [list(title_terms[part.title]) for part in parts]
    texts: list[list[str]] = []
    for index, sentence in zip(owner.tolist(), sentences, strict=True):
        terms = analyzer.terms(sentence)
        wholes[index] += terms
        texts.append(terms + title_terms[parts[index].title])
    _add_context(texts, parts, wanted)
    frequency = Counter(term for terms in texts for term in wanted.intersection(terms))
    importance = {term: idf(frequency[term], len(texts)) for term in frequency}
    in_corpus = np.array([np.nan if part.keyword_score is None else part.keyword_score for part in parts])
    if not in_corpus.max() > 0 or any(part.cosines is not None for part in parts):
        in_corpus = _bm25(wholes, importance)
    return _share(_bm25(texts, importance)), _share(in_corpus)


def _add_context(texts: Sequence[list[str]], parts: Sequence[Part], wanted: set[str]) -> None:
    """Give each sentence the words of the question that its headings, header row or lead-in say."""
    first = 0
    for part in parts:
        said = [wanted.intersection(terms) for terms in texts[first : first + len(part.spans)]]
        for index, unit in enumerate(part.units):
            context = (said[other] for other in (*unit.above, *unit.together) if other != index)
            texts[first + index] += sorted(set().union(*context).difference(said[index]))
        first += len(part.spans)


def _bm25(texts: Sequence[Sequence[str]], importance: Mapping[str, float]) -> NDArray[np.float64]:
    average = sum(map(len, texts)) / len(texts) or 1.0
    scores = np.zeros(len(texts))
    for index, terms in enumerate(texts):
        for term, count in Counter(filter(importance.__contains__, terms)).items():
            scores[index] += importance[term] * weight(count, len(terms), average)
    return scores


def _share(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.fmax(scores, 0.0)  # not a number, and below 0, count as 0
    best = known.max()
    return known / best if best > 0 else known


def _cosine_shares(
    parts: Sequence[Part],
    owner: NDArray[np.intp],
    by_word: NDArray[np.float64],
    by_word_whole: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Cosine of the sentence and of its part, each as a share of the best one, squared, weighted and summed.

    What is not known of a sentence is taken from its part, what is not known of either from the words,
    so that passages without vectors compete with those that have them. Where no cosine is known all are 0.
    """
    whole = np.array([np.nan if part.cosine is None else part.cosine for part in parts])
    if np.isnan(whole).all():
        return np.zeros_like(by_word)
    each = np.concatenate(
        [np.full(len(part.spans), np.nan) if part.cosines is None else part.cosines for part in parts]
    )
    whole_share = np.where(np.isnan(whole), by_word_whole, _share(whole))
    guess = np.where(np.isnan(whole)[owner], by_word, whole_share[owner])
    share = np.where(np.isnan(each), guess, _share(each))
    return SENTENCE_COSINE * share**2 + PASSAGE_COSINE * whole_share[owner] ** 2


def _is_named(title: str, said: str) -> bool:
    """Whether the text says the title, what stands in brackets aside: "Mercury (planet)" is "Mercury"."""
    words = plain_words(_IN_BRACKETS.sub("", title))
    return len(words) > 5 and words in said
