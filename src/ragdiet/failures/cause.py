"""Why an ask went wrong: one of a fixed list of causes, proposed from what replaying its stages showed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Cause: TypeAlias = Literal[
    "input",
    "ingest gap",
    "chunk cut",
    "retrieval miss",
    "ranking",
    "diet dropped it",
    "unsupported answer",
    "wrong model",
    "inference error",
    "guard",
    "stale corpus",
]
CAUSES: tuple[Cause, ...] = get_args(Cause)

MEANINGS: dict[Cause, str] = {
    "input": "the question is empty, vague, misspelt or several in one",
    "ingest gap": "the collection does not hold what would answer it",
    "chunk cut": "what would answer it is cut in two by a border of chunks",
    "retrieval miss": "the collection holds it, but no leg of the search brings it",
    "ranking": "the search brings it, but behind the hits that are read",
    "diet dropped it": "a hit holds it, but the context does not",
    "unsupported answer": "the context holds it, but the answer says something else",
    "wrong model": "the context holds it, but the model did not find it there",
    "inference error": "the models failed, or had no time or no money, or something else broke the ask off",
    "guard": "a guard refused the question, its sources or the reply, or could not say",
    "stale corpus": "the collection has changed since, and now holds it where it did not",
}


_BROKEN_OFF = ("models failed", "out of time", "over budget", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was recorded of an ask, and what its stages bring now. None is unknown: nothing tells what was expected.

    ``in_corpus``: a chunk holds what was expected; ``across_chunks``: only two neighbours together do. ``rank`` is its
    place in a wide search, from 1. ``in_hits`` and ``in_context`` are of now, ``was_in_hits`` of then. ``lacking`` are
    the question's words that no chunk has, ``misspelt`` how the collection spells some of them. ``has_moved``: the
    corpus was changed since.
    """

    outcome: str
    reason: str
    model_refused: bool = False
    lacking: tuple[str, ...] = ()
    misspelt: tuple[str, ...] = ()
    in_corpus: bool | None = None
    across_chunks: bool = False
    rank: int | None = None
    in_hits: bool | None = None
    was_in_hits: bool | None = None
    in_context: bool | None = None
    has_moved: bool = False


def propose(found: Findings) -> tuple[Cause, str]:
    """The likeliest cause, and what speaks for it.

    >>> propose(Findings(outcome="abstained", reason="not supported", in_corpus=True, rank=14, in_hits=False))
    ('ranking', 'it stands at place 14 of a wide search, behind the hits that are read')
    """
    if found.reason in ("refused", "guard failed"):
        return "guard", f"the ask ended as {found.reason!r}"
    if found.reason in _BROKEN_OFF or found.reason.startswith("raised"):
        return "inference error", f"the ask ended as {found.reason!r}"
    if found.outcome == "clarify":
        return "input", "choices were offered instead of an answer"
    if found.in_corpus is None:
        return _without_expectation(found)
    if not found.in_corpus:
        if found.across_chunks:
            return "chunk cut", "only two neighbouring chunks together hold it"
        return "ingest gap", "no chunk of the collection holds it"
    if found.has_moved and found.in_hits and found.was_in_hits is False:
        return "stale corpus", "it is among the hits now, was not then, and the collection has changed since"
    if found.misspelt and (not found.in_hits or found.reason == "nothing found"):
        return "input", f"a chunk holds it, and the collection writes {', '.join(found.misspelt)}"
    if found.rank is None:
        return "retrieval miss", "a chunk holds it, and a wide search does not bring it"
    if not found.in_hits:
        return "ranking", f"it stands at place {found.rank} of a wide search, behind the hits that are read"
    if found.reason == "nothing found":
        return "retrieval miss", f"hit {found.rank} holds it, and gate 1 let no hit pass"
    if not found.in_context:
        return "diet dropped it", f"hit {found.rank} holds it, the context does not"
    if found.model_refused:
        return "wrong model", "the context holds it, and the model said that it does not"
    if found.outcome == "abstained":
        return "unsupported answer", "the context holds it, and no reply was accepted: its attempts say why"
    return "unsupported answer", "the context holds it, and the answer does not say it"


def _without_expectation(found: Findings) -> tuple[Cause, str]:
    if found.misspelt:
        return "input", f"the collection writes {', '.join(found.misspelt)}; say what was expected to know more"
    if found.lacking:
        return "ingest gap", f"no chunk has: {', '.join(found.lacking)}; say what was expected to know more"
    if found.outcome == "answered":
        return "unsupported answer", "an answer was given; say what was expected to know more"
    if found.reason == "nothing found":
        return (
            "retrieval miss",
            "all its words are known, and gate 1 let no hit pass; say what was expected to know more",
        )
    return "wrong model", "hits passed gate 1, and no reply was accepted; say what was expected to know more"
