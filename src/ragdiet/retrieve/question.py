"""What a question asks for: words, "exact phrases", and -exclusions.

Phrases stand between ``"`` or typographic quotes, the first after a space or bracket, the last before a
space or sign, so that 5" is an inch; a quote without its other half is text.

An exclusion is a ``-`` after a space, or at the start, and right before a phrase or a word of three or more
letters (or ``C++``, ``C#``; in Chinese, Japanese and Korean of any length). So these are none: hyphens in
words, dashes between words ("sugar - free"), numbers (-5), flags such as ``-v``, ``-rf``, ``--help`` and
``-name=x``, and what stands between backticks.
In a text of several sentences, or of more than 40 words beside them, marks ask for nothing: it quotes titles, and
what others say (seven of CACM's 52 questions do, and lost a seventh of their nDCG to phrases they never meant).
Longer flags look like exclusions; in a sentence, which ends with a question mark, only the last words can
be some: "what does find -name do?" excludes nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragdiet.errors import InvalidArgument
from ragdiet.retrieve.rewrite import without_question_words
from ragdiet.sentences import split_sentences

if TYPE_CHECKING:
    from ragdiet.analysis import Analyzer

_QUOTED = '"(?P<straight>[^"]*)"|[“„](?P<curved>[^“”„]*)[”“]|«(?P<angled>[^«»]*)»'
_MARKED = re.compile(
    rf"""
    `[^`]*`
    | (?<![^\s(\[{{]) (?P<minus>-?) (?:{_QUOTED}) (?!\w)
    | (?<![^\s(]) -
        (?P<word> [A-Za-z](?:\+\+|\#) | [\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+ | [^\W\d_]{{3,}} (?:[\w.-]*\w)? )
        (?= [\s?!,;:.)]*(?:\s|$) )
    """,
    re.VERBOSE,
)
_MOST_WORDS = 40
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand one after the other. ``sequence`` is what they are compared by (see
    ``Analyzer.sequence``), ``terms`` what the index holds of them: a chunk with the phrase has them all."""

    sequence: tuple[str, ...]
    terms: tuple[str, ...]

    def stands_in(self, sequence: Sequence[str]) -> bool:
        """Whether a text with this ``Analyzer.sequence`` holds the phrase.

        >>> Phrase(("notic", "period"), ("notic", "period")).stands_in(["the", "notic", "period", "is"])
        True
        """
        size = len(self.sequence)
        wanted = list(self.sequence)
        start = -1
        while True:
            try:
                start = sequence.index(wanted[0], start + 1)
            except ValueError:
                return False
            if list(sequence[start : start + size]) == wanted:
                return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedQuestion:
    """``text`` is the question without its exclusions, for the embedder; ``terms`` with their occurrences
    those of the keyword leg, the phrases' among them. A chunk must hold each of ``phrases``, and neither a
    term of ``excluded`` nor one of ``excluded_phrases``."""

    text: str
    terms: Counter[str]
    phrases: tuple[Phrase, ...] = ()
    excluded: frozenset[str] = field(default=frozenset())
    excluded_phrases: tuple[Phrase, ...] = ()


def parse_question(question: str, analyzer: Analyzer, *, question_words: bool = False) -> ParsedQuestion:
    """Raises InvalidArgument where nothing is asked for, or a phrase has no word that the index holds.

    >>> from ragdiet.analysis import analyzer
    >>> parsed = parse_question('What is the "notice period" -probation', analyzer())
    >>> parsed.text, sorted(parsed.terms), parsed.excluded
    ('What is the "notice period"', ['notic', 'period'], frozenset({'probat'}))
    """
    phrases: list[Phrase] = []
    excluded: set[str] = set()
    excluded_phrases: list[Phrase] = []
    text = without_exclusions(question)
    loose: list[str] = []  # the text outside phrases
    end = 0
    for match, excludes in _marked(question):
        loose.append(question[end : match.start()])
        end = match.end()
        quoted = match["straight"] or match["curved"] or match["angled"] or ""
        if not excludes:
            if analyzer.sequence(quoted):
                phrases.append(_phrase(quoted, analyzer))
            else:
                loose.append(match.group())
            continue
        phrase = _phrase(match["word"] or quoted, analyzer)
        if len(phrase.sequence) == 1:
            excluded.add(phrase.terms[0])  # the whole of an identifier comes before its parts
        else:
            excluded_phrases.append(phrase)
    loose.append(question[end:])
    outside = " ".join(loose)
    terms = Counter(analyzer.terms(outside if question_words else without_question_words(outside, analyzer.language)))
    terms.update(term for phrase in phrases for term in phrase.terms)
    return ParsedQuestion(
        text=text,
        terms=terms,
        phrases=tuple(phrases),
        excluded=frozenset(excluded),
        excluded_phrases=tuple(excluded_phrases),
    )


def without_exclusions(question: str) -> str:
    """The question without what it excludes, in any language. Raises InvalidArgument where nothing is left.

    >>> without_exclusions('What is the "notice period" -probation')
    'What is the "notice period"'
    """
    kept: list[str] = []
    end = 0
    for match, excludes in _marked(question):
        kept += question[end : match.start()], "" if excludes else match.group()
        end = match.end()
    text = _SPACES.sub(" ", "".join((*kept, question[end:]))).strip()
    if not any(map(str.isalnum, text)) and any(map(str.isalnum, question)):
        raise InvalidArgument(
            f"the question {question!r} only says what to leave out: add what to look for, or put the - away"
        )
    return text


def _marked(question: str) -> list[tuple[re.Match[str], bool]]:
    """The phrases and exclusions in their order, each with whether it excludes."""
    if _is_text(_MARKED.sub(" ", question)):
        return []
    found = [match for match in _MARKED.finditer(question) if not match.group().startswith("`")]
    is_sentence = question.rstrip().endswith("?")
    marked: list[tuple[re.Match[str], bool]] = []
    after = len(question)
    at_end = True
    for match in reversed(found):
        at_end = at_end and not any(map(str.isalnum, question[match.end() : after]))
        excludes = match["word"] is not None or match["minus"] == "-"
        at_end = at_end and excludes
        if match["word"] is None or not is_sentence or at_end:
            marked.append((match, excludes))
        after = match.start()
    return marked[::-1]


def _is_text(outside: str) -> bool:
    return len(outside.split()) > _MOST_WORDS or len(split_sentences(outside)) > 1


def _phrase(text: str, analyzer: Analyzer) -> Phrase:
    terms = tuple(analyzer.terms(text))
    if not terms:
        raise InvalidArgument(
            f"the phrase {text!r} holds only words that the index leaves out: quote at least one telling word with "
            "them, or take the marks away"
        )
    return Phrase(tuple(analyzer.sequence(text)), terms)
