"""Where lines go: written by a thread of their own, so that a full disk or a stuck reader is nobody's to wait for."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TextIO
from weakref import WeakSet

from ragdiet.errors import InvalidArgument

_GATHER = 0.05
"""Seconds that lines are gathered before they are written together."""


class Target(Protocol):
    name: str

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class FileTarget:
    """A file that is appended to, and opened anew where it was moved or deleted, as a log is when it is rotated."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._file = self._opened()
        self._is_torn = False

    def write(self, data: bytes) -> None:
        """Raises OSError; what was written of a line that did not fit is ended by the next one."""
        if not self._is_there():
            self.close()
            self._file = self._opened()
        rest = memoryview(b"\n" + data if self._is_torn else data)
        self._is_torn = True
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._is_torn = False

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            with suppress(OSError):
                os.close(file)

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o640)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except OSError:
            return False


class StreamTarget:
    """An open text stream, which stays its owner's to close."""

    def __init__(self, stream: TextIO) -> None:
        self.name = str(getattr(stream, "name", stream))
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Raises OSError, or ValueError for a closed stream."""
        self._stream.write(data.decode("ascii"))
        self._stream.flush()

    def close(self) -> None: ...


class Sink:
    """At most ``most`` lines wait to be written; more than that are dropped, the newest first. ``lost`` counts lines
    that were dropped or could not be written; that there are any is noted once on stderr, and in the log itself as
    soon as it can be written again."""

    def __init__(self, target: Target, *, most: int = 10_000) -> None:
        self.lost = 0
        self._target = target
        self._most = most
        self._has_noted = self._is_closed = False
        self._told = 0
        self._anew()
        _sinks.add(self)

    def _anew(self) -> None:
        """Without lines and thread: at first, and in a child process, which has neither of its parent's."""
        self._changed = threading.Condition()  # may be entered again: a collected object may log in the middle of this
        self._lines = deque[str]()
        self._thread: threading.Thread | None = None
        self._is_hurried = self._is_writing = False

    def put(self, line: str) -> None:
        """Have a line written soon. Never waits and never raises."""
        with self._changed:
            if self._is_closed or len(self._lines) >= self._most:
                self.lost += 1
                return
            self._lines.append(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ragdiet-log", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # no thread is to be had, or the interpreter is at its end
                    self._thread = None
            elif len(self._lines) == 1:
                self._changed.notify_all()

    def flush(self, timeout: float = 2.0) -> bool:
        """Wait until all lines are written, ``timeout`` seconds at most. Gives whether they are, or are lost."""
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._lines and not self._is_writing, timeout)
            self._is_hurried = False
            return done

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, for ``timeout`` seconds at most, and take no more."""
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        if thread is None or not thread.is_alive():
            self._target.close()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._is_closed)
                self._changed.wait_for(lambda: self._is_hurried or self._is_closed, _GATHER)
                lines = [*self._lines]
                self._lines.clear()
                self._is_writing = bool(lines)
            if not lines:
                return
            failure = self._written(lines)
            with self._changed:
                self.lost += len(lines) if failure else 0
                self._is_writing = False
                self._changed.notify_all()
            if failure:
                self._note(failure)

    def _written(self, lines: list[str]) -> Exception | None:
        lost = self.lost
        if lost > self._told:
            lines = [_lost_line(lost - self._told), *lines]
        try:
            self._target.write("".join(f"{line}\n" for line in lines).encode())
        except Exception as error:  # noqa: BLE001  # any that a stream raises: the next lines are tried again
            return error
        self._told = lost
        return None

    def _note(self, failure: Exception) -> None:
        if not self._has_noted:
            self._has_noted = True
            reason = getattr(failure, "strerror", None) or type(failure).__name__
            with suppress(Exception):  # stderr may be what is gone
                print(
                    f"ragdiet: log lines are lost, since {self._target.name} cannot be written: {reason}",
                    file=sys.stderr,
                    flush=True,
                )


def opened(target: str | os.PathLike[str] | TextIO) -> Target:
    """The target of a path or a stream. Raises InvalidArgument where it cannot be written even now."""
    if isinstance(target, str | os.PathLike):
        try:
            return FileTarget(Path(target))
        except OSError as error:
            raise InvalidArgument(
                f"the log {os.fspath(target)} cannot be opened ({error.strerror}): give a file in a folder that exists"
                " and can be written"
            ) from error
    if not hasattr(target, "write"):
        raise InvalidArgument(f"{target!r} is no log: give the path of a file, or an open text stream")
    return StreamTarget(target)


def _lost_line(count: int) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {"ts": now, "level": "WARNING", "logger": "ragdiet.observe", "event": "lines lost", "lost": count}
    )


_sinks: WeakSet[Sink] = WeakSet()


def _after_fork() -> None:
    for sink in _sinks:
        sink._anew()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)
