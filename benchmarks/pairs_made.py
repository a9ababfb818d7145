"""Questions made out of other questions: in other words, or asking for something else.

Each maker gives a question out of one, or None where its rule does not fit. Those of ``PARAPHRASES`` keep the meaning,
those of ``NEAR_MISSES`` change it, by a word or two. Half of the synonyms are unknown to the gate that is measured.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

Maker: TypeAlias = Callable[[str, random.Random, Sequence[str]], str | None]
"""Makes one question of another; it may draw from names out of the same article or set."""

_BEFORE = (
    "Please tell me {}",
    "Can you tell me {}",
    "I would like to know {}",
    "Hi, {}",
    "Do you know {}",
    "Quick question: {}",
    "Could someone here say {}",
)
_AFTER = ("{}, please?", "{}? Thanks!", "{}? Thank you in advance.", "{}, if I may ask?")
_CONTRACTIONS = {
    "what is": "what's",
    "who is": "who's",
    "where is": "where's",
    "is not": "isn't",
    "did not": "didn't",
    "does not": "doesn't",
    "was not": "wasn't",
    "are not": "aren't",
    "cannot": "can't",
}
_SYNONYMS = {
    "begin": "start",
    "began": "started",
    "called": "named",
    "located": "situated",
    "largest": "biggest",
    "large": "big",
    "happened": "occurred",
    "happen": "occur",
    "movie": "film",
    "country": "nation",
    "bought": "purchased",
    "start": "begin",
    "caused": "brought about",
    "important": "significant",
    "creation": "making",
    "famous": "well-known",
    "created": "made",
    "ended": "finished",
    "difficult": "hard",
    "usually": "normally",
    "area": "region",
    "received": "got",
    "method": "way",
    "many people": "numbers of people",
}
_AGENTS = {"wrote": "author", "founded": "founder", "invented": "inventor", "directed": "director"}
_OPPOSITES = (
    "before after,first last,minimum maximum,largest smallest,highest lowest,most least,more less,increase decrease,"
    "north south,northern southern,east west,eastern western,early late,earlier later,start end,begin end,began ended,"
    "above below,inside outside,positive negative,high low,higher lower,long short,longest shortest,oldest youngest,"
    "won lost,win lose,mother father,male female,son daughter,upper lower,old new,good bad,best worst,rich poor,import "
    "export,internal external,public private,with without,from to,to from,over under"
)
_UNITS = (
    "miles kilometers,years months,days weeks,hours minutes,meters feet,feet meters,dollars euros,"
    "percent points,degrees radians,century decade,year month,day week,year century,tons pounds"
)
_ASKED = {
    "who": "when",
    "when": "where",
    "where": "when",
    "why": "how",
    "how many": "how much",
    "how much": "how many",
    "how long": "how often",
    "what": "who",
    "which": "whose",
}
_NAME = re.compile(r"(?<!^)(?<![.?!] )\b[A-Z][\w'-]+(?: (?:of |the |de |von )*[A-Z][\w'-]+)*")
_NUMBER = re.compile(r"\d+")
_FRONTED = re.compile(
    r"^(?P<asks>(?:who|what|which|when|where|how|why)\b.*\w) (?P<phrase>(?:in|during|before|after|since) (?:the )?"
    r"(?:\d{4}|[A-Z]\w+(?: [A-Z]\w+)*(?: \d{4})?))\?$",
    re.IGNORECASE,
)


def _swapped(words: str) -> dict[str, str]:
    pairs = [pair.split() for pair in words.split(",")]
    return {one: other for pair in pairs for one, other in (pair, pair[::-1])}


_OPPOSITE, _UNIT = _swapped(_OPPOSITES), _swapped(_UNITS)


def _polite(question: str, chance: random.Random, _: Sequence[str]) -> str:
    bare = question.rstrip("?. ")
    small = bare[0].lower() + bare[1:] if bare.split()[0].lower() in _FIRSTS else bare
    if chance.random() < 0.5:
        return chance.choice(_BEFORE).format(small) + "?"
    return chance.choice(_AFTER).format(bare)


_FIRSTS = frozenset("who what which when where why how is are was were did does do in on at the".split())


def _replaced(words: Mapping[str, str]) -> Maker:
    """One of the words that a question has, by the other."""

    def make(question: str, chance: random.Random, _: Sequence[str]) -> str | None:
        found = [word for word in words if re.search(rf"\b{word}\b", question, re.IGNORECASE)]
        if not found:
            return None
        word = chance.choice(found)

        def other(match: re.Match[str]) -> str:
            new = words[word]
            return new[0].upper() + new[1:] if match[0][0].isupper() else new

        return re.sub(rf"\b{word}\b", other, question, count=1, flags=re.IGNORECASE)

    return make


def _contracted(question: str, chance: random.Random, names: Sequence[str]) -> str | None:
    return _replaced(_CONTRACTIONS)(question, chance, names)


def _phrase_first(question: str, *_: object) -> str | None:
    found = _FRONTED.match(question)
    if not found or len(found["asks"].split()) < 3:
        return None
    asks, phrase = found["asks"], found["phrase"]
    return f"{phrase[0].upper()}{phrase[1:]}, {asks[0].lower()}{asks[1:]}?"


def _mistyped(question: str, chance: random.Random, _: Sequence[str]) -> str | None:
    places = list(re.finditer(r"\b[a-z]{6,}\b", question))
    if not places:
        return None
    word = chance.choice(places)
    at = word.start() + chance.randrange(1, len(word[0]) - 2)
    if question[at] == question[at + 1]:
        return None
    return question[:at] + question[at + 1] + question[at] + question[at + 2 :]


def _clipped(question: str, *_: object) -> str | None:
    shorter = re.sub(r" (?:the|a|an)(?= )", "", question)
    return shorter if shorter != question else None


def _small(question: str, *_: object) -> str | None:
    shorter = question.lower().rstrip("? ")
    return shorter if shorter not in (question, question.rstrip("? ")) else None


def _indirect(question: str, *_: object) -> str | None:
    found = re.match(r"^(what|who|where) (is|are|was|were) (the (?:\w+ )?\w+ of [^,?]+)\?$", question, re.IGNORECASE)
    return f"Can you tell me {found[1].lower()} {found[3]} {found[2].lower()}?" if found else None


def _by_agent(question: str, *_: object) -> str | None:
    found = re.match(rf"^who ({'|'.join(_AGENTS)}) ([^,?]+)\?$", question, re.IGNORECASE)
    return f"Who is the {_AGENTS[found[1].lower()]} of {found[2]}?" if found else None


def _in_which(question: str, *_: object) -> str | None:
    for old, new in (("In what ", "In which "), ("In which ", "In what "), ("What year ", "In what year ")):
        if question.startswith(old):
            return new + question.removeprefix(old)
    return None


def _other_number(question: str, chance: random.Random, _: Sequence[str]) -> str | None:
    found = list(_NUMBER.finditer(question))
    if not found:
        return None
    number = chance.choice(found)
    return question[: number.start()] + str(int(number[0]) + chance.choice((1, 2, 10))) + question[number.end() :]


def _denied(question: str, *_: object) -> str | None:
    if re.search(r"\bnot\b|n't\b", question):
        return re.sub(r"\s*\bnot\b|n't\b", "", question, count=1)
    denied = re.sub(r"\b(is|are|was|were|did|does|do|can|could|has|have|will) (?=\w)", r"\1 not ", question, count=1)
    return denied if denied != question else None


def _other_name(question: str, chance: random.Random, names: Sequence[str]) -> str | None:
    found = list(_NAME.finditer(question))
    others = [name for name in names if name not in question]
    if not found or not others:
        return None
    name = chance.choice(found)
    return question[: name.start()] + chance.choice(others) + question[name.end() :]


def _roles_swapped(question: str, *_: object) -> str | None:
    found = list(_NAME.finditer(question))
    if len(found) < 2 or found[0][0] == found[1][0]:
        return None
    one, two = found[:2]
    if question[one.end() : two.start()].strip(" ,") in ("", "and", "or"):
        return None  # "A and B" are B and A
    return question[: one.start()] + two[0] + question[one.end() : two.start()] + one[0] + question[two.end() :]


def _other_tense(question: str, *_: object) -> str | None:
    changed = re.sub(r"\b(was|is)\b", lambda match: {"was": "is", "is": "was"}[match[0]], question, count=1)
    return changed if changed != question else None


def _narrowed(question: str, chance: random.Random, _: Sequence[str]) -> str | None:
    places = list(re.finditer(r"\bthe (?=[a-z])", question))
    if not places:
        return None
    at = chance.choice(places).end()
    return question[:at] + chance.choice(("second ", "former ", "average ", "only ")) + question[at:]


PARAPHRASES: dict[str, Maker] = {
    "polite words": _polite,
    "contraction": _contracted,
    "phrase first": _phrase_first,
    "synonym": _replaced(_SYNONYMS),
    "typing error": _mistyped,
    "without articles": _clipped,
    "small letters": _small,
    "indirect": _indirect,
    "noun for verb": _by_agent,
    "what and which": _in_which,
}
NEAR_MISSES: dict[str, Maker] = {
    "number": _other_number,
    "negation": _denied,
    "name": _other_name,
    "roles": _roles_swapped,
    "opposite": _replaced(_OPPOSITE),
    "unit": _replaced(_UNIT),
    "question word": _replaced(_ASKED),
    "tense": _other_tense,
    "narrowed": _narrowed,
}


def names_in(questions: Sequence[str]) -> list[str]:
    """Names that the questions hold, each once."""
    return list(dict.fromkeys(match[0] for question in questions for match in _NAME.finditer(question)))
