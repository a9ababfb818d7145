"""A follow-up question as it would be asked without what was said before, where its wording makes that safe.

Two ways: a pronoun becomes the one thing that was asked about or answered; a fragment ("And in Germany?") takes the
place of its own kind in the question before it, or goes to its end. Where a second reading is in sight, neither is
done: a question rewritten wrongly is answered wrongly, one that takes the history along only costs its tokens. English.
"""

from __future__ import annotations

import re

from ragdiet.diet.leaning import (
    ABOUT,
    ASKS,
    AUXILIARY,
    PERSON,
    PREPOSITIONAL,
    PREPOSITIONS,
    SHORT,
    START,
    THING,
    leans,
    names,
    points,
    pronoun,
)

_MOST_WORDS = 6
_BEGINS = re.compile(rf"(?:(?:{PREPOSITIONS}) )?{ASKS.pattern}", re.IGNORECASE)
# "Who gave her assent to the Act?" may mean the one it asks for, "who was her husband" does not.
_WHO_DID = re.compile(rf"(?:who|what|which (?!of\b)\w+) (?!(?:{AUXILIARY})\b)\w", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:1\d|20)\d\d\b")
_TIME = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|Christmas|Easter|Q[1-4])\b"
)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*\b")
_DETERMINER = r"(?:the|an?|our|my|your)"
_WHEN_AND_WHERE = frozenset("in at on during before after since by under within without per".split())
_IN_PLACES = re.compile(r"\b(?:in|at)\s+(?:the\s+)?[\w'’-]+(?=$|\s+(?:in|at)\b)", re.IGNORECASE)
_IS_THING = re.compile(
    r"^(?:please )?(?:(?:what|which) (?:is|are|was|were)|tell me about|explain|describe|define) (?P<thing>.+)$",
    re.IGNORECASE,
)
_DOES_THING = re.compile(
    rf"^(?:when|where|how|why|what|how (?:much|long|often)) (?:do|does|did|will) (?P<thing>{_DETERMINER} \w+(?: \w+)?) "
    r"(?:open|close|start|begin|end|work|cost|expire|last|apply|run|happen|arrive|cover|include|contain|offer|say)$",
    re.IGNORECASE,
)
_WAS_THING = re.compile(
    rf"^(?:when|where) (?:is|are|was|were) (?P<thing>{_DETERMINER} [\w'’ -]+?) (?:\w+ed|built|made|paid|held|written|"
    r"sold|found|sent|kept)$",
    re.IGNORECASE,
)
_WHO_IS = re.compile(r"^who (?:is|was) ", re.IGNORECASE)
_NO_THING = re.compile(
    rf"^(?:\w+ed(?!-)|\w+ing(?!-)|new|open|wrong|next|left|due|best|different|available|possible|missing|free|known|meant|said|so|"
    rf"there)\b|\b(?:and|or|between|than|into|over|against|that|i|you|we|this|these|those)\b|{ASKS.pattern}",
    re.IGNORECASE,
)
_PLACED = re.compile(r"\b(?:in|at|near)\s+(?:the\s+)?$", re.IGNORECASE)
_MARKS = re.compile(r"\s*\[\d{1,4}\]")


def rewritten(question: str, before: str, answer: str = "") -> str | None:
    """A question that leans, as one that stands alone, out of the one ``before`` it; None where that is not safe.

    >>> rewritten("And in Germany?", "What is the notice period in France?")
    'What is the notice period in Germany?'
    >>> rewritten("How long is it?", "What is the notice period in France?")
    'How long is the notice period in France?'
    """
    text = START.sub("", " ".join(question.split()))
    before = " ".join(before.split())
    about = ABOUT.match(text)
    fragment = text[about.end() :] if about else text
    if points(text):
        return None
    if about or not ASKS.search(fragment):
        return (
            None
            if pronoun(fragment) or len(fragment.split()) > _MOST_WORDS
            else _in_its_place(fragment.rstrip("?!. "), before.rstrip("?!. "))
        )
    found = pronoun(text)
    if found is None:
        return None if leans(text) or len(text.split()) <= SHORT else _sentence(text)
    if len(PERSON.findall(text)) + len(THING.findall(text)) > 1 or not _BEGINS.match(text):
        return None
    return _with_noun(text, found, before, answer)


def _with_noun(text: str, found: re.Match[str], before: str, answer: str) -> str | None:
    """The pronoun's noun in its place, unless another noun of the question may be meant, or whom it asks for."""
    if re.search(rf"\b{_DETERMINER}\s", text[: found.start()], re.IGNORECASE):
        return None
    word = found.group().lower()
    if _WHO_DID.match(text) and any(names(text)):
        return None
    if PERSON.fullmatch(word):
        meant = _person(before.rstrip("?!. "), answer)
    else:
        meant = _thing(before.rstrip("?!. "), plural=word.startswith("th"))
    if meant is None:
        return None
    owns = word in ("its", "their", "his") or (word == "her" and re.match(r"\s+\w", text[found.end() :]))
    ending = ("’" if meant.endswith("s") else "’s") if owns else ""
    return _sentence(f"{text[: found.start()]}{meant}{ending}{text[found.end() :]}")


def _in_its_place(fragment: str, stem: str) -> str | None:
    """The earlier question with the fragment for the part of its own kind."""
    prepositional = PREPOSITIONAL.match(fragment)
    if prepositional:
        return _phrase_in_place(prepositional["preposition"].lower(), prepositional["object"], stem)
    with_the, bare = fragment.lower().startswith("the "), re.sub(r"^the ", "", fragment, flags=re.IGNORECASE)
    kind = _kind(bare)
    tail = ""
    if kind is None and (name := next(names(f"as {bare}"), None)) and name[0] == 3:
        bare, tail = bare[: name[1] - 3], bare[name[1] - 3 :]
        kind = "name"
    places = [(start, end) for start, end in _of_kind(kind, stem) if start]
    if len(places) != 1:
        return None
    start, end = places[0]
    old, left, right = stem[start:end], stem[:start], stem[end:]
    if tail and not re.match(rf"{re.escape(tail)}\b", right):
        return None
    if re.search(r"\b(?:of|the)\b", old) or old.endswith(("'s", "’s")) != bare.endswith(("'s", "’s")):
        return None
    article = "the " if with_the and not left.endswith("the ") else ""
    return f"{left}{article}{bare}{right}?"


def _phrase_in_place(preposition: str, thing: str, stem: str) -> str | None:
    """``in Germany`` for ``in France``; at the end where the question has nothing of the kind."""
    phrase = f"{preposition} {thing}"
    held = [match.end() for match in re.finditer(rf"\b{preposition}\s+(?:the\s+)?", stem, re.IGNORECASE)]
    kind = _kind(re.sub(r"^the\s+", "", thing))
    if kind:
        places = [(start, end) for start, end in _of_kind(kind, stem) if start in held]
        if len(places) == 1:
            start = stem.lower().rindex(preposition, 0, places[0][0])
            return f"{stem[:start]}{phrase}{stem[places[0][1] :]}?"
    elif len(held) == 1 and (last := re.search(rf"\b{preposition}\s+(?:(?:the|an?)\s+)?([\w'’-]+)$", stem)):
        return f"{stem[: last.start()]}{phrase}?" if _kind(last[1]) is None else None
    if held or not (preposition in _WHEN_AND_WHERE or _IS_THING.match(stem)):
        return None
    return f"{stem} {phrase}?"


def _kind(text: str) -> str | None:
    """What a word or name is: only its like takes its place."""
    for kind, pattern in (("year", _YEAR), ("time", _TIME), ("number", _NUMBER)):
        if pattern.fullmatch(text):
            return kind
    return "name" if [(3, len(text) + 3)] == list(names(f"as {text}")) else None


def _of_kind(kind: str | None, text: str) -> list[tuple[int, int]]:
    """Where the words of a kind stand."""
    numbers = [match.span() for match in _NUMBER.finditer(text)]
    found = {
        "year": [match.span() for match in _YEAR.finditer(text)],
        "time": [match.span() for match in _TIME.finditer(text)],
        "number": [span for span in numbers if not _YEAR.fullmatch(text, *span)],
        "name": [span for span in names(text) if not _TIME.fullmatch(text, *span)],
    }
    return found.get(kind or "", [])


def _person(before: str, answer: str) -> str | None:
    """The one name that was asked for, where it was "who", or else the only one that was said at all."""
    asked = [before[start:end] for start, end in _of_kind("name", before)]
    if (who := _WHO_IS.match(before)) and asked == [before[who.end() :]]:
        return asked[0]
    answer = _MARKS.sub("", answer).strip()
    said = [answer[start:end] for start, end in _of_kind("name", answer) if not _PLACED.search(answer[:start])]
    said = [name for name in said if not any(name in one for one in asked)]
    asked_who = re.match(r"who\b", before, re.IGNORECASE)
    people = [name for name in said if " " in name] if asked_who else asked + said
    return people[0] if len(set(people)) == 1 else None


def _thing(before: str, *, plural: bool) -> str | None:
    """What the earlier question is about, where that is one noun phrase, in the number of the pronoun."""
    led = _IS_THING.match(before) or _DOES_THING.match(before) or _WAS_THING.match(before)
    if led is None:
        return None
    thing = led["thing"]
    head, preposition, rest = _parted(thing)
    nouns = re.sub(rf"^{_DETERMINER}\s+", "", head, flags=re.IGNORECASE).split()
    if not 1 <= len(nouns) <= SHORT or _NO_THING.search(" ".join(nouns)) or _NO_THING.search(rest) or pronoun(thing):
        return None
    if _is_plural(nouns[-1]) != plural or any(_is_plural(noun) for noun in nouns[:-1]):
        return None
    if preposition and any(_is_plural(word) == plural for word in rest.split() if word.lower() not in _WHEN_AND_WHERE):
        return None
    return thing


def _parted(thing: str) -> tuple[str, str, str]:
    """The head of a noun phrase, and the preposition and words that could be meant in its stead: no places, and
    nothing within a name ("the Treaty of Rome")."""
    plain = _IN_PLACES.sub("", thing)
    for start, end in names(f"as {plain}"):
        inner = plain[start - 3 : end - 3]
        plain = plain.replace(inner, inner.replace(" ", "-"))
    parted = re.search(rf"\s+({PREPOSITIONS})\s+(.+)$", plain, re.IGNORECASE)
    return (plain[: parted.start()], parted[1], parted[2]) if parted else (plain, "", "")


def _is_plural(noun: str) -> bool:
    return noun.endswith("s") and not noun.endswith(("ss", "us", "is", "'s", "’s")) and noun[0].islower()


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('?!. ')}?"
