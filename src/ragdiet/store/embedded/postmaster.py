"""The server process: found by its file, told from others by its command line, launched, stopped.

`postmaster.pid` is only a hint. The process it names may be dead, a zombie, or another program that
was given the same number since; or the file may have come along with a copied folder. A process is
taken for ours only if its command line holds the socket folder, whose name is made from the device
and inode of the data folder.
"""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ragdiet.errors import EmbeddedServerError
from ragdiet.store.embedded.installation import Installation
from ragdiet.store.embedded.server_user import ServerUser

DATA = "pgdata"
PORT = 5432  # part of the socket's file name; nothing listens on TCP
_SOCKET = f".s.PGSQL.{PORT}"
_LONGEST_SOCKET_PATH = 103  # bytes of sockaddr_un.sun_path without the NUL: 103 on macOS, 107 on Linux
_FAST_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A running server. ``name`` is that of its socket folder, whose path is empty while the server
    has not opened it; ``status`` is ``starting``, ``ready``, ``stopping`` or ``standby``."""

    pid: int
    name: str
    socket_folder: str
    status: str


def read_postmaster(folder: int) -> Postmaster | None:
    """The server that runs on the data in ``folder`` (a descriptor), if one does."""
    try:
        name = socket_name(os.stat(DATA, dir_fd=folder))
        descriptor = os.open(f"{DATA}/postmaster.pid", os.O_RDONLY, dir_fd=folder)
        with os.fdopen(descriptor, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")
        pid = int(lines[0])
    except (FileNotFoundError, NotADirectoryError, ValueError):  # no file, or one that was cut off: nothing runs
        return None
    lines += [""] * (8 - len(lines))
    found = Postmaster(pid, name, socket_folder=lines[4], status=lines[7].strip() or "starting")
    return found if is_running(found) else None


def is_running(postmaster: Postmaster) -> bool:
    """Whether the process lives and is that server."""
    command = command_line(postmaster.pid)
    return "postgres" in command and postmaster.name in command


def foreign_postmaster(data: Path) -> int | None:
    """The process number of a server that somebody else, by hand say, started on ``data``."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    command = command_line(pid)
    if "postgres" not in command:
        return None
    try:
        same = Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:  # no /proc, or not our process to look into
        same = f"-D {data}" in command
    return pid if same else None


def command_line(pid: int) -> str:
    """The words of a process's command line; a zombie has none (or only its name, where `ps` is asked)."""
    if not 0 < pid < 2**31:
        return ""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    listed = subprocess.run(  # noqa: S603 - a number is all that is put in
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True
    )
    return listed.stdout


def launch(installation: Installation, data: Path, user: ServerUser, *, log: int, lock: int) -> Path:
    """Start the server in the background, in a session of its own, so that no Ctrl-C reaches it.

    It writes to the descriptor ``log``, and every process of it inherits ``lock``: the lock is free
    again only when the last of them is gone. The shell in between makes the server nobody's child,
    so no user has to wait for it. Returns the socket folder.
    """
    socket_folder = _make_socket_folder(data, user)
    quoted = str(socket_folder).replace('"', '""')
    settings = (
        f"port={PORT}",
        "listen_addresses=",
        f'unix_socket_directories="{quoted}"',
        "unix_socket_permissions=0700",
    )
    words = [installation.program("postgres"), "-D", data_argument(data)]
    for setting in settings:
        words += ["-c", setting]
    subprocess.run(  # noqa: S603 - the words reach the shell as its arguments, not as text to read
        ["/bin/sh", "-c", 'exec "$@" &', "sh", *words],
        cwd=data,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        pass_fds=(lock,),
        check=True,
        **user.process_options,
    )
    return socket_folder


def stop(postmaster: Postmaster) -> None:
    """Fast shutdown: sessions are ended, everything is written. After a minute, an immediate one
    (the next start then recovers from the log). Returns when the server is gone."""
    for stop_signal in (signal.SIGINT, signal.SIGQUIT):
        if not is_running(postmaster):
            break
        try:
            os.kill(postmaster.pid, stop_signal)
        except ProcessLookupError:  # gone since we looked
            break
        deadline = time.monotonic() + _FAST_STOP_SECONDS
        while is_running(postmaster) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    if is_running(postmaster):
        raise EmbeddedServerError(f"the embedded PostgreSQL (process {postmaster.pid}) does not stop: kill it by hand")
    folder = Path(postmaster.socket_folder)
    if folder.name == postmaster.name:
        remove_socket_folder(folder)


def data_argument(data: Path) -> str:
    """How programs that are started inside ``data`` are told where it is.

    Linux leads /proc/self/cwd to the folder itself and not along its path. So the server's user
    needs no way through the folders above, which may be root's own (/root is 0700), the folder may
    be moved under a running server, and its path may be of any length.
    """
    return "/proc/self/cwd" if Path("/proc/self/cwd").exists() else str(data)


def socket_name(data: os.stat_result) -> str:
    """The name of a data folder's socket folder: the same however its path is written or moved."""
    return "ragdiet-" + hashlib.sha256(f"{data.st_dev}:{data.st_ino}".encode()).hexdigest()[:20]


def _make_socket_folder(data: Path, user: ServerUser) -> Path:
    """A folder that only the server's user can enter, with a path short enough for a socket.

    XDG_RUNTIME_DIR comes last: it is removed at log-out, when users of the server may still run.
    """
    if user.switched:
        bases = ["/run", "/tmp"]  # noqa: S108 - the folder's owner is checked below
    else:
        bases = [tempfile.gettempdir(), "/tmp", os.environ.get("XDG_RUNTIME_DIR", "")]  # noqa: S108 - as above
    name = socket_name(data.stat())
    refusals = []
    for base in filter(None, bases):
        folder = Path(base, name)
        if len(os.fsencode(folder / _SOCKET)) > _LONGEST_SOCKET_PATH:
            refusals.append(f"{folder} is too long")
            continue
        try:
            folder.mkdir(0o700, exist_ok=True)
        except OSError as error:
            refusals.append(str(error))
            continue
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), user.uid):
            refusals.append(f"{folder} is not a folder of this user's, but of uid {found.st_uid}")
            continue
        user.take(folder, mode=0o700)
        _clear(folder)
        return folder
    raise EmbeddedServerError(
        f"no folder for the server's socket: {'; '.join(refusals)}. Remove what is there, or set TMPDIR to a "
        "short path of a folder of your own"
    )


def remove_socket_folder(folder: Path) -> None:
    """Remove the folder of a server that is gone, with all that is in it."""
    if folder.exists():
        _clear(folder)
        folder.rmdir()


def _clear(socket_folder: Path) -> None:
    """Remove what a killed server leaves; PostgreSQL would trust the process number in the lock file."""
    for name in (_SOCKET, f"{_SOCKET}.lock"):
        (socket_folder / name).unlink(missing_ok=True)
