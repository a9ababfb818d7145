"""What an answer is kept under: everything that it may depend on, but for what the collection holds.

Two asks share a key only where the same question would be answered from the same sources by the same pieces, set in the
same way. What cannot be told is taken to differ: a key too many costs one more generation, one too few a wrong answer.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType

import numpy as np

_FORMAT = "1"
_PLAIN = (str, bytes, int, float, complex, type(None), re.Pattern)
_NOT_THE_ANSWERS = ("ragdiet.account", "ragdiet.store", "ragdiet.bedrock")
"""Ledgers, prices, the database, limiters: an answer is the same with others."""

_DEEPEST = 8
_QUOTES = str.maketrans("‘’‛“”‟", "'''\"\"\"")
_END = re.compile(r"[\s?.]+$")
_FIRST = re.compile(
    r"(?:who|whom|whose|what|which|when|where|why|how|is|are|was|were|do|does|did|has|have|had|can|could|will|would|"
    r"should|may|must|please|tell|show|list|explain|describe|give|name|in|on|at|for|the|a|an)\b",
    re.IGNORECASE,
)


def normalised(question: str) -> str:
    """A question without what cannot change its meaning: how white space, quotes and accents are encoded, a question
    mark or full stop at its end, and the capital of a first word that is no name.

    All else stays. Case tells "US" from "us" and "Polish" from "polish"; NFKC would make "m²" the same as "m2"; "5!" is
    not 5; and white space between lines, or in code, may be what is asked about.

    >>> normalised("Who  signed the US treaty ?") == normalised("who signed the US treaty")
    True
    """
    text = unicodedata.normalize("NFC", question).translate(_QUOTES).strip()
    if "\n" not in text and "`" not in text:
        text = " ".join(text.split())
    text = _END.sub("", text) or text
    first = _FIRST.match(text)
    return text[0].lower() + text[1:] if first and not first[0].isupper() else text


def digest(*parts: object) -> bytes:
    """BLAKE2b (RFC 7693) of the parts' identities, 32 bytes."""
    return hashlib.blake2b("\0".join((_FORMAT, *map(identity, parts))).encode(), digest_size=32).digest()


def identity(piece: object) -> str:
    """What tells a piece from others that answer otherwise: its class and all plain settings that it holds, at any
    depth, in an order that is the same in every process. Functions count by their name, their code and what they hold.

    A piece may say so itself, by an attribute ``cache_identity`` of text. To be read when the piece is new: what it
    counts and learns later makes it no other one.
    """
    return _identity(piece, ())


def _identity(value: object, above: tuple[int, ...]) -> str:
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{hashlib.blake2b(value.tobytes()).hexdigest()}"
    if isinstance(value, BuiltinFunctionType | type):
        return f"{value.__module__}.{value.__qualname__}"
    if id(value) in above or len(above) >= _DEEPEST:
        return _class(value)
    within = partial(_identity, above=(*above, id(value)))
    if isinstance(value, FunctionType):
        code, held = value.__code__, [cell.cell_contents for cell in value.__closure__ or ()]
        does = hashlib.blake2b(code.co_code + within([code.co_names, _constants(code)]).encode()).hexdigest()
        return f"{value.__module__}.{value.__qualname__}({does}, {within(held)}, {within(value.__defaults__)})"
    if isinstance(value, MethodType):
        return f"{value.__func__.__qualname__} of {within(value.__self__)}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{within(key)}: {within(each)}' for key, each in value.items()))}}}"
    if isinstance(value, Set):
        return f"{{{', '.join(sorted(map(within, value)))}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(within, value))}]"
    if type(value).__module__.startswith(_NOT_THE_ANSWERS):
        return ""
    if isinstance(said := getattr(value, "cache_identity", None), str):
        return f"{_class(value)}({said!r})"
    fields = ", ".join(sorted(f"{name}={within(each)}" for name, each in _fields(value)))
    if fields:
        return f"{_class(value)}({fields})"
    shown = repr(value)  # a Decimal, a path, a date: what has no fields says in its repr what it is
    return _class(value) if " at 0x" in shown else f"{_class(value)}({shown})"


def _fields(value: object) -> Iterator[tuple[str, object]]:
    yield from getattr(value, "__dict__", {}).items()
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name) and name not in ("__dict__", "__weakref__"):
                yield name, getattr(value, name)


def _constants(code: CodeType) -> tuple[object, ...]:
    """Those of a function, and of functions within it; code itself shows where it lies in memory."""
    return tuple(_constants(each) if isinstance(each, CodeType) else each for each in code.co_consts)


def _class(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
