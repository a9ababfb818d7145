"""Quotas by model: requests and tokens a minute, as buckets that fill all the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from ragdiet.testing.bedrock.refusal import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """``requests`` and ``tokens`` a minute, None for no limit. ``burst`` is the seconds' worth that may come at once.

    Converse takes its input and all of its ``maxTokens`` out of the bucket, and gives back what it did not write.
    """

    requests: float | None = None
    tokens: float | None = None
    burst: float = 60.0


class _Bucket:
    def __init__(self, per_minute: float, burst: float, now: float) -> None:
        self.rate = per_minute / 60
        self.most = max(1.0, self.rate * burst)
        self.level = self.most
        self.at = now

    def take(self, amount: float, now: float) -> bool:
        self.level = min(self.most, self.level + (now - self.at) * self.rate)
        self.at = now
        if amount > self.level + 1e-9:
            return False
        self.level -= amount
        return True


class Limits:
    """The buckets of all models. ``clock`` gives seconds. For any number of threads."""

    def __init__(self, limits: Mapping[str, Limit], clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = Lock()
        self._requests: dict[str, _Bucket] = {}
        self._tokens: dict[str, _Bucket] = {}
        self.refill()

    def refill(self) -> None:
        """All buckets full."""
        now = self._clock()
        with self._lock:
            for model, limit in self._limits.items():
                if limit.requests is not None:
                    self._requests[model] = _Bucket(limit.requests, limit.burst, now)
                if limit.tokens is not None:
                    self._tokens[model] = _Bucket(limit.tokens, limit.burst, now)

    def take(self, model: str, tokens: int) -> None:
        """Refused with 429 where a bucket lacks it; then nothing is taken but the request."""
        requests, held = self._requests.get(model), self._tokens.get(model)
        with self._lock:
            now = self._clock()
            if requests and not requests.take(1, now):
                raise Refused("ThrottlingException", "Too many requests, please wait before trying again.")
            if held and not held.take(tokens, now):
                raise Refused("ThrottlingException", "Too many tokens, please wait before trying again.")

    def give_back(self, model: str, tokens: int) -> None:
        """Tokens that were taken and then not used."""
        held = self._tokens.get(model)
        if held:
            with self._lock:
                held.level = min(held.most, held.level + tokens)
