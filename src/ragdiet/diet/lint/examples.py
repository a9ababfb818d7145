"""Examples that show a model nothing new, or cost far more than the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median_low

from ragdiet.diet.lint.finding import LONGEST_EXCERPT, Fault, Kind
from ragdiet.diet.lint.parts import words_of
from ragdiet.types import Example

ALIKE = 0.7
"""Jaccard of two examples' runs of three words, from which on one of them is enough."""

_SHINGLE = 3
_MOST_COMPARED = 20
_FEWEST_EXAMPLES = 3
_MOST_TIMES = 3
_LONGEST_CHARACTERS = 400


def near_identical(examples: Sequence[Example]) -> Iterator[Fault]:
    """Those that are like an earlier one, but for a pair whose answers share no word: these teach a difference.

    Two sets of which each has a Jaccard index of j with the other share one of their rarest (1 - j) n + 1 shingles
    (prefix filter, Chaudhuri et al. 2006), so that not every pair is compared; of those that share one, the first 20.
    """
    answers = [frozenset(words_of(example.answer)) for example in examples]
    sets = [_shingles(words_of(text_of(example))) for example in examples]
    frequencies = Counter(shingle for own in sets for shingle in own)
    holders: dict[tuple[str, ...], list[int]] = {}
    for number, own in enumerate(sets):
        rarest = sorted(own, key=lambda shingle: (frequencies[shingle], shingle))
        rarest = rarest[: len(own) - math.ceil(ALIKE * len(own)) + 1]
        near = sorted({other for shingle in rarest for other in holders.get(shingle, ())})
        for other in near:
            if not answers[number].isdisjoint(answers[other]) and _jaccard(own, sets[other]) >= ALIKE:
                yield _fault(
                    "near-identical examples",
                    examples[number],
                    number,
                    f"leave it out: example {other + 1} shows the same",
                )
                break
        else:
            for shingle in rarest:
                if len(held := holders.setdefault(shingle, [])) < _MOST_COMPARED:
                    held.append(number)


def long_examples(examples: Sequence[Example]) -> Iterator[Fault]:
    """Those of more than three times the median's characters; their tokens are those above the median's."""
    if len(examples) < _FEWEST_EXAMPLES:
        return
    texts = [text_of(example) for example in examples]
    usual = median_low(map(len, texts))
    typical = next(text for text in texts if len(text) == usual)
    for number, text in enumerate(texts):
        if len(text) > max(_MOST_TIMES * usual, _LONGEST_CHARACTERS):
            advice = f"cut its sources to what the answer needs: the others have about {usual:,} characters"
            yield _fault("long example", examples[number], number, advice, after=typical)


def text_of(example: Example) -> str:
    return "\n".join((example.sources, example.question, example.answer))


def _jaccard(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _fault(kind: Kind, example: Example, number: int, advice: str, after: str = "") -> Fault:
    text = text_of(example)
    return Fault(
        kind=kind,
        place=f"example {number + 1}",
        excerpt=(example.question or example.sources or example.answer)[:LONGEST_EXCERPT],
        advice=advice,
        before=text,
        after=after,
        whole=text,
    )


def _shingles(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    last = max(1, len(words) - _SHINGLE + 1)
    return frozenset(tuple(words[start : start + _SHINGLE]) for start in range(last if words else 0))
