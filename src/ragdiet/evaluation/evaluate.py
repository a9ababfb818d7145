"""Asks labelled questions and the kept regression cases, and counts what came of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragdiet.evaluation.labelled import LabelledQuestion

if TYPE_CHECKING:
    from ragdiet.failures import Case, Failures
    from ragdiet.types import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A question that was asked: ``fault`` says what of the expectation its answer does not meet, or is empty. ``case``
    is the regression case it comes from."""

    question: str
    answer: Answer
    fault: str
    name: str = ""
    case: Case | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What an evaluation showed. ``cost`` is USD, ``seconds`` the sum over the asks."""

    rows: tuple[Evaluated, ...]
    cost: Decimal
    seconds: float

    @property
    def passed(self) -> int:
        return sum(not row.fault for row in self.rows)

    @property
    def failed(self) -> tuple[Evaluated, ...]:
        return tuple(row for row in self.rows if row.fault)

    @property
    def wrong(self) -> int:
        """Answers that were given and are not as expected: what a chain should rather have declined."""
        return sum(row.answer.outcome == "answered" for row in self.failed)

    @property
    def regressions(self) -> tuple[Evaluated, ...]:
        """Regression cases that do not pass."""
        return tuple(row for row in self.failed if row.case)

    def __str__(self) -> str:
        lines = [
            f"failed {row.name or row.answer.prompt_id}: {row.question[:80]!r}: {row.fault}" for row in self.failed
        ]
        answered = sum(row.answer.outcome == "answered" for row in self.rows)
        lines.append(
            f"{self.passed:,} of {len(self.rows):,} as expected; {answered:,} answered, {self.wrong:,} of them wrong; "
            f"{len(self.regressions):,} regressions; ${self.cost:f}, {self.seconds:.1f} s"
        )
        return "\n".join(lines)


def evaluate(
    ask: Callable[[str, str | None, str | None], Answer],
    labelled: Sequence[LabelledQuestion],
    failures: Failures | None,
    tenant: str,
) -> Evaluation:
    """Ask all of them in turn. ``ask`` takes a question, its collection and its tenant, None for those of now. Each
    case out of ``failures`` has its result noted: it is fixed, or open again."""
    rows = []
    for one in labelled:
        answer = ask(one.question, None, None)
        rows.append(Evaluated(question=one.question, answer=answer, fault=one.expected.fault(answer), name=one.name))
    for case in failures.regressions(tenant=tenant) if failures else ():
        answer = ask(case.question, case.collection, case.tenant)
        fault = case.fault(answer)
        assert failures is not None
        failures.checked(case, fault)
        rows.append(Evaluated(question=case.question, answer=answer, fault=fault, name=case.prompt_id, case=case))
    return Evaluation(
        rows=tuple(rows),
        cost=sum((row.answer.cost for row in rows), Decimal(0)),
        seconds=sum(attempt.seconds for row in rows for attempt in row.answer.attempts),
    )
