"""Which turns of a conversation a question leans on, and the question as it would be asked without them.

A question that stands alone takes no history. One that leans is rewritten, without a model, where that is
safe: a pronoun becomes the one thing that was asked about or answered, a fragment ("And in Germany?") takes its
place in the question before it. Such a question then stands alone too, and the history costs nothing. Where it
is not safe, the turns that it leans on go along, and the search looks for both questions' words.

English wording. In other languages the last exchange always goes along, and a short question is searched
with the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragdiet.diet.cues import subject
from ragdiet.diet.leaning import SHORT, leans
from ragdiet.diet.standalone import rewritten

if TYPE_CHECKING:
    from ragdiet.protocols import TokenCounter
    from ragdiet.types import Turn

HISTORY_TOKENS = 200
"""Tokens at most of the turns that go along: a third of the default budget of the sources."""

_MOST_FOLLOW_UPS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """``question`` is what models are asked, ``searched`` what is looked for, ``history`` the turns that go along,
    oldest first, a user's first; ``reason`` says what was done, "" where the question stands alone."""

    question: str
    searched: str
    history: tuple[Turn, ...] = ()
    reason: str = ""


def follow_up(
    question: str,
    history: Sequence[Turn],
    counter: TokenCounter,
    *,
    most_tokens: int = HISTORY_TOKENS,
    language: str = "english",
) -> FollowUp:
    """The question with no more of the history than it needs, at most ``most_tokens`` of it."""
    turns = [turn for turn in history if turn.text.strip()]
    if not turns or not leans(question, language):
        return FollowUp(question=question, searched=question)
    asked = [place for place, turn in enumerate(turns) if turn.role == "user"]
    if not asked:
        return FollowUp(question=question, searched=question)
    first = len(asked) - 1
    while first and language == "english" and leans(turns[asked[first]].text) and len(asked) - first < _MOST_FOLLOW_UPS:
        first -= 1
    if language == "english":
        whole = _unfolded(question, turns[asked[first] :])
        if whole is not None:
            return FollowUp(question=whole, searched=whole, reason=f"asked as {whole!r}, which stands alone")
    kept = _within(turns[asked[first] :], counter, most_tokens)
    searched = question
    if language == "english" or len(question.split()) <= SHORT:
        about = subject(turns[asked[first]].text)
        searched = f"{question.rstrip('?!. ')} {about}" if about else question
    reason = f"leans on {len(kept)} turns" + (f", searched as {searched!r}" if searched != question else "")
    return FollowUp(question=question, searched=searched, history=kept, reason=reason)


def _unfolded(question: str, turns: Sequence[Turn]) -> str | None:
    """The question rewritten by the turns, the first of which is a user's: each of theirs by those before it."""
    before: str | None = None
    answer = ""
    for turn in turns:
        if turn.role == "assistant":
            answer = f"{answer} {turn.text}"
        elif not leans(turn.text):
            before, answer = turn.text, ""
        elif before is not None:
            before, answer = rewritten(turn.text, before, answer), ""
    return None if before is None else rewritten(question, before, answer)


def _within(turns: Sequence[Turn], counter: TokenCounter, most_tokens: int) -> tuple[Turn, ...]:
    """The latest turns that fit, whole, from a user's turn on; of an exchange that is too long, the question."""
    kept: list[Turn] = []
    left = most_tokens
    for turn, tokens in zip(reversed(turns), reversed(counter.count_batch([turn.text for turn in turns])), strict=True):
        if tokens <= left:
            kept.append(turn)
            left -= tokens
        elif turn.role == "user":
            break
    kept.reverse()
    while kept and kept[0].role != "user":
        kept.pop(0)
    return tuple(kept)
