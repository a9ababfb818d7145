"""What can go wrong with a request, as values, and the script that says when."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from ragdiet.testing.bedrock.refusal import STATUS


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one request instead of a good reply. ``Fault()`` is a good reply.

    With ``code`` the request is refused: an AWS error with ``message``, whose HTTP status follows from the code if
    ``status`` is not given; the model does no work. Everything else happens to a reply of the model:

    ``edit`` changes its JSON (of a stream, the reply that its events are made of), ``body`` replaces its bytes,
    ``malformed`` cuts the JSON short, of a stream that of one message.
    ``delay`` waits that many seconds before the first byte.
    ``raises`` ends a stream with this exception, a code such as ``ThrottlingException``; one that the stream's model
    does not know comes in the other form that event streams have for errors.
    ``wrong_crc`` spoils the checksum of one message of a stream.
    ``stall`` falls silent for that many seconds, ``cut`` ends the connection, ``reset`` ends it with RST, ``end``
    ends the body in good form, as if that were all of it.

    Where: after ``at`` bytes of the body, or after ``frame`` messages of a stream; below 0 they count from the end.
    Without either it is the middle, but for ``reset``, which then comes before any byte.

    ``billed``: whether the work is on the bill; None is no for a ``code`` and yes for the rest.
    """

    status: int | None = None
    code: str = ""
    message: str = "scripted"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    edit: Callable[[dict[str, Any]], object] | None = None
    body: bytes | None = None
    malformed: bool = False
    raises: str = ""
    wrong_crc: bool = False
    stall: float = 0.0
    cut: bool = False
    reset: bool = False
    end: bool = False
    at: int | None = None
    frame: int | None = None
    billed: bool | None = None

    def __post_init__(self) -> None:
        if self.code and self.status is None and self.code not in STATUS:
            raise ValueError(f"no HTTP status is known for {self.code!r}: give status= too")
        if self.at is not None and self.frame is not None:
            raise ValueError("give at= (bytes) or frame= (messages), not both")
        if not all(
            f"{name}{value}".isascii() and f"{name}{value}".isprintable() for name, value in self.headers.items()
        ):
            raise ValueError(f"headers are printable ASCII, not {dict(self.headers)}")
        if self.delay < 0 or self.stall < 0:
            raise ValueError("delay and stall are seconds, 0 or more")

    @property
    def http_status(self) -> int:
        """The status of the reply's first line."""
        if self.status is not None:
            return self.status
        return STATUS[self.code] if self.code else 200

    @property
    def is_billed(self) -> bool:
        """Whether a request that meets this is on the bill."""
        return not self.code if self.billed is None else self.billed

    @property
    def for_streams(self) -> bool:
        """Whether it can only happen to a stream."""
        return bool(self.raises or self.wrong_crc or self.frame is not None)

    @property
    def spoils(self) -> bool:
        """Whether anything but the time is another than in a good reply."""
        return self != Fault(delay=self.delay, stall=self.stall, at=self.at, frame=self.frame)


@dataclass(slots=True, kw_only=True)
class _Rule:
    """Faults for the requests of an operation and a model; '' is any."""

    operation: str
    model: str
    queue: deque[Fault] | None = None
    choices: Sequence[Fault] = ()
    rate: float = 1.0
    chance: random.Random = field(default_factory=random.Random)

    def fault(self, operation: str, model: str) -> Fault | None:
        if (self.operation and self.operation != operation) or (self.model and self.model != model):
            return None
        if self.queue is not None:
            return self.queue.popleft() if self.queue else None
        # Both numbers are drawn for each request, so that the n-th request's fate hangs on the seed alone.
        drawn, choice = self.chance.random(), self.chance.randrange(len(self.choices))
        return self.choices[choice] if drawn < self.rate else None


class Script:
    """Which fault the next request meets. For any number of threads."""

    def __init__(self) -> None:
        self._next: list[_Rule] = []
        self._standing: list[_Rule] = []
        self._lock = Lock()

    def next(self, faults: Sequence[Fault], *, operation: str = "", model: str = "") -> None:
        """The next matching requests meet these, one each."""
        with self._lock:
            self._next.append(_Rule(operation=operation, model=model, queue=deque(faults)))

    def standing(
        self, faults: Sequence[Fault], *, rate: float = 1.0, seed: int = 0, operation: str = "", model: str = ""
    ) -> None:
        """From now on a matching request meets one of these with probability ``rate``."""
        if not faults or not 0 <= rate <= 1:
            raise ValueError(f"give at least one fault and a rate from 0 to 1, not {len(faults)} and {rate}")
        rule = _Rule(
            operation=operation,
            model=model,
            choices=tuple(faults),
            rate=rate,
            chance=random.Random(seed),  # noqa: S311  # repeatable on purpose
        )
        with self._lock:
            self._standing.append(rule)

    def clear(self) -> None:
        """No more faults."""
        with self._lock:
            self._next.clear()
            self._standing.clear()

    def fault(self, operation: str, model: str) -> Fault | None:
        """The fault of this request; what was scripted next goes before what stands."""
        with self._lock:
            self._next = [rule for rule in self._next if rule.queue]
            for rule in (*self._next, *self._standing):
                found = rule.fault(operation, model)
                if found is not None:
                    return found
        return None
