"""The language a document is written in, by py3langid: offline, a naive Bayes model over byte n-grams.

M. Lui and T. Baldwin, "langid.py: An Off-the-shelf Language Identification Tool" (2012). Probabilities
are normalised over the model's languages, so that a text in none of them shows as a low one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LEAST_PROBABILITY = 0.7

FEWEST_LETTERS = 64
"""Letters of a sample, about 15 to 20 words; each of a script without spaces counts four."""

# Spoken forms that the model tells apart and ISO 639-1 has under one tag; others without a tag there are None.
_WRITTEN_AS = {"arz": "ar", "ary": "ar", "yue": "zh", "wuu": "zh"}
_SAMPLE = 1_000  # characters from the beginning, and as many from the middle
_LETTERS = re.compile(r"[^\W\d_]++")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_CODE_SIGNS = re.compile(r"[{}()\[\]<>=;_|\\/#*`$%&@^~+]")
_MOST_CODE_SIGNS = 0.1  # of the characters that are no white space
_LEAST_LETTERS = 0.6


def language(text: str) -> str | None:
    """ISO 639-1 tag of the language of ``text``, None where it is code, numbers, too short, or in doubt."""
    sample = _sample(text)
    visible = len("".join(sample.split()))
    letters = sum(map(len, _LETTERS.findall(sample)))
    if letters < _LEAST_LETTERS * visible or letters + 3 * len(_UNSPACED.findall(sample)) < FEWEST_LETTERS:
        return None
    if len(_CODE_SIGNS.findall(sample)) > _MOST_CODE_SIGNS * visible:
        return None
    tag, probability = _identifier().classify(sample)
    tag = _WRITTEN_AS.get(tag, tag)
    return tag if probability >= LEAST_PROBABILITY and len(tag) == 2 else None


def _sample(text: str) -> str:
    if len(text) <= 2 * _SAMPLE:
        return text
    middle = len(text) // 2
    return f"{text[:_SAMPLE]}\n{text[middle : middle + _SAMPLE]}"


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    """One for all threads: it is only read."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
