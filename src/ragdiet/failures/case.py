"""An ask that went wrong, as it is kept, and what it should have been."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from ragdiet.failures.cause import Cause
from ragdiet.gold import holds
from ragdiet.types import Answer, Outcome

Kind: TypeAlias = Literal["failed", "abstained", "disliked"]
State: TypeAlias = Literal["open", "fixed", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the ask should have given: one of ``answers`` in its text, a citation of one of ``documents``, this
    ``outcome``. All that is given must hold."""

    answers: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    outcome: Outcome | None = None

    def __bool__(self) -> bool:
        return bool(self.answers or self.documents or self.outcome)

    def fault(self, answer: Answer) -> str:
        """What of it ``answer`` does not meet; empty where it meets all."""
        if self.outcome and answer.outcome != self.outcome:
            return f"the outcome is {answer.outcome}, not {self.outcome}"
        if self.answers and not holds(answer.text, self.answers):
            return f"the answer does not say {' or '.join(map(repr, self.answers))}"
        if self.answers and answer.outcome != "answered":
            return f"the outcome is {answer.outcome}, not answered"
        if self.documents and not {cited.document_id for cited in answer.citations} & {*self.documents}:
            return f"the answer does not cite {' or '.join(self.documents)}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kept failure. ``record`` holds what the ask saw and did: its hits, the sentences kept, the context, attempts
    and versions; all texts of it with personal data and secrets masked. ``cause`` is the proposed one until somebody
    tags another. ``checked`` is what its last run as a regression case showed, empty where it passed or never ran."""

    prompt_id: str
    kind: Kind
    question: str
    tenant: str
    collection: str
    opened_at: datetime
    state: State = "open"
    outcome: Outcome = "answered"
    reason: str = ""
    cause: Cause | None = None
    evidence: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    expected: Expected = Expected()
    checked: str = ""
    checked_at: datetime | None = None
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def fault(self, answer: Answer) -> str:
        """Why ``answer`` does not settle this case; empty where it does. Without an expectation an answer settles
        one that had none, and nothing tells of one that was disliked."""
        if self.expected:
            return self.expected.fault(answer)
        if self.kind == "disliked":
            return "nothing says what was expected: tag it with an answer or documents"
        return "" if answer.outcome == "answered" else f"the outcome is {answer.outcome} again ({_last(answer)})"


def _last(answer: Answer) -> str:
    return answer.attempts[-1].reason if answer.attempts else "no attempt"
