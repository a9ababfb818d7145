"""Filters over metadata: ``F("year") >= 2020``, combined by ``&``, ``|`` and ``~``. No I/O."""

from ragdiet.filters.declared import INDEXED_BYTES, index_name
from ragdiet.filters.expression import And, Compare, Exists, Filter, Holds, IsIn, Not, Operator, Or, Path, children
from ragdiet.filters.key import MOST_KEY_BYTES, F, FilterLike, as_filter
from ragdiet.filters.moment import ISO_PATTERN, OFFSET_PATTERN
from ragdiet.filters.value import JsonType, Scalar, Value, json_type

__all__ = [
    "INDEXED_BYTES",
    "ISO_PATTERN",
    "MOST_KEY_BYTES",
    "OFFSET_PATTERN",
    "And",
    "Compare",
    "Exists",
    "F",
    "Filter",
    "FilterLike",
    "Holds",
    "IsIn",
    "JsonType",
    "Not",
    "Operator",
    "Or",
    "Path",
    "Scalar",
    "Value",
    "as_filter",
    "children",
    "index_name",
    "json_type",
]
