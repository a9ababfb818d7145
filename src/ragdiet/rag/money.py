"""The verbs of a RAG for money: what was spent, what may be, and what need not be spent again."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ragdiet.account import Budgets, PostgresLedger
from ragdiet.answers import Answers
from ragdiet.errors import InvalidArgument
from ragdiet.rag.door import Door
from ragdiet.report import Costs, read_costs

if TYPE_CHECKING:
    from ragdiet.report import CostKey


class Money(Door):
    """Costs, budgets and kept answers."""

    def costs(self, by: CostKey = "stage", since: datetime | None = None) -> Costs:
        """What was spent, by stage, model, tenant, tag, day or outcome, dearest first.

        As the runtime role, what this RAG's tenant spent; as the owner, what all did.
        """
        self._check_schema()
        if not isinstance(self.ledger, PostgresLedger):
            raise InvalidArgument("costs are read from the database: this RAG was given a ledger of another kind")
        self.ledger.flush()
        return read_costs(self.store, by=by, since=since, tenant=self.tenant)

    @property
    def budgets(self) -> Budgets:
        """What tenants, tags or all may spend in a day, a month, or ever: ``set``, ``list`` and ``remove``.

        >>> rag.budgets.set(SpendingBudget(name="acme", usd="5", per="day", tenant="acme"))   # doctest: +SKIP
        """
        self._check_schema()
        if not isinstance(self.ledger, PostgresLedger):
            raise InvalidArgument("budgets are kept with the ledger in the database: this RAG was given another ledger")
        return Budgets(self.store, tenant=self.tenant)

    @property
    def answers(self) -> Answers:
        """The answers that are kept for this RAG's tenant: what they saved, and how to forget them."""
        self._check_schema()
        flush = self.ledger.flush if isinstance(self.ledger, PostgresLedger) else lambda: None
        return Answers(self.store, tenant=self.tenant, flush=flush)
