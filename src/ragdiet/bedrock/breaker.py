"""A circuit breaker: a model whose service fails is left alone for a while, then tried with a single call.

(M. Nygard, "Release It!", 2007, "Circuit Breaker".) What a call's outcome does to the circuit is decided in
``Circuit``, a value; ``Breaker`` holds one for any number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Literal, TypeAlias

from ragdiet.errors import BadReply, CircuitOpen, InvalidArgument, ModelTimeout, ModelUnavailable

State: TypeAlias = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a circuit opens: after ``in_a_row`` failures, or where ``share`` of the latest ``window`` calls failed, and
    one or the other has lasted ``lasting`` seconds. With many threads a single blip, such as a load balancer that drops
    all connections at once, or a run of bad luck is over by then, and the next tries are answered.

    It stays open for ``rest`` seconds, twice as long each time that its trial fails, at most ``longest_rest``.
    ``trials`` calls, one after the other, must succeed to close it.
    """

    in_a_row: int = 8
    window: int = 50
    share: float = 0.5
    lasting: float = 1.0
    rest: float = 10.0
    longest_rest: float = 120.0
    trials: int = 2

    def __post_init__(self) -> None:
        if min(self.in_a_row, self.window, self.trials) < 1 or not 0 < self.share <= 1:
            raise InvalidArgument("a BreakerPolicy counts from 1, and its share is above 0 and at most 1")
        if self.lasting < 0:
            raise InvalidArgument("a BreakerPolicy's failures cannot last less than 0 s")
        if not 0 < self.rest <= self.longest_rest:
            raise InvalidArgument("a BreakerPolicy's rest must be above 0 s, and its longest rest no shorter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """The state of a circuit. ``period`` counts its changes: a call that began in another period changes nothing.

    >>> circuit = Circuit(policy=BreakerPolicy(in_a_row=2, lasting=1.0, rest=10.0, trials=1))
    >>> circuit = circuit.failed(0, now=0.0).failed(0, now=0.5)
    >>> circuit.state, circuit.failed(0, now=1.5).state
    ('closed', 'open')
    >>> circuit = circuit.failed(0, now=1.5)
    >>> circuit.left(now=4.5)
    7.0
    >>> circuit = circuit.admitted(now=11.5)
    >>> circuit.state, circuit.succeeded(circuit.period).state
    ('half-open', 'closed')
    """

    policy: BreakerPolicy = field(default_factory=BreakerPolicy)
    state: State = "closed"
    period: int = 0
    failures: tuple[bool, ...] = ()
    bad_since: float | None = None
    since: float = 0.0
    rest: float = 0.0
    trial_until: float | None = None
    passed: int = 0

    def left(self, *, now: float) -> float:
        """Seconds until the next call is let through; 0 when it would be now."""
        if self.state == "open":
            return max(0.0, self.since + self.rest - now)
        if self.state == "half-open" and self.trial_until is not None:
            return max(0.0, self.trial_until - now)  # a trial of which nothing is heard makes room for another
        return 0.0

    def admitted(self, *, now: float) -> Circuit:
        """The circuit with one more call under way; only where nothing is ``left`` to wait."""
        if self.state == "closed":
            return self
        if self.state == "open":
            return replace(
                self, state="half-open", period=self.period + 1, passed=0, trial_until=now + self.policy.longest_rest
            )
        return replace(self, trial_until=now + self.policy.longest_rest)

    def succeeded(self, period: int) -> Circuit:
        if period != self.period or self.state == "open":
            return self
        if self.state == "closed":
            noted = self._noted(False)
            return noted if noted.bad_since is None or noted._is_bad() else replace(noted, bad_since=None)
        if self.passed + 1 < self.policy.trials:
            return replace(self, passed=self.passed + 1, trial_until=None)
        return Circuit(policy=self.policy, period=self.period + 1)

    def failed(self, period: int, *, now: float) -> Circuit:
        if period != self.period or self.state == "open":
            return self
        if self.state == "half-open":
            return self._opened(now, min(self.policy.longest_rest, 2 * self.rest))
        noted = self._noted(True)
        if not noted._is_bad():
            return replace(noted, bad_since=None)
        bad_since = now if noted.bad_since is None else noted.bad_since
        if now - bad_since >= self.policy.lasting:
            return noted._opened(now, self.policy.rest)
        return replace(noted, bad_since=bad_since)

    def dropped(self, period: int) -> Circuit:
        """A call ended with neither outcome: a trial makes room for another."""
        return replace(self, trial_until=None) if period == self.period and self.state == "half-open" else self

    def _is_bad(self) -> bool:
        policy = self.policy
        in_a_row, latest = self.failures[-policy.in_a_row :], self.failures[-policy.window :]
        too_many = len(latest) == policy.window and sum(latest) >= policy.share * policy.window
        return too_many or (len(in_a_row) == policy.in_a_row and all(in_a_row))

    def _noted(self, failure: bool) -> Circuit:
        kept = max(self.policy.window, self.policy.in_a_row)
        if not failure and len(self.failures) == kept and not any(self.failures):
            return self
        return replace(self, failures=(*self.failures, failure)[-kept:])

    def _opened(self, now: float, rest: float) -> Circuit:
        return Circuit(policy=self.policy, state="open", period=self.period + 1, since=now, rest=rest)


class Breaker:
    """The circuit of one model, for any number of threads."""

    def __init__(
        self, model: str, policy: BreakerPolicy | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = model
        self._circuit = Circuit(policy=policy or BreakerPolicy())
        self._clock = clock
        self._last = ""
        self._lock = Lock()

    @property
    def state(self) -> State:
        return self._circuit.state

    def admit(self) -> int:
        """Let a call through, and give the period that its outcome is to be told with; else CircuitOpen."""
        with self._lock:
            now = self._clock()
            left = self._circuit.left(now=now)
            if left > 0:
                raise CircuitOpen(
                    f"{self._model} is left alone for {left:.1f} s more, since its service failed too often. The last "
                    f"failure: {self._last} Nothing was sent. Name another model to fall back to, or ask again then.",
                    code="CircuitOpen",
                    retry_after=left,
                )
            self._circuit = self._circuit.admitted(now=now)
            return self._circuit.period

    def succeeded(self, period: int) -> None:
        with self._lock:
            self._circuit = self._circuit.succeeded(period)

    def failed(self, period: int, error: BaseException) -> None:
        """Tell how a call failed. Only what is the service's making opens the circuit: a request at fault, a refused
        key and a throttle do not."""
        with self._lock:
            if is_outage(error):
                self._last = str(error)
                self._circuit = self._circuit.failed(period, now=self._clock())
            else:
                self._circuit = self._circuit.dropped(period)


def is_outage(error: BaseException) -> bool:
    """Whether an error says that the service is not well: it failed, was silent, or broke off its reply. One that
    another try would not mend is a fault of the set-up here, or of a reply that came as it should."""
    return isinstance(error, ModelTimeout) or (isinstance(error, (ModelUnavailable, BadReply)) and error.retryable)
