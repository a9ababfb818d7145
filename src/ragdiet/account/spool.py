"""Ledger rows that the database could not take, kept on disk until it can.

Each process writes a file of its own and holds its lock while it lives, so that the file of one that died is told by
its lock being free: whoever comes next writes those rows too. To write a row twice is to write it once.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

from psycopg.conninfo import conninfo_to_dict

from ragdiet.account.ledger import Call
from ragdiet.account.written import Noted, Row, from_line, to_line
from ragdiet.observe import new_id

_BATCH = 500
"""Rows written in one transaction."""

_CHUNK = 1 << 20
"""Bytes read at a time."""

_log = logging.getLogger("ragdiet.account")

Write: TypeAlias = Callable[[Sequence[Noted]], Sequence[Noted]]
"""Stores rows, and returns those which the database refuses for what is in them."""


def default_folder(dsn: str) -> Path:
    """In the user's folder for state ($XDG_STATE_HOME, else ~/.local/state), one folder a database: named by a hash of
    its host, port and name, without user and password, so that whoever opens the same database finds it."""
    given = conninfo_to_dict(dsn)
    names = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE"}
    known = [str(given.get(name) or os.environ.get(variable) or "") for name, variable in names.items()]
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "ragdiet" / "spool" / sha256("\n".join(known).encode()).hexdigest()[:16]


class Spool:
    """The rows of this process, in a file of ``folder`` that is made when the first one comes.

    Threads may append to it while one drains it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: _Open | None = None
        self._costs: dict[tuple[str, str], dict[str, Decimal]] = {}
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether no row of this process waits."""
        with self._lock:
            return self._file is None or not self._file.end

    def costs(self, tenant: str, prompt_id: str) -> dict[str, Decimal]:
        """USD by call_id, of the calls that wait: as their latest row says."""
        with self._lock:
            return dict(self._costs.get((tenant, prompt_id), {}))

    def overtaken(self, rows: Sequence[Row]) -> None:
        """The database has later rows of the same calls, so that what waits does not say what they cost."""
        with self._lock:
            if self._costs:
                for row in rows:
                    if isinstance(row, Call):
                        self._costs.get((row.tenant, row.prompt_id), {}).pop(row.call_id, None)

    def append(self, rows: Sequence[Noted]) -> None:
        """Keep ``rows``: they are on the disk when this returns. Raises OSError, and then none of them is."""
        lines = b"".join(map(to_line, rows))
        with self._lock:
            if self._file is None or self._file.pid != os.getpid():  # a forked child must not write into its parent's
                self._file = _Open.new(self.folder)
            self._file.append(lines)
            for row, _ in rows:
                if isinstance(row, Call):
                    self._costs.setdefault((row.tenant, row.prompt_id), {})[row.call_id] = row.cost

    def drain(self, write: Write) -> None:
        """Hand all rows to ``write``, those of processes that died as well, and forget them once it has returned.
        What it raises is raised, and the rows are kept. One thread at a time may do so."""
        self._drain_own(write)
        for path in self.others():
            if orphan := _Open.orphan(path):
                with closing(orphan):
                    _hand_over(orphan, 0, os.fstat(orphan.fd).st_size, write)
                    path.unlink(missing_ok=True)

    def others(self) -> list[Path]:
        """The files of other processes, dead or alive."""
        with self._lock:
            own = self._file.path if self._file else None
        return sorted(path for path in self.folder.glob("*.jsonl") if path != own)

    def close(self) -> None:
        """Let go of the file: rows that it holds are left for whoever opens the database next."""
        with self._lock:
            if self._file and self._file.pid == os.getpid():
                if not self._file.end:
                    self._file.path.unlink(missing_ok=True)
                self._file.close()
            self._file = None

    def _drain_own(self, write: Write) -> None:
        begin = 0
        while True:
            with self._lock:
                file = self._file
                if file is None or file.end == begin:
                    if file:
                        file.clear()
                    self._costs.clear()
                    return
                end = file.end
            _hand_over(file, begin, end, write)
            begin = end


class _Open:
    """A file whose lock this process holds. ``end`` is where the last whole row ends."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd
        self.end = 0
        self.pid = os.getpid()
        _all_open.add(self)

    @classmethod
    def new(cls, folder: Path) -> _Open:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = folder / f"{new_id()}.jsonl"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            if _locked(fd) and path.exists():  # else another took it for a dead process's before it was locked
                _sync_folder(folder)
                return cls(path, fd)
            os.close(fd)

    @classmethod
    def orphan(cls, path: Path) -> _Open | None:
        """The file of a process that has died; None while it lives, or where another was faster."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("ledger rows wait in %s, which cannot be opened: %s", path, error)
            return None
        if _locked(fd) and path.exists():
            return cls(path, fd)
        os.close(fd)
        return None

    def append(self, lines: bytes) -> None:
        if os.fstat(self.fd).st_size != self.end:
            os.ftruncate(self.fd, self.end)
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self.fd, rest) :]
            os.fsync(self.fd)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self.fd, self.end)
            raise
        self.end += len(lines)

    def clear(self) -> None:
        os.ftruncate(self.fd, 0)
        self.end = 0

    def close(self) -> None:
        _all_open.discard(self)
        os.close(self.fd)


_all_open: weakref.WeakSet[_Open] = weakref.WeakSet()


def _close_inherited() -> None:
    """In a forked child, which would hold the lock of its parent's file after the parent has died."""
    for file in list(_all_open):
        file.close()


if hasattr(os, "register_at_fork"):  # absent on Windows
    os.register_at_fork(after_in_child=_close_inherited)


def _hand_over(file: _Open, begin: int, end: int, write: Write) -> None:
    """Give the rows from ``begin`` to ``end`` to ``write``; what cannot become a row is set aside, with a warning."""
    bad: list[bytes] = []
    batch: list[Noted] = []

    def hand() -> None:
        if batch:
            bad.extend(map(to_line, write(batch)))
            batch.clear()

    for line in _lines(file.fd, begin, end):
        try:
            batch.append(from_line(line))
        except ValueError:
            bad.append(line + b"\n")
        if len(batch) == _BATCH:
            hand()
    hand()
    if bad:
        _log.warning(
            "%d lines of the ledger's spool %s are no whole rows, as after a crash in mid-write, or the database "
            "refuses them; they are kept in %s, and all others are in the ledger: compare the provider's bill",
            len(bad),
            file.path,
            _set_aside(file.path, bad),
        )


def _lines(fd: int, begin: int, end: int) -> Iterator[bytes]:
    """Without their ends. Read by position: the file's own is moved by whoever appends."""
    rest = b""
    while begin < end and (read := os.pread(fd, min(_CHUNK, end - begin), begin)):
        begin += len(read)
        *whole, rest = (rest + read).split(b"\n")
        yield from filter(None, whole)
    if rest:
        yield rest


def _set_aside(path: Path, lines: Sequence[bytes]) -> Path:
    """Keep lines beside the spool file ``path``."""
    aside = path.with_suffix(".bad")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as kept:
        kept.writelines(lines)
        kept.flush()
        os.fsync(kept.fileno())
    return aside


def _locked(fd: int) -> bool:
    """Whether the file's lock is this process's now. The kernel drops it when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError as error:  # Windows
        raise OSError("this system has no flock") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """A new file outlasts a crash of the machine only once its folder is on the disk."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
