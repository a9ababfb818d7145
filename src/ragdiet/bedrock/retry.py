"""Our own retry loop: botocore's keeps one quota for the whole client and skips what is worth a try."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ragdiet.errors import InvalidArgument, ModelError
from ragdiet.observe import ends_at

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long to try. Times are in seconds.

    Waits are full jitter over an exponential ceiling (M. Brooker, "Exponential Backoff And Jitter", AWS
    Architecture Blog, 2015): before try n+1, uniform in [0, min(``max_delay``, ``base_delay`` x 2^(n-1))],
    and never less than the Retry-After of the failed reply. No try starts later than ``deadline`` after
    the first, or than the deadline of the ask that it is for; one that is on its way is left to the client's read
    timeout. Tries that may be billed
    although they failed end after ``billed_attempts`` of them.
    """

    attempts: int = 4
    billed_attempts: int = 2
    base_delay: float = 0.5
    max_delay: float = 20.0
    deadline: float = 120.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.billed_attempts < 1:
            raise InvalidArgument("a RetryPolicy needs at least one attempt, and one that may be billed")
        if self.base_delay < 0 or self.max_delay < 0 or self.deadline <= 0:
            raise InvalidArgument("a RetryPolicy's delays cannot be negative, and its deadline must be above 0 s")

    def ends(self) -> float:
        """When the last try of a call made now may begin, by ``time.monotonic``: an ask's own deadline counts too."""
        ends, mine = ends_at(), time.monotonic() + self.deadline
        return mine if ends is None else min(ends, mine)

    def run(self, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` until it returns, or raises what is not worth another try.

        One call of ``attempt`` is one HTTP request with its own ledger row: it holds the ``metered`` block.
        """
        ends = self.ends()
        tries = billed = 0
        while True:
            try:
                return attempt()
            except ModelError as error:
                tries += 1
                billed += error.may_be_billed
                if not error.retryable or tries == self.attempts or billed == self.billed_attempts:
                    raise
                delay = max(self._delay(tries), error.retry_after or 0.0)
                if time.monotonic() + delay > ends:
                    raise
            time.sleep(delay)

    def _delay(self, tries: int) -> float:
        return random.uniform(0.0, min(self.max_delay, self.base_delay * 2 ** (tries - 1)))  # noqa: S311  # jitter, not a secret
