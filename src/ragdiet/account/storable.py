"""What comes from elsewhere, as PostgreSQL can hold it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

# A model's reply or a provider's message may hold either: both can be written in JSON.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(value: Any) -> Any:
    """Text without NUL and halves of surrogate pairs, in which a replacement character stands for each, and None for
    numbers that are none; so too within lists and mappings.

    >>> storable({"answer": ["a\\0b", float("nan")]})
    {'answer': ['a\ufffdb', None]}
    """
    if isinstance(value, str):
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {storable(name): storable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    return value
