"""Whether two questions, near in an embedding space, ask the same: a near vector alone does not say so.

"Who ruled before 1990?" and "Who ruled after 1990?" lie as near as any paraphrase. So every word of the one must be
explained by the other, in the same order: numbers, units, names, negations, comparatives and question words among them.
What may differ is what carries no meaning of its own: polite words round the question, contractions, "the", where an
auxiliary stands, a phrase before the question word, and a word for its synonym on a short list. Inflected forms are
other words, since stems confuse ("important" and "imports"), and a word that may be a misspelling is one too: nothing
here could tell "marital" from a mistyped "martial". English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ragdiet.answers.key import normalised

_CONTRACTED = tuple(
    (re.compile(pattern, re.IGNORECASE), whole)
    for pattern, whole in (
        (r"\bwon't\b", "will not"),
        (r"\bshan't\b", "shall not"),
        (r"\b(can)(?:'t|not)\b", r"\1 not"),
        (r"n't\b", " not"),
        (r"\b(who|what|when|where|why|how|which|that|there|it|he|she)'s\b", r"\1 is"),
        (r"'re\b", " are"),
        (r"'ve\b", " have"),
        (r"'ll\b", " will"),
        (r"\bi'm\b", "i am"),
        (r"\bi'd (?=like|love|want)", "i would "),
    )
)
_BEFORE = re.compile(
    r"""(?:(?:hi|hello|hey)(?:\s+there)?\s*[,!.]+\s*
    |please\b\s*,?\s*
    |(?:can|could|would|will)\s+you\s+(?:please\s+|kindly\s+)?(?:tell|explain\s+to|remind)\s+me\s+(?:please\s+)?
    |(?:can|could|would|will)\s+you\s+(?:please\s+)?let\s+me\s+know\s+
    |(?:can|could|would)\s+you\s+(?:please\s+|kindly\s+)?(?=(?:explain|describe|list|show|give|name)\b)
    |(?:do|would|does)\s+(?:you|anyone|anybody)\s+(?:happen\s+to\s+)?know\s+
    |i\s+(?:would|should)\s+(?:like|love)\s+to\s+know\s*,?\s*
    |i\s+(?:want|need)\s+to\s+know\s*,?\s*
    |(?:i\s+am\s+|just\s+)(?:wondering|curious)\s*[,:]?\s*
    |i\s+(?:was\s+wondering|wonder)\s*[,:]?\s*
    |any\s+idea\s*[,:]?\s*
    |(?:one\s+)?quick\s+question\s*[,:.]\s*
    |tell\s+me\s+(?:please\s+)?(?!about\b|more\b|of\b|a\b|the\b)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_AFTER = re.compile(
    r"(?:\s*[,.?!]\s*|\s+)(?:please|(?:many )?thanks(?: in advance)?|thank you(?: in advance)?|thx)[\s.!?]*$",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'"([^"]+)"')
_TOKEN = re.compile(r"\d+(?:[.,:/–-]\d+)*!?(?!\w)|\w+(?:['\-.]\w+)*|(?<!\S)-|[^\s\w,.;:?!'\"()\[\]…—-]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_QUESTION_WORDS = frozenset("who what when where why how whose".split())
_SAME = {"whom": "who", "which": "what", "percent": "%", "an": "a"}
_AUXILIARIES = {
    "do": ("do", "present"),
    "does": ("do", "present"),
    "did": ("do", "past"),
    "is": ("be", "present"),
    "are": ("be", "present"),
    "was": ("be", "past"),
    "were": ("be", "past"),
}
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
}
_SYNONYMS = """
    begin start, begins starts, began started, begun started, big large, bigger larger, biggest largest, buy purchase,
    bought purchased, movie film, movies films, car automobile, cars automobiles, occur happen, occurs happens, occurred
    happened, assist help, obtain get, located situated, named called, nation country, nations countries, often
    frequently, quick fast, quickest fastest, select choose, allowed permitted, needed required, photo
    photograph, photos photographs, phone telephone, fridge refrigerator, colour color, centre center, favourite
    favorite, organisation organization, organisations organizations, programme program, theatre theater, metre meter,
    metres meters, kilometre kilometer, kilometres kilometers, km kilometers, kg kilograms
"""
_CANONICAL = _SAME | _NUMBERS | dict(zip(*[iter(_SYNONYMS.replace(",", " ").split())] * 2, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A question as the gate reads it. ``words`` are in the order of a question that begins with its question word;
    ``capitals`` are those that are written large, ``auxiliary`` the first one, as its verb and tense."""

    words: tuple[str, ...]
    capitals: frozenset[str]
    auxiliary: tuple[str, str] | None
    quoted: tuple[str, ...]


def agree(asked: str, known: str) -> bool:
    """Whether an answer to the question ``known`` answers ``asked`` as well.

    >>> agree("Could you tell me what the capital of France is?", "What's the capital of France?")
    True
    >>> agree("Who ruled before 1990?", "Who ruled after 1990?")
    False
    """
    one, other = read(asked), read(known)
    if one.words != other.words or one.quoted != other.quoted or not one.words:
        return False
    if one.auxiliary and other.auxiliary and one.auxiliary != other.auxiliary:
        return False
    # Who writes everything small says nothing by it.
    return one.capitals == other.capitals or not one.capitals or not other.capitals


def read(question: str) -> Reading:
    """The question without what carries no meaning."""
    text = _bare(question)
    tokens = _TOKEN.findall(_THOUSANDS.sub("", text))
    is_shouted = text.isupper()
    words: list[str] = []
    capitals: set[str] = set()
    auxiliary = None
    asks = None
    for place, token in enumerate(tokens):
        word = token.lower()
        if token.isupper() and token.isalpha() and len(token) > 1 and not is_shouted:
            words.append(token)  # "US" is not "us"
            continue
        if word == "the" and place + 1 < len(tokens):
            continue
        if auxiliary is None and word in _AUXILIARIES:
            auxiliary = _AUXILIARIES[word]
            continue
        word = _CANONICAL.get(word, word)
        if asks is None and word in _QUESTION_WORDS:
            asks = len(words)
        elif place and token[0].isupper() and not is_shouted:
            capitals.add(word)
        words.append(word)
    return Reading(
        words=_question_first(words, asks),
        capitals=frozenset(capitals),
        auxiliary=auxiliary,
        quoted=tuple(_QUOTED.findall(text)),
    )


def _bare(question: str) -> str:
    """Contractions written out, and no polite words."""
    text = normalised(question)
    for pattern, whole in _CONTRACTED:
        text = pattern.sub(whole, text)
    while shorter := _shorter(text):
        text = shorter
    return text


def _shorter(text: str) -> str:
    """``text`` without one polite phrase; empty where it has none, or would be nothing without it."""
    found = _BEFORE.match(text)
    rest = text[found.end() :] if found else _AFTER.sub("", text)
    return normalised(rest) if rest.strip() and rest != text else ""


def _question_first(words: list[str], asks: int | None) -> tuple[str, ...]:
    """What stands before the question word is put after all else: "in 1990, who won" is "who won in 1990". A lone
    preposition goes, as "in what year" is "what year"."""
    if not asks:
        return tuple(words)
    before = [] if asks == 1 and words[0] in ("in", "at", "on") else words[:asks]
    return (*words[asks:], *before)
