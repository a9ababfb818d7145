"""Labels of metrics: few, whatever comes."""

from __future__ import annotations

import re
import threading


class Bounded:
    """The first ``most`` values as they are, all others as "other": a label must not grow with what is asked."""

    def __init__(self, most: int = 50) -> None:
        self._most = most
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        with self._lock:
            if len(self._known) >= self._most:
                return "other"
            self._known.add(value)
        return value


def reason_label(reason: str) -> str:
    """A step's reason without its figures and without what an error said: ``confidence 0.31 under 0.42`` is ``low
    confidence``, and ``Throttled: slow down`` is ``Throttled``.

    >>> reason_label("confidence 0.31 under 0.42"), reason_label("no hits; in other words")
    ('low confidence', 'no hits')
    """
    first = re.split("[;:(]", reason, maxsplit=1)[0].strip()
    if first.startswith("could cost"):
        return "over budget"
    if "confidence" in first and " under " in first:
        return "low confidence"
    return first if len(first) <= 50 and not any(map(str.isdigit, first)) else "other"
