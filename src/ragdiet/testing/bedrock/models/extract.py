"""The chat model that is played unless told otherwise: it copies, so that its answers can be told beforehand."""

from __future__ import annotations

import re

from ragdiet.testing.bedrock.tokens import words

REFUSAL = "NOT FOUND"

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
_SOURCE = re.compile(r"^(?=\[\d+\])", re.MULTILINE)
_NUMBER = re.compile(r"\[(\d+)\]")


def extract(message: str) -> str:
    """The sentence of the numbered sources with most words of the question, cited; else the refusal.

    >>> extract("[1] Lunch is at noon. Dinner is late.\\n\\nQuestion: When is lunch?")
    'Lunch is at noon. [1]'
    """
    sources, _, asked_for = message.rpartition("Question:")
    question = asked_for.strip().partition("\n")[0]
    asked = {word for word in words(question) if len(word) > 3}
    best, answer = 0, REFUSAL
    for block in _SOURCE.split(sources):
        number = _NUMBER.match(block)
        if not number:
            continue
        for sentence in _SENTENCE.findall(block[number.end() :]):
            score = len(asked & set(words(sentence)))
            if score > best:
                best, answer = score, f"{sentence.strip()} [{number[1]}]"
    return answer
