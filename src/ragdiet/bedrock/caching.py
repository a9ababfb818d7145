"""Whether a prompt's prefix is worth a cachePoint: what a model caches at all, and how soon the prefix comes again.

Bedrock says nothing when a prefix is too short to be cached, so the minimum is looked up here, by exact
model id; of a model that is not listed nothing is known, and it gets no cachePoint.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Literal, TypeAlias

from ragdiet.types import Usage

if TYPE_CHECKING:
    from ragdiet.account import PriceRow

CacheTtl: TypeAlias = Literal["5m", "1h"]

SECONDS: Mapping[CacheTtl, float] = {"5m": 300.0, "1h": 3600.0}
_REMEMBERED_GAPS = 32
_REMEMBERED_PREFIXES = 256
_GEOGRAPHIES = frozenset({"us", "eu", "apac", "jp", "au", "global", "us-gov"})
# As gathered from vendor documentation in 2026-11; none was tried at Bedrock. Nova's is uncertain ("about 1,000"):
# too small a number here costs nothing, since a reply whose usage shows no cached token is told of as well.
_SMALLEST: Mapping[str, int] = {
    "amazon.nova-micro-v1:0": 1_024,
    "amazon.nova-lite-v1:0": 1_024,
    "amazon.nova-pro-v1:0": 1_024,
    "amazon.nova-2-lite-v1:0": 1_024,
    "anthropic.claude-haiku-4-5-20251001-v1:0": 4_096,
    "anthropic.claude-opus-4-5-20251101-v1:0": 4_096,
    "anthropic.claude-opus-4-6-v1": 4_096,
    "anthropic.claude-opus-4-7": 2_048,
    "anthropic.claude-opus-4-8": 1_024,
    "anthropic.claude-sonnet-4-5-20250929-v1:0": 1_024,
    "anthropic.claude-sonnet-4-6": 1_024,
    "anthropic.claude-sonnet-5": 1_024,
    "anthropic.claude-opus-5": 512,
    "anthropic.claude-haiku-5-5": 512,
    "anthropic.claude-sonnet-5-5": 512,
    "anthropic.claude-opus-5-5": 512,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixNotCached:
    """The message of a warning: caching was asked for and the provider does not do it.

    ``tokens`` is our count of the prefix, ``minimum`` what the model caches at least, None where that is unknown.
    """

    model: str
    tokens: int
    minimum: int | None

    def __str__(self) -> str:
        if self.minimum is None:
            return f"{self.model}: not known to cache prompts, so no cachePoint was sent. Leave its cache on 'auto'"
        return (
            f"{self.model} does not cache a prefix of about {self.tokens:,} tokens: it begins at {self.minimum:,}. "
            "Add examples up to that size if they better the answers, or leave the cache on 'auto'"
        )


def smallest_cached(model: str) -> int | None:
    """The fewest tokens of a prefix that ``model`` caches; None where that is unknown.

    >>> smallest_cached("us.anthropic.claude-haiku-4-5-20251001-v1:0"), smallest_cached("us.amazon.nova-nope-v1:0")
    (4096, None)
    """
    return _SMALLEST.get(base_model(model))


def base_model(model: str) -> str:
    """The model behind a system inference profile's id; another id as it is.

    >>> base_model("us.amazon.nova-lite-v1:0"), base_model("amazon.nova-lite-v1:0")
    ('amazon.nova-lite-v1:0', 'amazon.nova-lite-v1:0')
    """
    geography, _, base = model.partition(".")
    return base if geography in _GEOGRAPHIES else model


def price_with_cache(price: PriceRow, ttl: CacheTtl, share: float) -> float | None:
    """What a token of the prefix costs with a cachePoint, as a share of its price without one.

    ``share``, in [0, 1], is how many of the asks come within ``ttl`` of the one before: these read, the others
    write, and each of both starts the time anew. None where the row has no rate for it. With Claude's 1.25 and 0.1
    it pays from a share of 0.22 (5 minutes), with 2 and 0.1 from 0.53 (an hour).

    >>> from ragdiet.account import PriceBook
    >>> haiku = PriceBook.default().price("us.anthropic.claude-haiku-4-5-20251001-v1:0")
    >>> round(price_with_cache(haiku, "5m", 0.5), 3)
    0.675
    """
    if price.cache_read is None or not price.input or (ttl == "1h" and price.cache_write_1h is None):
        return None
    row = price.covering(Usage(cache_write_5m_tokens=1))  # Nova's rows have no rate for writing: the dearest known
    write = row.cache_write_1h if ttl == "1h" else row.cache_write_5m
    assert write is not None
    return float((1 - share) * float(write) + share * float(price.cache_read)) / float(price.input)


def cheapest_ttl(price: PriceRow, gaps: Sequence[float]) -> CacheTtl | None:
    """The time to live that pays best for a prefix whose latest asks were ``gaps`` seconds apart, or None.

    Without a gap nothing is known: a first ask is not written to the cache.
    """
    best: tuple[float, CacheTtl | None] = (1.0, None)
    for ttl in SECONDS if gaps else ():
        cost = price_with_cache(price, ttl, sum(gap <= SECONDS[ttl] for gap in gaps) / len(gaps))
        if cost is not None and cost < best[0]:
            best = cost, ttl
    return best[1]


class Reuse:
    """How soon each prefix is asked for again, for any number of threads."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[float, deque[float]]] = OrderedDict()
        self._lock = Lock()

    def gaps(self, prefix: str, *, now: float | None = None) -> tuple[float, ...]:
        """Note an ask, and give the seconds between the latest asks of this prefix, this one's among them."""
        now = time.monotonic() if now is None else now
        with self._lock:
            before, gaps = self._seen.pop(prefix, (None, deque(maxlen=_REMEMBERED_GAPS)))
            if before is not None:
                gaps.append(now - before)
            self._seen[prefix] = now, gaps
            if len(self._seen) > _REMEMBERED_PREFIXES:
                self._seen.popitem(last=False)
            return tuple(gaps)
