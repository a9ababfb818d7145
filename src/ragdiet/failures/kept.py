"""Cases in the database, those of one tenant at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ragdiet.errors import InvalidArgument, UnknownPrompt
from ragdiet.failures.case import Case, Expected
from ragdiet.observe import checked_id
from ragdiet.store.tenancy import act_for

if TYPE_CHECKING:
    from datetime import timedelta

    import psycopg

    from ragdiet.store import Database

T = TypeVar("T")

_COLUMNS = """prompt_id, kind, question, tenant, collection, opened_at, state, outcome, reason, cause, evidence, tags,
    note, expected, checked, checked_at"""

_LIST = f"""
SELECT {_COLUMNS}
FROM ragdiet.failure
WHERE tenant = %(tenant)s
    AND (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(cause)s::text IS NULL OR cause = %(cause)s)
    AND (%(tag)s::text IS NULL OR %(tag)s = ANY (tags))
    AND (NOT %(expects)s OR expected <> '{{}}')
ORDER BY opened_at DESC, prompt_id DESC
LIMIT %(limit)s
"""  # noqa: S608  # columns of ours

_SHOW = f"SELECT {_COLUMNS}, record FROM ragdiet.failure WHERE tenant = %(tenant)s AND prompt_id = %(prompt_id)s"  # noqa: S608

# Of a case that somebody changed only what he said is changed.
_TAG = """
UPDATE ragdiet.failure SET
    tags = ARRAY(SELECT DISTINCT unnest(tags || %(tags)s::text[]) ORDER BY 1),
    cause = coalesce(%(cause)s, cause),
    evidence = CASE WHEN %(cause)s::text IS NULL THEN evidence ELSE '' END,
    note = coalesce(%(note)s, note),
    expected = coalesce(%(expected)s, expected),
    state = coalesce(%(state)s, state)
WHERE tenant = %(tenant)s AND prompt_id = %(prompt_id)s
"""

_PROPOSE = """
UPDATE ragdiet.failure SET cause = %(cause)s, evidence = %(evidence)s
WHERE tenant = %(tenant)s AND prompt_id = %(prompt_id)s AND (cause = '' OR evidence <> '')
"""

_CHECKED = """
UPDATE ragdiet.failure SET checked = %(fault)s, checked_at = now(), state = %(state)s
WHERE tenant = %(tenant)s AND prompt_id = %(prompt_id)s
"""

_FEEDBACK = """
INSERT INTO ragdiet.feedback (prompt_id, tenant, good, note)
SELECT prompt_id, tenant, %(good)s, %(note)s FROM ragdiet.ask WHERE tenant = %(tenant)s AND prompt_id = %(prompt_id)s
ON CONFLICT (prompt_id, tenant) DO UPDATE SET good = excluded.good, note = excluded.note, given_at = now()
"""

_DISLIKED = """
INSERT INTO ragdiet.failure (prompt_id, tenant, collection, kind, question, outcome, reason, record, note)
SELECT prompt_id, tenant, collection, 'disliked', question, outcome, reason, coalesce(record, '{}'), %(note)s
FROM ragdiet.ask
WHERE tenant = %(tenant)s AND prompt_id = %(prompt_id)s
ON CONFLICT (prompt_id, tenant) DO UPDATE SET
    note = CASE WHEN excluded.note = '' THEN failure.note ELSE excluded.note END,
    state = 'open'
"""

_FORGET = """
UPDATE ragdiet.ask SET record = NULL WHERE finished_at < now() - %(age)s AND record IS NOT NULL
"""


class Kept:
    """Reads and writes cases. Raises UnknownPrompt for a prompt_id that this tenant has none of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self, tenant: str, *, state: str | None, cause: str | None, tag: str | None, limit: int, expects: bool = False
    ) -> tuple[Case, ...]:
        """The latest first, without their records."""
        values = {"tenant": tenant, "state": state, "cause": cause, "tag": tag, "limit": limit, "expects": expects}
        return self._run(tenant, lambda connection: tuple(map(_case, _rows(connection, _LIST, values))))

    def show(self, tenant: str, prompt_id: str) -> Case:
        """One case, with its record."""
        _check_id(prompt_id)
        rows = self._run(
            tenant, lambda connection: _rows(connection, _SHOW, {"tenant": tenant, "prompt_id": prompt_id})
        )
        if not rows:
            raise UnknownPrompt(f"no failure is kept under the prompt_id {prompt_id!r}: list them to see which are")
        return _case(rows[0])

    def tag(
        self,
        tenant: str,
        prompt_id: str,
        *,
        tags: Sequence[str],
        cause: str | None,
        note: str | None,
        expected: Expected | None,
        state: str | None,
    ) -> None:
        """Add to a case what somebody found out."""
        values = {
            "tags": [*tags],
            "cause": cause,
            "note": note,
            "expected": None if expected is None else Jsonb(_stored(expected)),
            "state": state,
        }
        self._change(tenant, prompt_id, _TAG, values, "no failure is kept")

    def propose(self, case: Case, cause: str, evidence: str) -> None:
        """Note a cause, unless somebody has named one."""
        values = {"tenant": case.tenant, "prompt_id": case.prompt_id, "cause": cause, "evidence": evidence}
        self._run(case.tenant, lambda connection: connection.execute(_PROPOSE, values))

    def checked(self, case: Case, fault: str) -> None:
        """Note how a case did as a regression case: it is fixed where it passed, and open again where it did not."""
        values = {"fault": fault, "state": "open" if fault else "fixed"}
        self._change(case.tenant, case.prompt_id, _CHECKED, values, "no failure is kept")

    def feedback(self, tenant: str, prompt_id: str, *, good: bool, note: str) -> None:
        """What somebody thought of an answer; one that was not liked becomes a case."""
        _check_id(prompt_id)
        values = {"tenant": tenant, "prompt_id": prompt_id, "good": good, "note": note}

        def write(connection: psycopg.Connection) -> int:
            found = connection.execute(_FEEDBACK, values).rowcount
            if found and not good:
                connection.execute(_DISLIKED, values)
            return found

        if not self._run(tenant, write):
            raise UnknownPrompt(f"nothing was asked under the prompt_id {prompt_id!r}: give that of an Answer")

    def forget(self, tenant: str, older_than: timedelta) -> int:
        """Drop what older asks saw and did, of this tenant or, as the owner, of all; cases keep theirs. Returns how
        many that were."""

        def drop(connection: psycopg.Connection) -> int:
            act_for(connection, tenant)
            return connection.execute(_FORGET, {"age": older_than}).rowcount

        return self._database.run(drop, tenant=None, repeatable=True)

    def _change(self, tenant: str, prompt_id: str, statement: str, values: dict[str, Any], missing: str) -> None:
        _check_id(prompt_id)
        bound = values | {"tenant": tenant, "prompt_id": prompt_id}
        if not self._run(tenant, lambda connection: connection.execute(statement, bound).rowcount):
            raise UnknownPrompt(f"{missing} under the prompt_id {prompt_id!r}: list them to see which are")

    def _run(self, tenant: str, work: Callable[[psycopg.Connection], T]) -> T:
        return self._database.run(work, tenant=tenant, repeatable=True)


def _check_id(prompt_id: str) -> None:
    try:
        checked_id(prompt_id)
    except InvalidArgument as error:
        raise UnknownPrompt(
            f"nothing is kept under {prompt_id!r:.60}, which is no prompt_id: give an Answer's"
        ) from error


def _rows(connection: psycopg.Connection, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, values).fetchall()


def _case(row: dict[str, Any]) -> Case:
    expected = row["expected"]
    return Case(
        **row
        | {
            "cause": row["cause"] or None,
            "tags": tuple(row["tags"]),
            "expected": Expected(
                answers=tuple(expected.get("answers", ())),
                documents=tuple(expected.get("documents", ())),
                outcome=expected.get("outcome"),
            ),
        }
    )


def _stored(expected: Expected) -> dict[str, Any]:
    return {name: value for name, value in asdict(expected).items() if value}
