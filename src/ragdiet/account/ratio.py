"""What a token of our counter is billed as by one model: a band, out of the replies that were seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Protocol

ENOUGH = 50
"""Replies from which on a model's own ratio takes the place of the constant."""

WINDOW = 200
"""Replies that are remembered, the latest: a tokenizer that changes is followed."""

UNKNOWN_MARGIN = 1.3
"""Until then the most that is taken to be billed is our count times this, the least our count by this."""


class TokenBand(Protocol):
    """What a count of ours may be billed as."""

    def least(self, counted: int) -> int: ...

    def expected(self, counted: int) -> int: ...

    def most(self, counted: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Exact:
    """The band of a prompt whose ``billed`` tokens are known: a part of its ``counted`` ones is billed in proportion.

    >>> Exact(billed=130, counted=100).most(50)
    65
    """

    billed: int
    counted: int

    def least(self, counted: int) -> int:
        """The proportion, rounded down."""
        return counted * self.billed // max(1, self.counted)

    def expected(self, counted: int) -> int:
        """The proportion, rounded up."""
        return -(-counted * self.billed // max(1, self.counted))

    most = expected


_DEVIATIONS = 4.5
_SMALLEST_DEVIATION = 0.005
_NORMAL = 1.4826  # median absolute deviation to standard deviation, of a normal distribution
_OUTLYING = 4.0
_SHORT = 64
_AROUND = 8
"""Tokens that a model may put round a text, which tell only in one of fewer than ``_SHORT``."""


@dataclass(frozen=True)
class Ratio:
    """``logs`` are ln(billed / counted) of the latest n replies, oldest first.

    Their middle is the median. Their spread s is the standard deviation after what lies further out than four times
    1.4826 median absolute deviations is drawn in to there (Hampel, "The Influence Curve and Its Role in Robust
    Estimation", 1974): a single reply with an absurd bill hardly moves either. With 50 replies or more a text is
    expected to be billed as its count times e^middle, and at most as the greater of middle + 4.5 (1 + 1/sqrt(n)) s
    and the second highest + s: two high bills are no accident. A normal spread passes 4.5 s once in 300,000 texts;
    what is added allows for s having been learnt from few.

    >>> ratio = Ratio((math.log(1.25),) * 50)
    >>> ratio.expected(1000), ratio.most(1000), ratio.least(1000), ratio.fits(1000)
    (1250, 1283, 1218, 779)
    >>> Ratio(()).most(1000), Ratio(()).fits(1000)
    (1300, 1000)
    """

    logs: Sequence[float]

    @property
    def is_known(self) -> bool:
        """Whether enough replies were seen."""
        return len(self.logs) >= ENOUGH

    @property
    def middle(self) -> float:
        """Billed tokens to one of our count, as expected: 1 while it is not known."""
        return math.exp(self._middle) if self.is_known else 1.0

    @property
    def margin(self) -> float:
        """How far the most is above what is expected, as a share of it: 0.3 while it is not known."""
        return self._high / self.middle - 1

    def expected(self, counted: int) -> int:
        """Tokens that are likely to be billed for ``counted`` of ours."""
        return round(counted * self.middle)

    def most(self, counted: int) -> int:
        """Tokens that will not be exceeded."""
        around = _AROUND if self.is_known and 0 < counted < _SHORT else 0
        return math.ceil(counted * self._high) + around

    def least(self, counted: int) -> int:
        """Tokens that will be billed at least."""
        return int(counted / UNKNOWN_MARGIN) if not self.is_known else int(counted * self._low)

    def fits(self, billed: int) -> int:
        """How many tokens of our count are billed as no more than ``billed``. While the ratio is not known a budget
        is one of our own tokens."""
        return max(1, int(billed / self._high)) if self.is_known else billed

    def holds(self, log: float) -> bool:
        """Whether a reply's logarithm is within the band, so that it tells little that is new."""
        return self.is_known and self._low <= math.exp(log) <= self._high

    @cached_property
    def _middle(self) -> float:
        return median(self.logs)

    @cached_property
    def _spread(self) -> float:
        away = median(abs(log - self._middle) for log in self.logs)
        most = max(_OUTLYING * _NORMAL * away, _SMALLEST_DEVIATION)
        drawn_in = [min(max(log - self._middle, -most), most) for log in self.logs]
        mean = math.fsum(drawn_in) / len(drawn_in)
        # statistics.stdev reckons in fractions, for which each reply would pay a tenth of its time.
        deviation = math.sqrt(math.fsum((log - mean) ** 2 for log in drawn_in) / (len(drawn_in) - 1))
        return max(deviation, _SMALLEST_DEVIATION)

    @cached_property
    def _reach(self) -> float:
        return _DEVIATIONS * (1 + 1 / math.sqrt(len(self.logs))) * self._spread

    @cached_property
    def _high(self) -> float:
        if not self.is_known:
            return max(UNKNOWN_MARGIN, 1.1 * math.exp(max(self.logs, default=0.0)))
        return math.exp(max(self._middle + self._reach, sorted(self.logs)[-2] + self._spread))

    @cached_property
    def _low(self) -> float:
        return math.exp(min(self._middle - self._reach, sorted(self.logs)[1] - self._spread))
