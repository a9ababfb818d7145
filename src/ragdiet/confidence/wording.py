"""What a question's wording says: the words it is about, what it names exactly, and its polarity.

Stems are those of the collection's language. Which words only shape a question is known of English, denials of seven
languages, opposites of English; where a cue is not known of a language its signals are unknown.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from ragdiet.analysis import analyzer

# These shape a question in any domain; its other words say what it is about.
_SHAPING_WORDS = frozenset(
    "who whom whose what which when where why how do does did done is are was were am be been has have had can could "
    "should would may might must shall will please tell me show list explain describe give i we you my our your many "
    "much long about from than that does some any there it its he she his her their s".split()
)
_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_IDENTIFIER = re.compile(r"\w*[a-z][A-Z]\w*|\w*\w_\w+|[A-Za-z]\w*(?:\.[A-Za-z_]\w*)+")
_QUOTED = re.compile(r"[\"“`]([^\"“”`]{2,60})[\"”`]")
_NEGATIONS = {
    language: re.compile(pattern, re.IGNORECASE)
    for language, pattern in {
        "english": r"\b(?:not|never|no|none|nobody|nothing|neither|nor|without|cannot|unable|fail(?:s|ed)?|except|"
        r"lacks?)\b|n['’]t\b",
        "german": r"\b(?:nicht|kein(?:e[nmrs]?)?|nie(?:mals|mand(?:e[nm])?)?|nichts|ohne|weder|außer)\b",
        "french": r"\b(?:pas|jamais|aucune?|sans|rien|ni|sauf)\b|\bn(?:e\b|['’])",
        "spanish": r"\b(?:no|nunca|jamás|ning[uú]n[oa]?|sin|nada|nadie|tampoco|excepto|ni)\b",
        "italian": r"\b(?:non|mai|nessun[oa]?|senza|niente|nulla|tranne|né)\b",
        "portuguese": r"\b(?:não|nunca|jamais|nenhuma?|sem|nada|ninguém|exceto|nem)\b",
        "dutch": r"\b(?:niet|geen|nooit|zonder|niemand|niets|behalve|noch)\b",
    }.items()
}
_NOUNS_IN_CAPITALS = frozenset({"german"})


def subject_terms(question: str, language: str = "english") -> tuple[str, ...]:
    """Stems of what the question is about, in its order, with repeats; of all its words where nothing
    would be left.

    >>> subject_terms("How long is the notice period?")
    ('notic', 'period')
    """
    terms = analyzer(language).terms
    if language != "english":
        return tuple(terms(question))
    words = " ".join(word for word in _WORD.findall(question) if word.lower() not in _SHAPING_WORDS)
    return tuple(terms(words) or terms(question))


def specifics(question: str, language: str = "english") -> tuple[frozenset[str], ...]:
    """What the question names exactly, each as its set of stems: names (capitalised words but the
    first, where a language does not write all nouns so), numbers, identifiers and quoted strings.

    >>> [sorted(named) for named in specifics("Did Ada Lovell sign max_retries in 1842?")]
    [['ada'], ['lovel'], ['max', 'max_retries', 'retri'], ['1842']]
    """
    found = {match.start(): match.group() for match in _NUMBER.finditer(question)}
    tells_nothing = question.isupper() or language in _NOUNS_IN_CAPITALS
    for word in list(_WORD.finditer(question))[1:]:
        if word.group()[0].isupper() and not tells_nothing and word.group().lower() not in _SHAPING_WORDS:
            found.setdefault(word.start(), word.group())
    found |= {match.start(): match.group() for match in _IDENTIFIER.finditer(question)}
    found |= {match.start(1): match.group(1) for match in _QUOTED.finditer(question)}
    named = (words_of(text, language) for _, text in sorted(found.items()))
    return tuple(dict.fromkeys(words for words in named if words))


def words_of(text: str, language: str = "english") -> frozenset[str]:
    """Stems and numbers of a text; a number with decimals is one ("3.5"), and "1,000" is "1000"."""
    text = _THOUSANDS.sub("", text)
    return frozenset(analyzer(language).terms(text)) | frozenset(_NUMBER.findall(text))


def is_negated(text: str, language: str = "english") -> bool | None:
    """Whether it denies something; None in a language whose denials are not known.

    >>> is_negated("Which fee isn't refunded?")
    True
    """
    known = _NEGATIONS.get(language)
    return None if known is None else known.search(text) is not None


@cache
def opposites() -> dict[str, frozenset[str]]:
    """Stems to the stems that mean the opposite."""
    found: dict[str, set[str]] = {}
    for line in files("ragdiet.confidence").joinpath("opposites.txt").read_text("utf-8").splitlines():
        stems = [] if line.startswith("#") else analyzer().terms(line)
        if len(set(stems)) != 2:  # nothing but a comment, a stop word, or two words of one stem
            continue
        first, second = stems
        found.setdefault(first, set()).add(second)
        found.setdefault(second, set()).add(first)
    return {stem: frozenset(others) for stem, others in found.items()}
