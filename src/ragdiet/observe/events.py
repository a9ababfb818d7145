"""What happens in an ask, told to whoever wants to know: one seam between the stages and logs, traces and metrics.

The stages ``emit``; a subscriber is called with each event, in the thread and the context in which it happened. One
that raises breaks nothing. Events hold no document and no answer, and the question only as the ledger keeps it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ragdiet.errors import RagdietError
from ragdiet.observe.trace import Trace, current

if TYPE_CHECKING:
    from ragdiet.account import AskRow, Call  # the rows of the ledger, told as they are
    from ragdiet.types import Attempt

_log = logging.getLogger("ragdiet.observe")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskStarted:
    """An ask of ``collection`` begins."""

    collection: str
    trace: Trace = field(default_factory=current)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTaken:
    """Step ``number`` of an ask. ``before`` is the step that was not accepted and so led to this one."""

    attempt: Attempt
    number: int
    before: Attempt | None = None
    trace: Trace = field(default_factory=current)

    @property
    def is_requery(self) -> bool:
        """Whether the question was put again: in other words, or back to its asker."""
        return self.attempt.step in ("re-search", "clarify")

    @property
    def is_fallback(self) -> bool:
        """Whether this takes the place of what was not accepted: another model, or the safe reply."""
        return self.before is not None and self.attempt.step in ("read", "safe reply")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """A request, or local work, is over: its ledger row, and what the row does not hold. ``max_tokens`` is the most
    that the reply could have, ``category`` the class of the error that ended it."""

    call: Call
    max_tokens: int = 0
    finish_reason: str = ""
    guardrail: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskEnded:
    """An ask has its answer: the row that the ledger keeps of it, and its steps."""

    row: AskRow
    attempts: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRaised:
    """An ask ended without an answer: an error of ``category`` reached its caller, or the caller left a stream."""

    error: str
    category: str
    seconds: float
    trace: Trace = field(default_factory=current)

    @property
    def outcome(self) -> str:
        return "cancelled" if self.category == "cancelled" else "error"


Event: TypeAlias = AskStarted | StepTaken | CallEnded | AskEnded | AskRaised
Subscriber: TypeAlias = Callable[[Event], None]

_subscribers: tuple[Subscriber, ...] = ()
_faulty: set[int] = set()
_lock = threading.Lock()


def subscribe(subscriber: Subscriber) -> Callable[[], None]:
    """Have ``subscriber`` called with every event of this process. Gives what ends that."""
    global _subscribers
    with _lock:
        _subscribers = (*_subscribers, subscriber)

    def unsubscribe() -> None:
        global _subscribers
        with _lock:
            _subscribers = tuple(each for each in _subscribers if each is not subscriber)
            _faulty.discard(id(subscriber))

    return unsubscribe


def emit(event: Event) -> None:
    """Tell all subscribers. What one raises is told once, without its text."""
    for subscriber in _subscribers:
        try:
            subscriber(event)
        except Exception as error:  # noqa: BLE001  # whatever an observer does, the ask goes on
            if id(subscriber) not in _faulty:
                _faulty.add(id(subscriber))
                _log.warning("%r raised %s, and is told of events all the same", subscriber, type(error).__name__)


def category_of(error: BaseException) -> str:
    """The class that an operator counts an error by."""
    if isinstance(error, RagdietError):
        return error.category
    return "bug" if isinstance(error, Exception) else "cancelled"
