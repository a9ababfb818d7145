"""When an attempt is accepted: conditions that compose with ``&`` and ``|``, and tell their reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ragdiet.errors import InvalidArgument

if TYPE_CHECKING:
    from ragdiet.fallback.facts import Facts

Accept: TypeAlias = "Condition | Callable[[Facts], bool]"


class Verdict(NamedTuple):
    """Whether an attempt is accepted, and why."""

    accepted: bool
    reason: str


class Condition:
    """A rule over an attempt's facts. ``str`` of it is the rule in words.

    >>> str(confident(0.8) & cited() | confident(0.95))
    'confidence at or over 0.80 and every sentence cited, or confidence at or over 0.95'
    """

    def __init__(self, words: str, judge: Callable[[Facts], Verdict]) -> None:
        self._words = words
        self._judge = judge

    def judge(self, facts: Facts) -> Verdict:
        """Whether the facts meet the rule, and the part of it that decided."""
        return self._judge(facts)

    def __call__(self, facts: Facts) -> bool:
        return self._judge(facts).accepted

    def __and__(self, other: Accept) -> Condition:
        """Both; the second is asked only where the first is met."""
        second = as_condition(other)

        def judge(facts: Facts) -> Verdict:
            one = self.judge(facts)
            if not one.accepted:
                return one
            two = second.judge(facts)
            return Verdict(True, f"{one.reason} and {two.reason}") if two.accepted else two

        return Condition(f"{self} and {second}", judge)

    def __or__(self, other: Accept) -> Condition:
        """Either; the second is asked only where the first is not met."""
        second = as_condition(other)

        def judge(facts: Facts) -> Verdict:
            one = self.judge(facts)
            if one.accepted:
                return one
            two = second.judge(facts)
            return two if two.accepted else Verdict(False, f"{one.reason}, and {two.reason}")

        return Condition(f"{self}, or {second}", judge)

    def __rand__(self, other: Callable[[Facts], bool]) -> Condition:
        return as_condition(other) & self

    def __ror__(self, other: Callable[[Facts], bool]) -> Condition:
        return as_condition(other) | self

    def __str__(self) -> str:
        return self._words

    def __repr__(self) -> str:
        return f"<condition: {self}>"


def as_condition(rule: Accept) -> Condition:
    """A plain function of the facts as a condition, named as the function is. Raises InvalidArgument for what cannot
    be called."""
    if isinstance(rule, Condition):
        return rule
    if not callable(rule):
        raise InvalidArgument(f"{rule!r} is no condition: give one such as confident(0.8) & cited(), or a function")
    name = getattr(rule, "__name__", type(rule).__name__)

    def judge(facts: Facts) -> Verdict:
        accepted = bool(rule(facts))
        return Verdict(accepted, f"{name} said {'yes' if accepted else 'no'}")

    return Condition(name, judge)


def confident(at_least: float | None = None) -> Condition:
    """The confidence is at or over ``at_least``, in [0, 1]; by default over the confidence model's own threshold,
    which may be certified: a number of your own carries no such promise."""
    if at_least is not None and not 0 <= at_least <= 1:
        raise InvalidArgument(f"confident({at_least}): give a number from 0 to 1, or none")

    def judge(facts: Facts) -> Verdict:
        threshold = facts.threshold if at_least is None else at_least
        accepted = facts.confidence >= threshold
        words = "at or over" if accepted else "under"
        return Verdict(accepted, f"confidence {facts.confidence:.2f} {words} {threshold:.2f}")

    of = "the confidence model's threshold" if at_least is None else f"{at_least:.2f}"
    return Condition(f"confidence at or over {of}", judge)


def unlikely(under: float | None = None) -> Condition:
    """The chance that the corpus holds an answer, as the latest search left it, is under ``under``, above 0. It says
    when a model that found no answer in its sources is believed: ``Step(model, declines=unlikely(0.5))``. By default
    the confidence model's own threshold of a reply: no reply is more likely to be right than there is an answer, so
    that under it none of ``confident()`` could follow."""
    if under is not None and not 0 < under <= 1:
        raise InvalidArgument(f"unlikely({under}): give a number above 0, at most 1, or none")

    def judge(facts: Facts) -> Verdict:
        threshold = facts.threshold if under is None else under
        accepted = facts.found < threshold
        words = "under" if accepted else "at or over"
        return Verdict(accepted, f"chance of an answer {facts.found:.2f} {words} {threshold:.2f}")

    of = "the confidence model's threshold" if under is None else f"{under:.2f}"
    return Condition(f"chance of an answer under {of}", judge)


def cited(share: float = 1.0) -> Condition:
    """Of the reply's sentences at least ``share``, above 0, name a source that was there; by default all."""
    if not 0 < share <= 1:
        raise InvalidArgument(f"cited({share}): give a share above 0, at most 1")

    def judge(facts: Facts) -> Verdict:
        return Verdict(facts.cited >= share, f"{facts.cited:.0%} of the sentences cited")

    return Condition("every sentence cited" if share == 1 else f"{share:.0%} of the sentences cited", judge)
