"""How fast a model may be asked: its quota where that is known, and what its throttles teach where it is not.

Callers wait here in the order in which they came, rather than at the service, where a refused try costs a
round trip and, of many who try again, the luckiest is served first.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Lock

from ragdiet.errors import InvalidArgument, Throttled

_MINUTE = 60.0
_MEASURED = 10.0
"""Seconds over which the rate is taken that a throttle halves."""
_IN_A_ROW = 3
_OF_LATEST = 5, 20
"""Throttles that cut the rate: three in a row, or five of twenty. One alone may be chance, and is left to the wait
before its own next try; were it to halve the rate, a few of them for each hundred would bring it down to nothing."""
_LEAST = 0.5
"""Requests a second that are tried at least; botocore's adaptive mode has the same floor."""
_RETURN = 10.0
"""Seconds until a rate that was halved is whole again."""
_BEYOND = 0.0005
_FORGOTTEN = 3.0
"""Shares of the rate at the throttle, reached 73 s after it, from which on the throttle is forgotten."""
_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What an account may use of a model in a minute (Service Quotas shows it); None where that is not known."""

    requests: float | None = None
    tokens: float | None = None

    def __post_init__(self) -> None:
        for name in ("requests", "tokens"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InvalidArgument(f"a quota of {value!r} {name} a minute: give a number above 0, or None")


@dataclass(slots=True, eq=False)
class Turn:
    """A request that may go: when, for how many tokens of the quota, and how many of these it used, if known."""

    at: float
    tokens: float
    used: int | None = None


class Pace:
    """Units a second after a throttle: half of ``rate`` at first, then more each second until it is whole (AIMD:
    D. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989). Beyond it,
    it grows with the square of the seconds: slowly near the rate that was just found to be all there is, and ever
    faster where more has come free (after CUBIC: RFC 9438, 4.2). Times are in seconds.

    >>> pace = Pace(10.0, now=0.0)
    >>> pace.rate(0.0), pace.rate(10.0)
    (5.0, 10.0)
    >>> pace.take(0.0, 1)
    >>> pace.wait(0.0), pace.wait(0.0, ahead=4)
    (0.2, 1.0)
    """

    def __init__(self, rate: float, *, now: float) -> None:
        self._full = rate
        self._since = now
        self._free_at = now

    def share(self, now: float) -> float:
        seconds = now - self._since
        return 0.5 + 0.5 * min(1.0, seconds / _RETURN) + _BEYOND * max(0.0, seconds - _RETURN) ** 2

    def rate(self, now: float) -> float:
        return self._full * self.share(now)

    def wait(self, now: float, *, ahead: float = 0.0) -> float:
        """Seconds until the next may go, when those before it take ``ahead`` units."""
        return max(0.0, self._free_at - now) + ahead / self.rate(now)

    def take(self, now: float, amount: float) -> None:
        self._free_at = max(now, self._free_at) + amount / self.rate(now)


class Limiter:
    """The turns of one model, for any number of threads.

    Within any 60 seconds no more begins than ``quota`` allows. After three throttles in a row, or five of twenty,
    requests are spread out, at half the rate of those that were served in the latest 10 seconds, and come faster again
    from second to second until the next throttles.
    """

    def __init__(self, model: str, quota: Quota | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._quota = quota or Quota()
        self._clock = clock
        self._turns: deque[Turn] = deque()
        self._tokens = 0.0
        self._waiting: deque[tuple[Condition, float]] = deque()
        self._paces: tuple[Pace, Pace | None] | None = None
        self._refused: deque[bool] = deque(maxlen=_OF_LATEST[1])
        self._cut_at = -math.inf
        self._held_until = -math.inf
        self._seconds: float | None = None
        self._mean_tokens = 0.0
        self._lock = Lock()

    def acquire(self, tokens: int = 0, *, ends: float) -> Turn:
        """Wait for a turn, in order of arrival. Throttled, at once, where it cannot come before ``ends`` (of the
        clock): nothing was sent then."""
        with self._lock:
            now = self._clock()
            if not self._waiting and self._wait(now, 0, 0.0, tokens) <= 0:
                return self._taken(now, tokens)
            return self._queued(tokens, ends)

    def done(self, turn: Turn, *, tokens: int | None = None) -> None:
        """A reply came, which used ``tokens`` of the quota, if that is known: what it did not use is given back."""
        with self._lock:
            self._refused.append(False)
            seconds = self._clock() - turn.at
            self._seconds = seconds if self._seconds is None else self._seconds + _SMOOTHING * (seconds - self._seconds)
            if tokens is None or tokens >= turn.tokens:
                return
            if turn.at > self._clock() - _MINUTE:
                self._tokens -= turn.tokens - tokens
                turn.tokens = tokens
                self._call_next()

    def throttled(self, turn: Turn, *, retry_after: float | None = None) -> None:
        """The service refused this request for being one too many: it took nothing of the quota. Those that were under
        way when the rate was last cut say nothing new. ``retry_after``, in seconds, holds all back once it is cut."""
        with self._lock:
            now = self._clock()
            if turn in self._turns:
                self._turns.remove(turn)
                self._tokens -= turn.tokens
            if turn.at <= self._cut_at:
                return
            self._refused.append(True)
            in_a_row = list(self._refused)[-_IN_A_ROW:]
            if sum(self._refused) >= _OF_LATEST[0] or (len(in_a_row) == _IN_A_ROW and all(in_a_row)):
                self._cut(now)
                self._held_until = now + min(retry_after or 0.0, _MINUTE)

    def rate(self) -> float | None:
        """Requests a second that may begin now; None where nothing limits them."""
        with self._lock:
            now = self._clock()
            limits = []
            if self._quota.requests is not None:
                limits.append(self._quota.requests / _MINUTE)
            if self._quota.tokens is not None and self._mean_tokens:
                limits.append(self._quota.tokens / _MINUTE / self._mean_tokens)
            limits += [pace.rate(now) / unit for pace, unit in self._current(now) if unit]
            return min(limits, default=None)

    def concurrency(self, most: int) -> int:
        """How many requests at a time fill the quota: its rate times the seconds that one takes (Little's law);
        ``most`` where either is not known yet.

        >>> limiter = Limiter("m", Quota(requests=120))
        >>> limiter.concurrency(32)
        32
        """
        rate, seconds = self.rate(), self._seconds
        if rate is None or seconds is None:
            return most
        return max(1, min(most, math.ceil(rate * seconds)))

    def _queued(self, tokens: int, ends: float) -> Turn:
        ticket = (Condition(self._lock), float(tokens))
        self._waiting.append(ticket)
        try:
            while True:
                now = self._clock()
                place = self._waiting.index(ticket)
                ahead = sum(waiting for _, waiting in list(self._waiting)[:place])
                wait = self._wait(now, place, ahead, tokens)
                if wait <= 0 and place == 0:
                    return self._taken(now, tokens)
                if now + wait > ends or now >= ends:
                    raise self._no_turn(wait, ends - now)
                # Only the first watches the clock; the others are called when it has gone.
                ticket[0].wait(wait if place == 0 else ends - now)
        finally:
            self._waiting.remove(ticket)
            self._call_next()

    def _cut(self, now: float) -> None:
        requests, tokens = self._rates(now)
        for pace, unit in self._current(now):  # what was served before the last cut is not to be had now
            requests = min(requests, pace.rate(now) / unit) if unit else requests
        tokens = min(tokens, requests * self._mean_tokens)
        least = _LEAST if self._quota.requests is None else min(_LEAST, self._quota.requests / _MINUTE)
        # A pace begins at half of what it is given.
        self._paces = (
            Pace(max(requests, 2 * least), now=now),
            Pace(max(tokens, 2 * least * self._mean_tokens), now=now) if self._mean_tokens else None,
        )
        self._cut_at = now
        self._refused.clear()

    def _call_next(self) -> None:
        if self._waiting:
            self._waiting[0][0].notify()

    def _taken(self, now: float, tokens: float) -> Turn:
        turn = Turn(now, tokens)
        for pace, amount in zip(self._paces or (), (1.0, tokens), strict=False):
            if pace is not None:
                pace.take(now, amount)
        self._turns.append(turn)
        self._tokens += tokens
        self._mean_tokens += (_SMOOTHING if self._mean_tokens else 1.0) * (tokens - self._mean_tokens)
        return turn

    def _wait(self, now: float, before: int, ahead: float, tokens: float) -> float:
        """Seconds until a request of ``tokens`` may go, behind ``before`` others of ``ahead`` tokens together."""
        self._forget(now)
        wait = self._held_until - now
        for (pace, _), amount in zip(self._current(now), (before, ahead), strict=False):
            wait = max(wait, pace.wait(now, ahead=amount))
        if self._quota.requests is not None:
            wait = max(wait, self._window(now, self._quota.requests, len(self._turns), before + 1, of_tokens=False))
        if self._quota.tokens is not None:
            wait = max(wait, self._window(now, self._quota.tokens, self._tokens, ahead + tokens, of_tokens=True))
        return wait

    def _window(self, now: float, limit: float, used: float, amount: float, *, of_tokens: bool) -> float:
        """Seconds until ``amount`` more fits the minute; a single request above the limit goes alone."""
        excess = used + amount - limit
        if excess <= 0 or not self._turns:
            return 0.0
        for turn in self._turns:
            excess -= turn.tokens if of_tokens else 1
            if excess <= 0:
                return turn.at + _MINUTE - now
        return self._turns[-1].at + _MINUTE - now + _MINUTE * (excess // limit)

    def _forget(self, now: float) -> None:
        kept = _MEASURED if self._quota == Quota() else _MINUTE
        while self._turns and self._turns[0].at <= now - kept:
            self._tokens -= self._turns.popleft().tokens
        if self._paces and self._paces[0].share(now) >= _FORGOTTEN:
            self._paces = None

    def _current(self, now: float) -> list[tuple[Pace, float]]:
        """The paces, each with what a request takes of it on average."""
        if self._paces is None or self._paces[0].share(now) >= _FORGOTTEN:
            return []
        requests, tokens = self._paces
        return [(requests, 1.0)] + ([(tokens, self._mean_tokens)] if tokens else [])

    def _rates(self, now: float) -> tuple[float, float]:
        """Requests and tokens a second of the latest seconds."""
        latest = [turn for turn in self._turns if turn.at > now - _MEASURED]
        span = max(1.0, now - latest[0].at) if latest else 1.0
        return len(latest) / span, sum(turn.tokens for turn in latest) / span

    def _no_turn(self, wait: float, left: float) -> Throttled:
        return Throttled(
            f"{self._model}: its quota is in use, and the turn of this request would come in {wait:.1f} s, with "
            f"{max(0.0, left):.1f} s left. Nothing was sent. Allow more time, ask less, or have the quota raised.",
            code="NoTurn",
            retry_after=wait,
        )
