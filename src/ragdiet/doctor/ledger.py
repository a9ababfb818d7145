"""Checks of what was begun and not ended: calls without a result, documents past their time."""

from __future__ import annotations

from collections.abc import Iterator

from ragdiet.doctor.commands import ragdiet
from ragdiet.doctor.facts import Ledger
from ragdiet.doctor.finding import Finding


def calls(ledger: Ledger) -> Iterator[Finding]:
    """Every call was settled within an hour."""
    if ledger.unsettled:
        yield Finding(
            check="ledger",
            status="warn",
            what=f"{ledger.unsettled:,} calls were begun over an hour ago and never settled: a process died in them. "
            f"Their worst case, ${ledger.worst_cost}, stays in the costs",
            mend=(
                "UPDATE ragdiet.call SET status = 'unknown', error = 'never settled' "
                "WHERE status = 'started' AND started_at < now() - interval '1 hour'",
            ),
        )


def expired(documents: int) -> Iterator[Finding]:
    """Documents past their time are deleted."""
    if documents:
        yield Finding(
            check="expiry",
            status="warn",
            what=f"{documents:,} expired documents are still stored: searches of their collections look for them",
            mend=(ragdiet("sweep"),),
        )
