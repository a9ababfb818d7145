"""What the doctor says: findings, each with the commands that mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from ragdiet.display import diagnosis_html
from ragdiet.doctor.facts import Unread

T = TypeVar("T")

Status: TypeAlias = Literal["ok", "warn", "fail"]
"""``fail``: searches are slow, wrong or impossible now. ``warn``: they will be, or money or safety is at stake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. ``mend`` holds SQL statements, for the owner of the tables, and command lines, which
    begin with ``ragdiet``; they are to be run one by one in their order."""

    check: str
    status: Status
    what: str
    mend: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All findings, in the order of the checks."""

    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """The worst of the findings."""
        found = {finding.status for finding in self.findings}
        return "fail" if "fail" in found else "warn" if "warn" in found else "ok"

    @property
    def mend(self) -> tuple[str, ...]:
        """The commands of all findings, each once, in the order in which to run them."""
        return tuple(dict.fromkeys(command for finding in self.findings for command in finding.mend))

    def of(self, check: str) -> tuple[Finding, ...]:
        """The findings of one check."""
        return tuple(finding for finding in self.findings if finding.check == check)

    def _repr_html_(self) -> str:
        return diagnosis_html(
            [(finding.status, finding.check, finding.what, finding.mend) for finding in self.findings]
        )


def examined(check: str, facts: T | Unread, examine: Callable[[T], Iterable[Finding]], fine: str) -> list[Finding]:
    """What ``examine`` finds in the facts: ``fine`` if nothing, and why if they could not be read."""
    if isinstance(facts, Unread):
        return [Finding(check=check, status="warn", what=f"not looked at: {facts.reason}", mend=facts.mend)]
    return list(examine(facts)) or [Finding(check=check, status="ok", what=fine)]
