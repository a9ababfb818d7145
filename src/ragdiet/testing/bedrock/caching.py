"""The prompt cache: which prefix of a request is read from it, and which is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from ragdiet.testing.bedrock.models.model import ChatModel
from ragdiet.testing.bedrock.refusal import Refused, invalid

SECONDS: Mapping[str, float] = {"5m": 300.0, "1h": 3600.0}
MOST_POINTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """Tokens read from the cache, and written to it by time to live."""

    read: int = 0
    written: Mapping[str, int]


class PromptCache:
    """Prefixes by model, alive until their time is over; a read begins it anew. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._alive: dict[tuple[str, str], float] = {}
        self._clock = clock
        self._lock = Lock()

    def clear(self) -> None:
        """Forget all prefixes."""
        with self._lock:
            self._alive.clear()

    def use(self, name: str, model: ChatModel, blocks: Sequence[Mapping[str, Any]]) -> Cached:
        """The longest prefix that is alive is read, and what lies behind it up to the last point is written.

        ``blocks`` are those of system and messages in their order. A prefix below the model's minimum is neither
        written nor read, and nothing says so. Refused where the model has no cache, or the points break the rules.
        """
        points = [(place, block["cachePoint"]) for place, block in enumerate(blocks) if "cachePoint" in block]
        if not points:
            return Cached(written={})
        _check(model, points)
        assert model.smallest_cached is not None
        now, read, written, reached = self._clock(), 0, dict.fromkeys(SECONDS, 0), 0
        prefixes = []
        for place, point in points:
            text = "\0".join(block["text"] for block in blocks[:place] if "text" in block)
            tokens = sum(model.tokenizer.count(block["text"]) for block in blocks[:place] if "text" in block)
            if tokens >= model.smallest_cached:
                prefixes.append(((name, text), tokens, point.get("ttl", "5m")))
        with self._lock:
            for key, tokens, _ in prefixes:
                if self._alive.get(key, now) > now:
                    read = reached = tokens
            for key, tokens, ttl in prefixes:
                if tokens > reached:
                    written[ttl] += tokens - reached
                    reached = tokens
                self._alive[key] = now + SECONDS[ttl]
        return Cached(read=read, written={ttl: tokens for ttl, tokens in written.items() if tokens})


def _check(model: ChatModel, points: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    if model.smallest_cached is None:
        raise Refused(
            "AccessDeniedException",
            "You invoked an unsupported model or your request did not allow prompt caching. "
            "See the documentation for more information.",
        )
    if len(points) > MOST_POINTS:
        raise invalid(f"A maximum of {MOST_POINTS} cache points may be provided. Found {len(points)}.")
    lives = [point.get("ttl", "5m") for _, point in points]
    if "5m" in lives and "1h" in lives[lives.index("5m") :]:
        raise invalid("A cache point with ttl '1h' must not come after one with ttl '5m'.")
