"""Locks between processes that the kernel drops by itself when their holder dies.

`flock` locks belong to an open file: they are shared with forked children, and the kernel lets go of
them when the last descriptor closes, whatever killed the process.
"""

from __future__ import annotations

import os
import time
import weakref
from types import TracebackType
from typing import Self

from ragdiet.errors import ServerStartTimeout

_POLL_SECONDS = 0.02


class FileLock:
    """An open lock file, not locked yet. ``folder`` is the descriptor of the folder that holds it."""

    def __init__(self, folder: int, name: str) -> None:
        self.fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        _open_locks.add(self)

    def try_exclusive(self) -> bool:
        """Take or upgrade to the exclusive lock; False where somebody else holds any lock.

        A shared lock held before is lost on failure: flock drops it before it asks for the other.
        """
        import fcntl  # absent on Windows

        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def exclusive(self, deadline: float | None = None) -> None:
        """Wait for the exclusive lock, until ``deadline`` on ``time.monotonic`` if one is given.

        Raises:
            ServerStartTimeout: the deadline has passed.
        """
        import fcntl

        if deadline is None:
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            return
        while not self.try_exclusive():
            if time.monotonic() > deadline:
                raise ServerStartTimeout(
                    "another process is still starting or stopping the embedded PostgreSQL. "
                    "Wait for it, or pass a larger start_timeout"
                )
            time.sleep(_POLL_SECONDS)

    def shared(self) -> None:
        """Wait for the shared lock."""
        import fcntl

        fcntl.flock(self.fd, fcntl.LOCK_SH)

    def unlock(self) -> None:
        """Drop the lock for every process that shares the open file."""
        import fcntl

        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close this process's descriptor; children that inherited it go on holding the lock."""
        if self in _open_locks:
            _open_locks.discard(self)
            os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_open_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _close_inherited() -> None:
    """In a forked child: else it would hold its parent's share for as long as it lives."""
    for lock in list(_open_locks):
        lock.close()


if hasattr(os, "register_at_fork"):  # absent on Windows
    os.register_at_fork(after_in_child=_close_inherited)
