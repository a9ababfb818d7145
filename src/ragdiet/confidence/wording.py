"""What a question's wording says: the words it is about, what it names exactly, and its polarity.

English cues only; for other languages they are silent and the scores and shared words still count.
"""

from __future__ import annotations

import re
from functools import cache

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
_NEGATION = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|neither|nor|without|cannot|unable|fail(?:s|ed)?|except|lacks?)\b|n['’]t\b",
    re.IGNORECASE,
)
_OPPOSITES = """
    increase decrease, more less, more fewer, most least, most fewest, first last, high low, higher lower, highest
    lowest, large small, larger smaller, largest smallest, big small, before after, early late, earlier later,
    earliest latest, begin end, began ended, start end, start stop, started stopped, open close, win lose, won
    lost, north south, northern southern, east west, eastern western, male female, man woman, men women, husband
    wife, father mother, son daughter, old young, older younger, oldest youngest, old new, long short, longer
    shorter, longest shortest, strong weak, stronger weaker, rich poor, good bad, better worse, best worst, major
    minor, internal external, public private, domestic foreign, maximum minimum, above below, inside outside, left
    right, true false, legal illegal, accept reject, support oppose, allow forbid, allow prohibit, gain lose,
    gained lost, import export, enable disable, add remove, create destroy, create delete, build destroy, built
    destroyed, buy sell, bought sold, same different, similar different, easy difficult, possible impossible,
    dependent independent, ancient modern, positive negative, hot cold, warm cool, friend enemy, ally enemy, many
    few, present absent, include exclude, upper lower, wet dry, light dark, light heavy, fast slow, faster slower,
    near far, praise criticize, attack defend, employer employee, teacher student, simple complex, single
    multiple, urban rural, war peace, rise fall, rose fell, arrive leave, enter leave, join leave, temporary
    permanent, common rare, optional required, optional mandatory, encode decode, compress decompress, read write,
    input output, synchronous asynchronous, mutable immutable, upload download, ascending descending, push pop,
    lock unlock, encrypt decrypt
"""


def subject_terms(question: str) -> tuple[str, ...]:
    """Stems of what the question is about, in its order, with repeats; of all its words where nothing
    would be left.

    >>> subject_terms("How long is the notice period?")
    ('notic', 'period')
    """
    words = " ".join(word for word in _WORD.findall(question) if word.lower() not in _SHAPING_WORDS)
    return tuple(analyzer().terms(words) or analyzer().terms(question))


def specifics(question: str) -> tuple[frozenset[str], ...]:
    """What the question names exactly, each as its set of stems: names (capitalised words but the
    first), numbers, identifiers and quoted strings.

    >>> [sorted(named) for named in specifics("Did Ada Lovell sign max_retries in 1842?")]
    [['ada'], ['lovel'], ['max', 'max_retries', 'retri'], ['1842']]
    """
    found = {match.start(): match.group() for match in _NUMBER.finditer(question)}
    shouted = question.isupper()
    for word in list(_WORD.finditer(question))[1:]:
        if word.group()[0].isupper() and not shouted and word.group().lower() not in _SHAPING_WORDS:
            found.setdefault(word.start(), word.group())
    found |= {match.start(): match.group() for match in _IDENTIFIER.finditer(question)}
    found |= {match.start(1): match.group(1) for match in _QUOTED.finditer(question)}
    named = (words_of(text) for _, text in sorted(found.items()))
    return tuple(dict.fromkeys(words for words in named if words))


def words_of(text: str) -> frozenset[str]:
    """Stems and numbers of a text; a number with decimals is one ("3.5"), and "1,000" is "1000"."""
    text = _THOUSANDS.sub("", text)
    return frozenset(analyzer().terms(text)) | frozenset(_NUMBER.findall(text))


def is_negated(text: str) -> bool:
    """Whether it denies something.

    >>> is_negated("Which fee isn't refunded?")
    True
    """
    return _NEGATION.search(text) is not None


@cache
def opposites() -> dict[str, frozenset[str]]:
    """Stems to the stems that mean the opposite."""
    found: dict[str, set[str]] = {}
    for pair in _OPPOSITES.split(","):
        first, second = analyzer().terms(pair)
        found.setdefault(first, set()).add(second)
        found.setdefault(second, set()).add(first)
    return {stem: frozenset(others) for stem, others in found.items()}
