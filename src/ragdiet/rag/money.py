"""The verbs of a RAG for money: what was spent, what may be, and what need not be spent again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ragdiet.account import Budgets, PostgresLedger
from ragdiet.answers import Answers
from ragdiet.errors import InvalidArgument
from ragdiet.rag.door import Door
from ragdiet.report import Costs, read_anomalies, read_costs, read_spend

if TYPE_CHECKING:
    from ragdiet.report import Anomaly, CostKey, SpendReport


class Money(Door):
    """Costs, budgets and kept answers."""

    def costs(
        self,
        by: CostKey | Sequence[CostKey] = "stage",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Costs:
        """What was spent, dearest first: by stage, model, tenant, tag, day, outcome, collection, region, hour, reused,
        or by each combination of several. Days and hours are those of UTC; a time without a zone is UTC.

        As the runtime role, what this RAG's tenant spent; as the owner, what all did.
        """
        self._flush_ledger()
        return read_costs(self.store, by, since=since, until=until, tenant=self.tenant)

    def spend_report(self, since: datetime | None = None, until: datetime | None = None) -> SpendReport:
        """All about the spend of the last 90 days, or of another period: ``html()`` is a page with charts.

        It covers what ``costs`` covers, in whole days of UTC from that of ``since`` on.
        """
        self._flush_ledger()
        return read_spend(self.store, self._named.prices, since=since, until=until, tenant=self.tenant)

    def anomalies(self, since: datetime | None = None) -> tuple[Anomaly, ...]:
        """Days of the last 7, or since another day, on which all spend, or that of a model or a tenant, was far from
        its own history, dearest first. It takes 4 weeks of history, and covers what ``costs`` covers.
        """
        self._flush_ledger()
        return read_anomalies(self.store, since=since, tenant=self.tenant)

    def _flush_ledger(self) -> None:
        self._check_schema()
        if not isinstance(self.ledger, PostgresLedger):
            raise InvalidArgument("costs are read from the database: this RAG was given a ledger of another kind")
        self.ledger.flush()

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
        return self._answers_of(self.tenant)
