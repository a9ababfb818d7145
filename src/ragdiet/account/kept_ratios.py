"""The learnt token ratios in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import TYPE_CHECKING

from ragdiet.account.calibration import Key
from ragdiet.account.ratio import WINDOW

if TYPE_CHECKING:
    import psycopg

    from ragdiet.protocols import Database

# The owner of the tables may see all tenants.
_LOAD = "SELECT model, counter, logs FROM ragdiet.calibration WHERE tenant = %s"

# The latest of both: processes that learn at the same time lose nothing of each other.
_ADD = """
INSERT INTO ragdiet.calibration AS own (tenant, model, counter, logs, seen)
VALUES (%(tenant)s, %(model)s, %(counter)s, %(logs)s, cardinality(%(logs)s::real[]))
ON CONFLICT (tenant, model, counter) DO UPDATE SET
    logs = (own.logs || excluded.logs)[greatest(1, cardinality(own.logs || excluded.logs) - %(window)s + 1):],
    seen = own.seen + excluded.seen,
    updated_at = now()
"""


class PostgresRatios:
    """Keeps each tenant's ratios as the logarithms of its latest 200 replies, a model and a counter a row."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, tenant: str) -> Mapping[Key, Sequence[float]]:
        def read(connection: psycopg.Connection) -> list[tuple[str, str, list[float]]]:
            return connection.execute(_LOAD, (tenant,)).fetchall()

        rows = Context().run(lambda: self._database.run(read, tenant=tenant, read_only=True, repeatable=True))
        return {(model, counter): logs for model, counter, logs in rows}

    def add(self, tenant: str, fresh: Mapping[Key, Sequence[float]]) -> None:
        values = [
            {"tenant": tenant, "model": model, "counter": counter, "logs": list(logs), "window": WINDOW}
            for (model, counter), logs in sorted(fresh.items())
        ]
        # Not into a transaction of the caller's, which may be rolled back. Twice is as good as once: it is a sample.
        Context().run(
            lambda: self._database.run(
                lambda connection: connection.cursor().executemany(_ADD, values), tenant=tenant, repeatable=True
            )
        )
