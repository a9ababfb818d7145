"""Logs set up in one line."""

from __future__ import annotations

import logging
import os
import threading
import zlib
from typing import TextIO

from ragdiet.errors import InvalidArgument
from ragdiet.observe.hiding import Masks
from ragdiet.observe.json_lines import KEPT, JsonFormatter, prompt_id_of
from ragdiet.observe.sink import Sink, opened


class JsonHandler(logging.Handler):
    """Writes lines of JSON without personal data and secrets to a file or a stream, for use in ``dictConfig`` too:
    ``{"class": "ragdiet.observe.JsonHandler", "target": "ask.log"}``.

    ``sample`` is the share of asks whose lines are kept, all lines of an ask or none; warnings, failures, fallbacks and
    what costs money are always kept, and so are lines of no ask. A log that cannot be written, or not fast enough,
    holds up nobody: see ``lost``.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | TextIO,
        *,
        level: int | str = logging.NOTSET,
        sample: float = 1.0,
        masking: Masks | None = None,
    ) -> None:
        if not 0 <= sample <= 1:
            raise InvalidArgument(f"sample is {sample!r}: give the share of asks to be logged, from 0 to 1")
        super().__init__(_checked(level))
        self._sample = sample
        self._sink = Sink(opened(target))
        self._formatter = JsonFormatter(masking)

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        return self._sink.lost

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802  # as logging names it
        """Only a ``JsonFormatter`` will do: another one would write what is to be hidden."""
        if not isinstance(fmt, JsonFormatter):
            raise InvalidArgument("a JsonHandler takes no formatter but a JsonFormatter, since others do not mask")
        self._formatter = fmt

    def emit(self, record: logging.LogRecord) -> None:
        if self._is_kept(record):
            self._sink.put(self._formatter.format(record))

    def flush(self) -> None:
        """Wait until all lines are written, two seconds at most."""
        self._sink.flush()

    def close(self) -> None:
        """Write what waits, and take no more."""
        self._sink.close()
        super().close()

    def _is_kept(self, record: logging.LogRecord) -> bool:
        if self._sample == 1 or record.levelno >= logging.WARNING or getattr(record, KEPT, False):
            return True
        prompt_id = prompt_id_of(record)
        return not prompt_id or zlib.crc32(prompt_id.encode()) < self._sample * 2**32


class Log(JsonHandler):
    """What ``log_to`` set up, until it is closed."""

    _attached: logging.Logger | None = None

    def attach(self, logger: logging.Logger) -> None:
        logger.addHandler(self)
        self._attached = logger
        _levels.need(self, self.level)

    def close(self) -> None:
        if self._attached is not None:
            self._attached.removeHandler(self)
            self._attached = None
            _levels.no_longer(self)
        super().close()


class _Levels:
    """The level of ragdiet's own lines: the lowest that an open log asks for, and in the end that of before, unless
    the program has set one of its own meanwhile."""

    def __init__(self) -> None:
        self._needed: dict[int, int] = {}
        self._before = self._set = logging.NOTSET
        self._lock = threading.Lock()

    def need(self, log: logging.Handler, level: int) -> None:
        with self._lock:
            ours = logging.getLogger("ragdiet")
            if not self._needed:
                self._before = self._set = ours.level
            self._needed[id(log)] = level
            if level < ours.getEffectiveLevel():
                self._set = level
                ours.setLevel(level)

    def no_longer(self, log: logging.Handler) -> None:
        with self._lock:
            ours = logging.getLogger("ragdiet")
            del self._needed[id(log)]
            if ours.level != self._set:
                return
            ours.setLevel(self._before)
            if (lowest := min(self._needed.values(), default=None)) is not None and lowest < ours.getEffectiveLevel():
                ours.setLevel(lowest)
            self._set = ours.level


_levels = _Levels()


def log_to(
    target: str | os.PathLike[str] | TextIO,
    *,
    level: int | str = logging.INFO,
    sample: float = 1.0,
    masking: Masks | None = None,
    logger: str = "",
) -> JsonHandler:
    """Log to a file or a stream, such as ``sys.stderr``, as lines of JSON.

    ``level``: ragdiet's own lines from it up; other libraries' by the levels that they have. ``masking``: a
    ``Masking``, by default everything that is found is hidden. ``logger``: whose lines, by default all loggers'.
    ``sample``: see ``JsonHandler``. ``close`` what this gives to end it.
    """
    log = Log(target, level=level, sample=sample, masking=masking)
    log.attach(logging.getLogger(logger))
    return log


def _checked(level: int | str) -> int:
    known = logging.getLevelNamesMapping()
    if isinstance(level, str):
        if level.upper() not in known:
            raise InvalidArgument(f"no level is named {level!r}: give one of {', '.join(known)}")
        return known[level.upper()]
    return level
