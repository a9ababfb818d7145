"""Log records as lines of JSON without personal data and secrets: for any handler of the standard library."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ragdiet.observe.hiding import Everything, Hiding, Masks, Shown
from ragdiet.observe.trace import running

EVENT = "ragdiet_event"
"""The attribute of a record that holds the fields of an event."""

KEPT = "ragdiet_kept"
"""The attribute of a record that no sampling may drop: failures, fallbacks and money."""

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", EVENT, KEPT}
_ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")
# What lines share: hidden once, and remembered. What is made here holds nobody's data, and is not looked at.
_NAMES = frozenset({"logger", "prompt_id", "tenant", "collection", "step", "model", "served", "error", "finish_reason"})
_MADE = frozenset({"event", "call_id", "stage", "outcome", "cost_usd", "tags", "error_class"})


class JsonFormatter(logging.Formatter):
    """One line of JSON a record: ``ts`` (UTC), ``level``, ``logger``, ``event``, ``message``, the ``prompt_id``,
    ``tenant`` and ``attempt`` of the running ask, the fields of ragdiet's events, those given by ``extra``, and
    ``exception``.

    ``masks`` hides values in all of it, by default all that ``ragdiet.sensitive`` finds; a ``Masking`` will do. Where
    hiding fails the line says so, and holds nothing of the record's.
    """

    def __init__(self, masks: Masks | None = None) -> None:
        super().__init__()
        self._hiding = Hiding(masks or Everything())

    def format(self, record: logging.LogRecord) -> str:
        ts = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        first: dict[str, Shown] = {"ts": ts, "level": record.levelname}
        try:
            return json.dumps(first | self._fields(record))
        except Exception as error:  # noqa: BLE001  # whatever a record or a finder of one's own does
            return json.dumps(first | _withheld(record, error))

    def _fields(self, record: logging.LogRecord) -> dict[str, Shown]:
        hiding = self._hiding
        given: Mapping[str, Any] = getattr(record, EVENT, {})
        fields: dict[str, Any] = {"logger": record.name, "event": "log"}
        if trace := running():
            fields |= {"prompt_id": trace.prompt_id, "tenant": trace.tenant, "attempt": trace.attempt}
        fields |= given
        shown: dict[str, Shown] = {}
        for name, value in fields.items():
            if value is None or value == "" or value == {}:
                continue
            if name in _NAMES and isinstance(value, str):
                shown[name] = hiding.name(value)
            elif name in _MADE or type(value) in (int, bool):
                shown[name] = value
            else:
                shown[name] = hiding.field(name, value)
        if not given:
            shown["message"] = hiding.text(record.getMessage())
        for name, value in vars(record).items():
            if name not in _OWN:
                shown.setdefault(hiding.text(name), hiding.field(name, value))
        if record.exc_info and record.exc_info[0]:
            shown["error"] = record.exc_info[0].__name__
        if record.exc_info or record.exc_text:
            text = record.exc_text or self.formatException(record.exc_info)  # type: ignore[arg-type]  # as logging has it
            shown["exception"] = hiding.text(text)
        if record.stack_info:
            shown["stack"] = hiding.text(record.stack_info)
        return shown


def prompt_id_of(record: logging.LogRecord) -> str:
    """The ask that a record belongs to; "" where it is none's."""
    given = getattr(record, EVENT, {}).get("prompt_id")
    trace = running()
    return str(given) if given else trace.prompt_id if trace else ""


def _withheld(record: logging.LogRecord, error: Exception) -> dict[str, Shown]:
    """A line for a record that could not be masked: what cannot be anybody's data."""
    prompt_id = prompt_id_of(record)
    named = {"prompt_id": prompt_id} if _ULID.fullmatch(prompt_id) else {}
    return {"event": "log", "message": "could not be masked", "error": type(error).__name__, **named}
