"""Words that change nothing: politeness, role-play without a subject, and rules that every prompt has anyway.

English wording. A sentence counts where its words are all of a list: with a word of its own, as in "You are
the help desk of a ferry line", it says something.
"""

from __future__ import annotations

import re

from ragdiet.diet.lint.finding import Fault, fault
from ragdiet.diet.lint.parts import Statement, is_quoted, words_of

_ROLE = re.compile(
    r"you(?: are|['’]re)\b|(?:please )?(?:act|behave) as\b|imagine\b|pretend\b|"
    r"your (?:main |primary |only )?(?:task|job|role|goal|purpose|mission) is\b",
    re.IGNORECASE,
)
_ROLE_WORDS = frozenset(
    "you are re act behave as imagine pretend that your main primary only task job role goal purpose mission is a an "
    "the very highly extremely truly most helpful friendly polite kind knowledgeable intelligent smart clever skilled "
    "experienced professional expert capable reliable trustworthy honest harmless accurate precise careful dedicated "
    "advanced powerful brilliant world class leading top best ai artificial intelligence language large model llm "
    "virtual digital personal question answering assistant assistants chatbot bot agent helper system who which "
    "designed trained built created made here always able to help helps assist assists answer answers respond responds "
    "responding reply provide provides give giving serve support with their his her user users people human humans "
    "customer customers person any all every questions query queries request requests asked ask well correctly "
    "accurately truthfully helpfully possible way and or of in for by on from it them information answerer good great "
    "correct useful be please do tasks need needs have has may they".split()
)
_THANKS = re.compile(
    r"(?:many )?thanks?(?: you)?(?: so much| very much)?(?: in advance| for (?:your|the) [\w ]+)?\W*\Z|"
    r"(?:good luck|you (?:can|will) do (?:it|this)|i (?:believe in|trust|am counting on) you|do your (?:very )?best|"
    r"take a deep breath\b.*|this is (?:very|extremely|really) important(?: to (?:me|us|my career))?|"
    r"i(?: will|['’]ll) (?:tip|pay) you\b.*)\W*\Z",
    re.IGNORECASE | re.DOTALL,
)
_THINKS = re.compile(
    r"(?:.{0,60}\b)?(?:think|reason)\b[^.]{0,40}\bstep[ -]by[ -]step\b[^.]{0,40}\W*\Z|"
    r"(?:please )?(?:take your time|think carefully)\b[^.]{0,40}\W*\Z|"
    r"(?:.{0,40}\b)?double[ -]check your (?:answers?|work|repl(?:y|ies)|responses?|facts)\b[^.]{0,40}\W*\Z",
    re.IGNORECASE | re.DOTALL,
)
_CLAUSE_BEGINS = r"(?:\A|(?<=[.!?;,] )|(?<=\band )|(?<=\bthen )|(?<=\bbut ))"
_POLITE = re.compile(
    rf"{_CLAUSE_BEGINS}(?:please |kindly )?(?:make|be) sure (?:to |you (?:always )?)|"
    rf"{_CLAUSE_BEGINS}(?:please|kindly) (?=[a-z])|, please(?=[.!]|\Z)|"
    r"\Ai(?: would|['’]d)? (?:want|need|like) you to |"
    r"\A(?:could|would|can|will) you (?:please |kindly |(?=(?:answer|give|write|use|explain|help|list|tell|reply)\b))|"
    r"\Ait(?: is|['’]s) (?:very |extremely |really |absolutely |critically )?(?:important|essential|crucial|vital) "
    r"(?:that you|to) ",
    re.IGNORECASE,
)

_SOURCES = frozenset(
    "source sources context contexts passage passages document documents excerpt excerpts text texts material content "
    "information".split()
)
_INVENTS = frozenset("guess guessing speculate hallucinate invent fabricate".split())
_LACKS = frozenset("not no none nothing unsure unable".split())
_SAYS = frozenset("say state write admit tell output return reply respond answer".split())
_FINDS = frozenset("know known find found contain contains hold include includes mention sure unsure unable so".split())
_ANSWERS = frozenset("answer answers answering question questions respond reply".split())
_ELSEWHERE = frozenset("own other outside external prior general additional background world".split())
_INSTRUCTIONS = frozenset("instruction instructions command commands request requests".split())
_RULE_WORDS = (
    _SOURCES
    | _INVENTS
    | _LACKS
    | _SAYS
    | _FINDS
    | _ANSWERS
    | _ELSEWHERE
    | _INSTRUCTIONS
    | frozenset(
        "a an the and or of in on from by with for to at as it its is are be am that this these those they them you "
        "your i we if when where whether then do does never always only solely strictly exclusively just must should "
        "shall can could will may each every all any please kindly make sure making up things thing anything "
        "something stuff knowledge facts fact provided given supplied retrieved numbered following above below "
        "available use using used rely relying base based what which user users their there simply clearly honestly "
        "exactly contained mentioned sentence sentences claim claims statement statements add give end ends after "
        "before full stop rests cite cites cited citing citation citations reference references number numbers n "
        "bracket brackets square inline ignore disregard follow obey inside within stand data enough "
        "pieces try trying attempt end notation format think sorry else holds very extremely important".split()
    )
)
_CITES = "every prompt asks for citations as [n]"
_BOUNDED = "every prompt says to use only what the sources say, and not to guess"
_REFUSES = "every prompt says what to reply when nothing is found, and that reply is looked for"
_TRUSTS_NONE = "every prompt says that the sources are data, and to ignore instructions in them"
_MARK = re.compile(r"\[\d+\]")
_NOTHING_FOUND = re.compile(
    r"\b(?:if|when|where|unless)\b[^.]*(?:\b(?:do not|don['’]t|cannot|can['’]t|can not) (?:know|find|answer)\b|"
    r"\b(?:context|sources?|documents?|passages?|texts?) (?:do not|does not|don['’]t|doesn['’]t|lacks?\b)|"
    r"\banswer (?:is not|isn['’]t|cannot|can['’]t|is missing)\b)"
    r".*\b(?:say|reply|respond|answer|tell|state|write|output|return|apologi[sz]e|refer)\b",
    re.IGNORECASE | re.DOTALL,
)
# A statement says the same as a rule where it has a word of each set.
_RULES: tuple[tuple[str, tuple[frozenset[str], ...]], ...] = (
    (_REFUSES, (frozenset({"if", "when", "where"}), _LACKS, _SAYS, _FINDS | _SOURCES)),
    (_CITES, (frozenset("cite cites citing citation citations".split()),)),
    (_CITES, (frozenset("end add give".split()), frozenset({"number", "reference", "references"}), _SOURCES)),
    (_BOUNDED, (frozenset("only solely strictly exclusively".split()), _SOURCES)),
    (_BOUNDED, (frozenset("use using base based rely from".split()), _ANSWERS, _SOURCES)),
    (_BOUNDED, (frozenset({"not"}), _ELSEWHERE, frozenset({"knowledge", "facts", "sources"}))),
    (_BOUNDED, (frozenset({"not"}), frozenset({"outside", "external", "prior"}), frozenset({"information"}))),
    (_BOUNDED, (frozenset({"not"}), _INVENTS)),
    (_BOUNDED, (frozenset({"not"}), frozenset({"make", "making"}), frozenset({"up"}))),
    (_TRUSTS_NONE, (frozenset({"ignore", "disregard", "not"}), _INSTRUCTIONS, _SOURCES | {"inside", "within"})),
    (_TRUSTS_NONE, (frozenset({"data"}), _SOURCES | {"obey", "ignore", "follow"})),
)


def already_said(said: Statement) -> list[Fault]:
    """That one of ragdiet's own rules says the same."""
    words = set(words_of(_MARK.sub("", said.text)))
    if not words <= _RULE_WORDS:
        return []
    for reason, needed in _RULES:
        if not any(words.isdisjoint(each) for each in needed) and not (reason is _CITES and "not" in words):
            return [fault("already said", said.part, said.start, said.end, f"leave it out: {reason}")]
    return []


def other_refusal(said: Statement) -> list[Fault]:
    """That another reply is asked for where nothing is found than the one that is looked for."""
    if not _NOTHING_FOUND.search(said.text) or already_said(said):
        return []
    advice = "every prompt asks for NOT FOUND there, any other reply is taken for an answer: word it where you show it"
    return [fault("contradiction", said.part, said.start, said.end, advice)]


def filler(said: Statement) -> list[Fault]:
    """That it says nothing at all, or else the polite words in it."""
    if _ROLE.match(said.text) and _ROLE_WORDS.issuperset(said.words):
        advice = "leave it out, or say what the model cannot know: whose questions these are, and about what"
        return [fault("filler", said.part, said.start, said.end, advice)]
    if _THINKS.match(said.text):
        advice = "leave it out: the reply begins with the answer, and nothing can be thought before it"
        return [fault("filler", said.part, said.start, said.end, advice)]
    if _THANKS.match(said.text):
        return [fault("filler", said.part, said.start, said.end, "leave it out: it asks for nothing")]
    return [
        fault(
            "filler",
            said.part,
            said.start + match.start(),
            said.start + match.end(),
            "leave these words out, and begin with the verb",
            shown_to=said.end,
        )
        for match in _POLITE.finditer(said.text)
        if not is_quoted(said.text, match.start())
    ]
