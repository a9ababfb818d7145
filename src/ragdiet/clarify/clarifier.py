"""Questions that are met with choices before a model is paid to guess what was meant.

The choices are the corpus's own headings, or what the question itself says. Thresholds were fitted by
``python -m benchmarks.questions`` on one half of its questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ragdiet.analysis import analyzer
from ragdiet.clarify.signals import Signals, headings, said, signals
from ragdiet.clarify.wording import subject_terms

if TYPE_CHECKING:
    from ragdiet.types import Change, Hit

Fault: TypeAlias = Literal["empty", "vague", "two in one", "ambiguous", "misspelt"]

MOST_CHOICES = 4
LEAST_CLUSTERS = 3
"""What one or two documents speak of is no riddle: both can be read."""
MOST_MARGIN = 0.3
LEAST_RATIO = 0.3
LEAST_APART = 0.02
"""By how much each part of a question must find more in a hit of its own than one hit has of all parts."""
_LONGEST_HEADING = 120

_TEMPLATES: dict[Fault, str] = {
    "empty": "This holds no words to look for. Ask about something by its name",
    "vague": "This does not say what it is about. Ask about something by its name",
    "two in one": "This asks more than one thing. Ask one at a time",
    "ambiguous": "Several documents speak of this. Say which one is meant",
    "misspelt": "Did you mean",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clarification:
    """Why a question is not clear, and up to four questions or phrases to ask in its place."""

    fault: Fault
    choices: tuple[str, ...]

    @property
    def text(self) -> str:
        """The same in words.

        >>> print(Clarification(fault="misspelt", choices=("How long is the notice period?",)).text)
        Did you mean:
        - How long is the notice period?
        """
        said = _TEMPLATES[self.fault]
        return "\n- ".join((f"{said}:", *self.choices)) if self.choices else f"{said}."


class Clarifier:
    """Says whether a question can be answered as it stands. ``language`` is that of the collections; English has
    cues beside the stop words and the clusters of hits, which serve every language."""

    def __init__(self, language: str = "english") -> None:
        self._analyzer = analyzer(language)

    def signals(self, question: str, hits: Sequence[Hit]) -> Signals:
        return signals(question, hits, self._analyzer)

    def clarification(self, question: str, hits: Sequence[Hit], *, follows: bool = False) -> Clarification | None:
        """What is not clear about a question that brought ``hits``; None for one that is.

        One that ``follows`` others may lean on them: only one without any word is met with choices.
        """
        if not any(map(str.isalnum, question)):
            return Clarification(fault="empty", choices=self._first(headings(hits)))
        if follows:
            return None
        seen = self.signals(question, hits)
        if not seen.terms:
            return Clarification(fault="vague", choices=self._first(headings(hits)))
        if seen.parts:
            is_two = seen.apart - seen.together >= LEAST_APART
            return Clarification(fault="two in one", choices=seen.parts[:MOST_CHOICES]) if is_two else None
        if len(seen.clusters) < LEAST_CLUSTERS or seen.margin > MOST_MARGIN or seen.ratio < LEAST_RATIO:
            return None  # NaN compares as false: a score that the retriever does not give rules nothing out
        best = self._first(cluster.heading for cluster in seen.clusters)
        return Clarification(fault="ambiguous", choices=tuple(f"{heading}: {question}" for heading in best))

    def hold(self, hits: Sequence[Hit], changes: Sequence[Change]) -> bool:
        """Whether a hit has every word that a correction put into the question."""
        wanted = set(self._analyzer.terms(" ".join(change.corrected for change in changes)))
        return any(wanted <= set(self._analyzer.terms(said(hit))) for hit in hits)

    def _first(self, found: Iterable[str]) -> tuple[str, ...]:
        """The first few different headings that say something, each in one line and not too long."""
        lines = dict.fromkeys(" ".join(heading.split())[:_LONGEST_HEADING].rstrip() for heading in found)
        return tuple(line for line in lines if subject_terms(line, self._analyzer))[:MOST_CHOICES]


def spelling(corrected: str) -> Clarification:
    """The offer to ask ``corrected``, the question in the corpus's spelling."""
    return Clarification(fault="misspelt", choices=(corrected,))
