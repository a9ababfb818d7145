"""What the calls of this process were told of budgets: whether any binds them, and which are past their soft limit."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

_MOST_REMEMBERED = 10_000

_log = logging.getLogger("ragdiet.account")

_Whose: TypeAlias = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class _Strain:
    """A budget past its soft limit, whose asks keep to the cheapest model until it begins anew."""

    reason: str
    resets_at: datetime | None


class Strains:
    """Each call that begins tells how its budgets stand, at no cost; so a budget that is set is known from the next
    call on. Safe in threads."""

    def __init__(self) -> None:
        self._free: OrderedDict[str, None] = OrderedDict()
        self._strained: OrderedDict[_Whose, _Strain] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, tenant: str, tags: Mapping[str, str], told: str | None) -> None:
        """Take in what the database told a call: nothing where no budget could bind the tenant, else those that are
        strained, as JSON."""
        whose = (tenant, frozenset(tags.items()))
        budgets = json.loads(told) if told else []
        with self._lock:
            self._free.pop(tenant, None)
            self._strained.pop(whose, None)
            if not told:
                self._free[tenant] = None
            for budget in budgets:
                if budget["on_soft"] == "cheaper":
                    self._strained[whose] = _strain(budget)
            for memory in (self._free, self._strained):
                if len(memory) > _MOST_REMEMBERED:
                    memory.popitem(last=False)
        for budget in budgets:
            if budget["first"]:
                _log.warning("%s", _past(budget))

    def is_free(self, tenant: str) -> bool:
        """Whether no budget could bind this tenant's calls, as far as the latest of them was told. False where none
        was: what cannot be checked then must not be spent."""
        return tenant in self._free

    def reason(self, tenant: str, tags: Mapping[str, str]) -> str:
        """Which budget holds these asks to the cheapest model, in words; empty where none does."""
        strain = self._strained.get((tenant, frozenset(tags.items())))
        if strain is None or (strain.resets_at is not None and strain.resets_at <= datetime.now(UTC)):
            return ""
        return strain.reason


def _strain(budget: Mapping[str, str]) -> _Strain:
    resets_at = datetime.fromisoformat(budget["resets_at"]) if budget["resets_at"] else None
    return _Strain(_past(budget), resets_at)


def _past(budget: Mapping[str, str]) -> str:
    return f"the budget {budget['budget']!r} is past {Decimal(budget['share']):.0%} of its limit"
