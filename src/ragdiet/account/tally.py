"""What the latest questions of this process have cost so far, for when the database cannot say."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from ragdiet.account.exact import exact_sum

if TYPE_CHECKING:
    from ragdiet.account.ledger import Call

_MOST = 1_000
"""Questions kept; those without a new row for the longest time go first."""


@dataclass(slots=True)
class _Spent:
    settled: Decimal = Decimal(0)
    open: dict[str, Decimal] = field(default_factory=dict)


class Tally:
    """The cost of each question's calls: of a call under way its worst case. Safe in threads."""

    def __init__(self) -> None:
        self._spent: OrderedDict[tuple[str, str], _Spent] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, call: Call) -> None:
        """Reckon with a row that was started, or settled."""
        key = call.tenant, call.prompt_id
        with self._lock:
            spent = self._spent.setdefault(key, _Spent())
            self._spent.move_to_end(key)
            if call.status == "started":
                spent.open[call.call_id] = call.cost
            else:
                spent.open.pop(call.call_id, None)
                spent.settled = exact_sum((spent.settled, call.cost))
            if len(self._spent) > _MOST:
                self._spent.popitem(last=False)

    def cost_of(self, tenant: str, prompt_id: str) -> Decimal:
        """USD, as far as this process knows."""
        with self._lock:
            spent = self._spent.get((tenant, prompt_id), _Spent())
            return exact_sum((spent.settled, *spent.open.values()))
