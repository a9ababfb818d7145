"""prompt_id: the one name of a question, on every ledger row, log line, request and answer."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from ragdiet.errors import InvalidArgument

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# os.urandom lets go of the interpreter, and a thread among many then waits for its turn again. A child process must not
# go on with its parent's numbers.
_random = random.Random()  # noqa: S311  # names, not secrets
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_random.seed)
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_GIVEN = re.compile(r"[A-Za-z0-9_.:\-]{1,128}")


def new_id() -> str:
    """A 26-character ULID (github.com/ulid/spec): 48 bits of milliseconds, 80 random bits.

    Sorts by time as a string; two made in one millisecond sort in no particular order.
    """
    value = (time.time_ns() // 1_000_000) << 80 | _random.getrandbits(80)
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def checked_id(prompt_id: str) -> str:
    """The caller's own prompt_id, if it is safe to write into logs and request metadata."""
    if not isinstance(prompt_id, str) or not _GIVEN.fullmatch(prompt_id):
        raise InvalidArgument(
            f"prompt_id {prompt_id!r:.42} cannot be used: give 1 to 128 letters, digits, '_', '.', ':' or '-', or none"
        )
    return prompt_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Who is asking: carried by a context variable through threads and tasks of one ask or ingest."""

    prompt_id: str
    tenant: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    attempt: int = 1


_current: ContextVar[Trace | None] = ContextVar("ragdiet_trace", default=None)


def current() -> Trace:
    """The trace of the running ask or ingest; outside of one, a fresh trace of its own."""
    return _current.get() or Trace(prompt_id=new_id())


def running() -> Trace | None:
    """The trace of the running ask or ingest; None outside of one."""
    return _current.get()


@contextmanager
def tracing(trace: Trace) -> Iterator[Trace]:
    """Make ``trace`` current inside the block."""
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


@contextmanager
def attempt(number: int) -> Iterator[None]:
    """Mark what happens inside the block as attempt ``number`` of the current ask."""
    with tracing(replace(current(), attempt=number)):
        yield
