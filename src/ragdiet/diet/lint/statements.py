"""What is said twice, and what is said against what was said before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ragdiet.diet.lint.finding import Fault, fault
from ragdiet.diet.lint.parts import Part, Statement

_FEWEST_WORDS = 3
_LONGEST_BEGINNING = 12
_CONDITION = re.compile(
    r"\b(?:if|when|whenever|where|unless|only|except|until|for|asked|not|never|but|in case|while|then)\b|n['’]t\b",
    re.IGNORECASE,
)
_AIM = re.compile(r"\b(?:so that|because|since|as)\b.*", re.IGNORECASE | re.DOTALL)
_LANGUAGES = (
    "english|german|french|spanish|italian|dutch|portuguese|polish|russian|arabic|hindi|chinese|japanese|korean|turkish|"
    "swedish|danish|norwegian|finnish|greek|czech"
)
_REPLIES = r"(?:(?:your|the|all|every) )?(?:answers?|repl(?:y|ies)|responses?|explanations?|it)"
_LENGTHS = (
    re.compile(
        r"\b(?:be|stay)(?: \w+)? (?:brief|concise|short|terse|succinct|to the point)\b|"
        r"\b(?:answer|reply|respond)(?: \w+){0,3}? (?:briefly|concisely|tersely|in one (?:short )?sentence)\b|"
        rf"\bkeep {_REPLIES}(?: \w+)? (?:brief|concise|short|terse|succinct)\b|"
        rf"\b(?:give|write|provide)(?: \w+)? (?:brief|concise|short|terse|succinct) {_REPLIES}\b",
        re.IGNORECASE,
    ),
    re.compile(
        r"\bbe(?: \w+)? (?:detailed|comprehensive|thorough|exhaustive)\b|"
        r"\b(?:answer|reply|respond|explain)(?: \w+){0,3}? (?:in (?:\w+ )?detail|thoroughly|at length)\b|"
        rf"\b(?:give|write|provide)(?: \w+)? (?:detailed|long|comprehensive|thorough|exhaustive)(?:,?(?: and)? \w+)? "
        rf"{_REPLIES}\b",
        re.IGNORECASE,
    ),
)
_LANGUAGE = re.compile(
    r"\b(?:(?:answer|reply|respond)(?: (?:only|always|briefly|questions|every question|all questions|users|the user))*|"
    r"write(?: only| always)?) in (?:the )?"
    rf"({_LANGUAGES}|(?:same )?language (?:of|as) the (?:question|user)|user'?s (?:own )?language)\b",
    re.IGNORECASE,
)
_SPEAKS_OF = frozenset("the a an it its this that these those they their there he she no all each every".split())
_BINDS = re.compile(r"\W*(?:for|in|on|at|to|when|whenever|where|if|with|of|about)\b", re.IGNORECASE)
_NEVER = re.compile(r"(?:please )?never\b", re.IGNORECASE)
_ALWAYS = re.compile(r"(?:please )?always\b", re.IGNORECASE)


def repeats(statements: Sequence[Statement]) -> dict[int, Fault]:
    """By where they begin, statements with the words of an earlier one; those without meaning are left out of both.

    "The fee is 5 euros" under another heading speaks of something else.
    """
    first: dict[tuple[object, ...], Statement] = {}
    found: dict[int, Fault] = {}
    for said in statements:
        of = (said.heading, said.lead) if said.words[0] in _SPEAKS_OF else ()
        earlier = first.setdefault((said.key, of), said)
        if earlier is not said and len(said.key) >= _FEWEST_WORDS:
            same = "the same" if earlier.words == said.words else "the same in other words"
            advice = f"leave it out: {earlier.place} says {same}"
            found[said.start] = fault("repeated", said.part, said.start, said.end, advice)
    return found


def repeated_turns(turns: Iterable[Part]) -> Iterator[Fault]:
    """Turns with the words of an earlier one."""
    first: dict[tuple[str, ...], Part] = {}
    for turn in turns:
        words = tuple(turn.text.lower().split())
        earlier = first.setdefault(words, turn)
        if earlier is not turn and len(words) >= _FEWEST_WORDS:
            advice = f"leave it out: {earlier.name} says the same"
            yield fault("repeated", turn, 0, len(turn.text), advice)


def contradictions(statements: Sequence[Statement]) -> Iterator[Fault]:
    """Statements that cannot both be followed; of those with a condition only "always" against "never".

    What a heading or a lead-in such as "For prices:" binds to a case is none of them.
    """
    statements = [said for said in statements if not _BINDS.match(said.lead) and not _BINDS.match(said.heading)]
    yield from _denials(statements)
    plain = [said for said in statements if not _CONDITION.search(_AIM.sub("", said.text))]
    yield from _against([(said, length) for said in plain for length in _LENGTHS if length.search(said.text)])
    named = [(said, match[1].lower()) for said in plain if (match := _LANGUAGE.search(said.text))]
    yield from _against(named)


def _against(sides: Sequence[tuple[Statement, object]]) -> Iterator[Fault]:
    """Those on another side than the first."""
    for said, side in sides:
        if side != sides[0][1]:
            yield _contradicts(said, sides[0][0])


def _denials(statements: Sequence[Statement]) -> Iterator[Fault]:
    """Such as "Use tables" and "Do not use tables"; "never" also denies an "always" that goes on."""
    same: dict[tuple[bool, tuple[str, ...]], Statement] = {}
    longer: dict[tuple[bool, tuple[str, ...]], Statement] = {}
    shorter: dict[tuple[bool, tuple[str, ...]], Statement] = {}
    for said in statements:
        is_denied = said.key[:1] == ("not",)
        key = said.key[1:] if is_denied else said.key
        if not key:
            continue
        earlier = same.get((not is_denied, key))
        beginnings = [key[:length] for length in range(1, min(len(key), _LONGEST_BEGINNING) + 1)]
        if _NEVER.match(said.text) or _ALWAYS.match(said.text):
            earlier = earlier or longer.get((not is_denied, key))
            earlier = earlier or next(filter(None, (shorter.get((not is_denied, each)) for each in beginnings)), None)
            shorter.setdefault((is_denied, key), said)
            for each in beginnings:
                longer.setdefault((is_denied, each), said)
        same.setdefault((is_denied, key), said)
        if earlier:
            yield _contradicts(said, earlier)


def _contradicts(said: Statement, earlier: Statement) -> Fault:
    advice = f"{earlier.place} says the opposite: keep one, or say when each holds"
    return fault("contradiction", said.part, said.start, said.end, advice)
