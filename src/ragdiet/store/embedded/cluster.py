"""The folder of a server: what lies in it, and how a data folder comes into being.

::

    pgdata/        the data; made as pgdata.new and renamed when it is whole
    server.log     what PostgreSQL says; server.log.old before it
    start.lock     held exclusively while a start or stop is decided
    users.lock     held shared by every user for as long as it uses the server
    server.lock    held by every process of the server, and by initdb
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ragdiet.errors import DataDirectoryInvalid, EmbeddedServerError, ServerStartTimeout
from ragdiet.store.embedded.installation import Installation
from ragdiet.store.embedded.locks import FileLock
from ragdiet.store.embedded.postmaster import DATA, data_argument, foreign_postmaster
from ragdiet.store.embedded.server_user import ServerUser, server_user

OWNER = "ragdiet"
_LOG = "server.log"
_LARGEST_LOG = 10_000_000  # bytes, checked at each start
_SETTINGS_FILE = "ragdiet.conf"
_SETTINGS = """\
# Written once, when the data folder was made. Edit it, or use ALTER SYSTEM.
shared_buffers = 128MB
effective_cache_size = {cache}MB
max_connections = 100
wal_level = minimal         # no replicas: bulk loads and index builds write less
max_wal_senders = 0
log_checkpoints = off
jit = off                   # compiling costs such short queries more than it gives
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """An open folder. ``descriptor`` leads to it even after it was moved."""

    path: Path
    descriptor: int
    user: ServerUser

    @property
    def data(self) -> Path:
        return self.path / DATA

    def lock(self, name: str) -> FileLock:
        lock = FileLock(self.descriptor, f"{name}.lock")
        if self.user.switched:
            self.user.take(lock.fd, mode=0o600)
        return lock

    def prepare(self, installation: Installation, lock: FileLock, deadline: float) -> None:
        """Make the data folder, or check and mend the one that is there. Nobody else may be using it.

        Raises:
            DataDirectoryInvalid: it is something else, or another major version's.
            EmbeddedServerError: initdb failed, or a server that was started by hand runs there.
            ServerStartTimeout: the deadline has passed.
        """
        if not self.data.exists() or (self.data.is_dir() and not any(self.data.iterdir())):
            self._initialise(installation, lock, deadline)
        self._check(installation)
        # Left by a server that is gone. PostgreSQL would take a live process of that number for it.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def open_log(self) -> int:
        """A descriptor that appends to the log."""
        log = self.path / _LOG
        if log.exists() and log.stat().st_size > _LARGEST_LOG:
            log.replace(log.with_suffix(".log.old"))
        descriptor = os.open(_LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600, dir_fd=self.descriptor)
        self.user.take(descriptor, mode=0o600)
        return descriptor

    def log_tail(self, start: int) -> str:
        """The last 2,000 characters of what was logged after byte ``start``."""
        with (self.path / _LOG).open("rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")[-2000:].strip()

    def _check(self, installation: Installation) -> None:
        version = self.data / "PG_VERSION"
        if not version.is_file():
            raise DataDirectoryInvalid(f"{self.data} is not a PostgreSQL data folder: give another path, or empty it")
        made_by = version.read_text().strip()
        if made_by != str(installation.major):
            raise DataDirectoryInvalid(
                f"{self.data} was made by PostgreSQL {made_by}, and {installation.bin_dir} holds PostgreSQL "
                f"{installation.major}. Give the bin_dir of a PostgreSQL {made_by}, move the data over with "
                "pg_upgrade, or ingest again into a new folder"
            )
        if pid := foreign_postmaster(self.data):
            raise EmbeddedServerError(
                f"another PostgreSQL (process {pid}) was started on {self.data} by hand: stop it with pg_ctl stop"
            )
        if self.data.stat().st_uid != self.user.uid:  # root's, brought by a copy
            for file in (self.data, *self.data.rglob("*")):
                os.chown(file, self.user.uid, self.user.gid, follow_symlinks=False)
        if self.data.stat().st_mode & 0o027:
            self.data.chmod(0o700)  # a copy loses the mode, and PostgreSQL refuses any other

    def _initialise(self, installation: Installation, lock: FileLock, deadline: float) -> None:
        making = self.path / f"{DATA}.new"
        if making.exists():
            shutil.rmtree(making)
        making.mkdir(0o700)
        self.user.take(making, mode=0o700)
        variants: list[list[str]]
        if installation.major >= 17:
            variants = [["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
            if sys.platform == "linux":
                # One syncfs in place of an fsync for each of 1,000 files.
                variants[0].append("--sync-method=syncfs")
        else:
            variants = [["--locale=C.UTF-8"], ["--locale=C"]]  # not every system has the first
        for options in variants:
            failure = self._run_initdb(installation, making, options, lock, deadline)
            if not failure:
                break
        else:
            raise EmbeddedServerError(f"initdb could not make {self.data} (as uid {self.user.uid}): {failure}")
        for file, text in ((_SETTINGS_FILE, _settings()), ("postgresql.conf", f"\ninclude = '{_SETTINGS_FILE}'\n")):
            self._append(making / file, text)
        making.rename(self.data)
        os.fsync(self.descriptor)

    def _run_initdb(
        self, installation: Installation, making: Path, options: list[str], lock: FileLock, deadline: float
    ) -> str:
        """The reason why it failed, or an empty string."""
        try:
            done = subprocess.run(  # noqa: S603 - the caller chose the programs
                [
                    installation.program("initdb"),
                    *("-D", data_argument(making), "--username", OWNER, "--encoding", "UTF8", *options),
                    *("--auth-local", "trust", "--auth-host", "reject", "--data-checksums", "--no-instructions"),
                ],
                cwd=making,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=(lock.fd,),
                timeout=max(deadline - time.monotonic(), 0),
                **self.user.process_options,
            )
        except subprocess.TimeoutExpired as error:
            raise ServerStartTimeout(
                f"initdb did not finish making {self.data} in time: pass a larger start_timeout"
            ) from error
        except OSError as error:
            return str(error)
        return "" if done.returncode == 0 else done.stderr.strip()[-1000:] or f"exit status {done.returncode}"

    def _append(self, file: Path, text: str) -> None:
        # The folder may be another user's by now, who must not lead root's pen elsewhere by a link.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            self.user.take(descriptor, mode=0o600)
            out.write(text)
            out.flush()
            os.fsync(descriptor)


def _settings() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _SETTINGS.format(cache=memory // 2 // 2**20)


def open_cluster(path: Path) -> Cluster:
    """Open ``path``, made if it is not there.

    Raises:
        DataDirectoryInvalid: the data in it belong to another user.
        EmbeddedServerError: see `server_user`.
        OSError: it is not a folder, or this user may not use it.
    """
    path.mkdir(parents=True, exist_ok=True)
    data = path / DATA
    user = server_user(data)
    if not user.switched and data.exists() and (owner := data.stat().st_uid) != user.uid:
        raise DataDirectoryInvalid(
            f"{data} belongs to uid {owner}: run as that user, or let root chown -R {user.uid} '{path}'"
        )
    return Cluster(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY), user)
