"""Words of a question that the corpus does not have, corrected to those it has.

Candidates are what is one edit away (P. Norvig, "How to Write a Spelling Corrector", 2007), looked up all at once
among the corpus's terms; for longer words without any, also what is two edits away of which one is a letter left
out or two that changed places. A word that fell apart, or two that ran together, are mended too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from ragdiet.types import Change

if TYPE_CHECKING:
    from ragdiet.analysis import Analyzer
    from ragdiet.retrieve.vocabulary import Vocabulary

_APART = r"(?<![\w.@'’-]){}(?![\w@]|[.'’-]\w)"  # no part of an identifier, and not excluded
_WORD = re.compile(_APART.format(r"[^\W\d_]{4,30}"))
_NEIGHBOURS = re.compile(r"(?<!\w)([^\W\d_]{2,15}) (?=([^\W\d_]{2,15})(?!\w))")
_TWO_EDITS = range(7, 13)  # letters: some 6,000 to 16,000 candidates, 50 to 150 ms
_SHORTEST_PART = 3
_SHARED_LETTERS = 2
_MOST_EXAMPLES = 8
_MOST_WORDS = 100
_MOST_UNKNOWN = 5  # more are another language, not slips
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
_GREEK = "αβγδεζηθικλμνξοπρστυφχψως"


@dataclass(frozen=True, slots=True)
class Correction:
    """The question with each change made; the question itself where there is none."""

    question: str
    changes: tuple[Change, ...] = ()


def corrected(question: str, vocabulary: Vocabulary) -> Correction:
    """Correct the words that stand nowhere in the corpus to the most common of the words nearest to them.

    Only plain words of four letters or more are looked at, and none is touched where more than five are unknown.
    """
    unknown = _unknown(question, vocabulary)
    changes = _joined(question, unknown, vocabulary) if unknown else []
    mended = {part for change in changes for part in change.written.split()}
    for written in unknown:
        if written not in mended and (better := _nearest(written, vocabulary)):
            changes.append(Change(written, better))
    for change in changes:
        question = re.sub(_APART.format(re.escape(change.written)), change.corrected, question)
    return Correction(question, tuple(changes))


def edits(word: str, alphabet: str) -> set[str]:
    """All that is one edit away: a letter left out, two that changed places, one other, one more.

    >>> len(edits("notice", "abcdefghijklmnopqrstuvwxyz"))
    337
    """
    splits = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    made = _left_out_or_swapped(word)
    made.update(head + letter + tail[1:] for head, tail in splits if tail for letter in alphabet)
    made.update(head + letter + tail for head, tail in splits for letter in alphabet)
    return made - {word}


def _left_out_or_swapped(word: str) -> set[str]:
    left_out = {word[:place] + word[place + 1 :] for place in range(len(word))}
    swapped = {word[:place] + word[place + 1] + word[place] + word[place + 2 :] for place in range(len(word) - 1)}
    return left_out | swapped


def _unknown(question: str, vocabulary: Vocabulary) -> list[str]:
    terms = {word: vocabulary.analyzer.terms(word) for word in _WORD.findall(question)[:_MOST_WORDS]}
    known = vocabulary.frequencies(term for own in terms.values() for term in own)
    unknown = [word for word, own in terms.items() if own and not any(term in known for term in own)]
    return unknown if len(unknown) <= _MOST_UNKNOWN else []


def _nearest(written: str, vocabulary: Vocabulary) -> str | None:
    word = written.lower()
    alphabet = _alphabet(word, vocabulary.analyzer)
    one_edit = edits(word, alphabet)
    if one_edit & vocabulary.analyzer.stop_words:
        return None  # a stop word misspelt tells as little as one spelt well
    found = _best(word, one_edit, vocabulary) or _split(word, vocabulary)
    if found is None and len(word) in _TWO_EDITS:
        two_edits = {other for near in _left_out_or_swapped(word) for other in edits(near, alphabet)}
        # Of two edits one hardly ever is in the first letter: "probation" is no misspelt "rotation".
        found = _best(word, {other for other in two_edits if other[:1] == word[0]}, vocabulary)
    return found


def _best(word: str, candidates: Iterable[str], vocabulary: Vocabulary) -> str | None:
    """The candidate that the corpus has most of, those with the word's own first letter before others."""
    by_stem: dict[str, list[str]] = {}
    for candidate in sorted(candidates):
        if len(candidate) > 2:
            by_stem.setdefault(vocabulary.analyzer.stem(candidate), []).append(candidate)
    known = vocabulary.frequencies(by_stem)
    ranked = sorted(known, key=lambda stem: (by_stem[stem][0][0] != word[0], -known[stem], stem))[:_MOST_EXAMPLES]
    written = vocabulary.written(ranked)
    for stem in ranked:
        for candidate in by_stem[stem]:
            if candidate in written.get(stem, ()):
                return candidate
    # None stands there in just this form: the nearest form of the most common, as the corpus writes it.
    for stem in ranked:
        if forms := written.get(stem):
            nearest = max(sorted(forms), key=lambda form: _shared_beginning(form, word))
            # A stem of other letters is another word.
            return nearest if _shared_beginning(nearest, word) >= _SHARED_LETTERS else None
    return None


def _shared_beginning(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _split(word: str, vocabulary: Vocabulary) -> str | None:
    """Two words of the corpus that ran together."""
    places = range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
    pairs = {place: (word[:place], word[place:]) for place in places}
    stems = {part: vocabulary.analyzer.stem(part) for pair in pairs.values() for part in pair}
    known = vocabulary.frequencies(stems.values())
    common = {
        pair: min(known[stems[part]] for part in pair)
        for pair in pairs.values()
        if all(stems[part] in known for part in pair)
    }
    for pair in sorted(common, key=lambda pair: (-common[pair], pair)):
        written = vocabulary.written(stems[part] for part in pair)
        if all(part in written.get(stems[part], ()) for part in pair):
            return " ".join(pair)
    return None


def _joined(question: str, unknown: Sequence[str], vocabulary: Vocabulary) -> list[Change]:
    """Words of the corpus that fell apart: "work flow" where it has "workflow" and lacks one of the two."""
    pairs = {
        f"{one}{other}".lower(): f"{one} {other}"
        for one, other in _NEIGHBOURS.findall(question)
        if one in unknown or other in unknown
    }
    stems = {word: vocabulary.analyzer.stem(word) for word in pairs}
    written = vocabulary.written(vocabulary.frequencies(stems.values()))
    return [Change(pairs[word], word) for word, stem in stems.items() if word in written.get(stem, ())]


def _alphabet(word: str, analyzer: Analyzer) -> str:
    if "а" <= word[0] <= "ӿ":
        return _CYRILLIC
    if "ͱ" <= word[0] <= "Ͽ":
        return _GREEK
    if word[0] < "ɐ":
        return _LATIN + "".join(sorted(analyzer.letters))
    return "".join(sorted(set(word)))
