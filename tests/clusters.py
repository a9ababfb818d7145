"""Real PostgreSQL processes on TCP ports: a primary, its hot standby, and what can befall them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from ragdiet.store.embedded.installation import find_installation
from ragdiet.store.embedded.server_user import server_user

_START_SECONDS = 60
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 32MB
max_connections = 30
wal_level = replica
min_wal_size = 2MB
hot_standby = on
fsync = off
"""


class Clusters:
    """Makes servers in one folder, as a user who may run PostgreSQL, and ends them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = server_user(folder / "none")
        self._installation = find_installation(None, self.user)
        self._servers: list[Server] = []
        self._origin = folder / "origin"

    def begin(self, prepare: Callable[[str], object]) -> None:
        """Make the server of which all others are copies; ``prepare`` is given its DSN."""
        data = str(self._origin)
        small = ("--wal-segsize=1", "--no-sync")
        self.run(self.program("initdb"), "-D", data, "-U", "owner", "-A", "trust", "-E", "UTF8", "--locale=C", *small)
        first = self._started(self._origin, "", "")
        prepare(first.dsn)
        with psycopg.connect(first.dsn, autocommit=True) as connection:  # two thirds of the files to copy
            connection.execute("ALTER DATABASE template0 IS_TEMPLATE false")
            connection.execute("ALTER DATABASE template1 IS_TEMPLATE false")
            connection.execute("DROP DATABASE template0")
            connection.execute("DROP DATABASE template1")
        first.stop()

    def primary(self, *, settings: str = "", hba: str = "") -> Server:
        """The role ``owner`` is trusted, unless a line of ``hba`` says otherwise."""
        return self._started(self._copy(), settings, hba)

    def standby_of(self, primary: Server) -> Server:
        """A hot standby, which must have a transaction on disk before the primary says that it is committed.
        To be called before anything is written at the primary."""
        data = self._copy()
        (data / "standby.signal").touch()
        standby = self._started(data, f"primary_conninfo = '{primary.dsn}'", "")
        with psycopg.connect(primary.dsn, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            until(lambda: connection.execute("SELECT sync_state FROM pg_stat_replication").fetchone() == ("sync",))
        return standby

    def program(self, name: str) -> str:
        return self._installation.program(name)

    def run(self, *command: str) -> None:
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, **self.user.process_options)
        assert done.returncode == 0, done.stderr

    def end_all(self) -> None:
        for server in self._servers:
            server.kill()

    def _copy(self) -> Path:
        data = self.folder / str(len(self._servers))
        self.run("cp", "-a", str(self._origin), str(data))
        return data

    def _started(self, data: Path, settings: str, hba: str) -> Server:
        port = free_port()
        (data / "postgresql.conf").write_text(f"{_SETTINGS}port = {port}\n{settings}\n")
        access = data / "pg_hba.conf"
        access.write_text(f"{hba}\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n")
        server = Server(self, data, port)
        self._servers.append(server)
        server.start()
        return server


class Server:
    """One PostgreSQL process group."""

    def __init__(self, clusters: Clusters, data: Path, port: int) -> None:
        self._clusters = clusters
        self._process: subprocess.Popen[bytes] | None = None
        self.data = data
        self.port = port
        self.dsn = f"host=127.0.0.1 port={port} user=owner dbname=postgres"

    def start(self) -> None:
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._clusters.program("postgres"), "-D", str(self.data)],
                cwd="/",
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._clusters.user.process_options,
            )
        until(self._answers)

    def kill(self) -> None:
        """kill -9 of the postmaster and all of its children."""
        if self._process and self._process.poll() is None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def pause(self) -> None:
        """The host hangs: connections are taken by the kernel, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def promote(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_promote(wait => true, wait_seconds => 30)")

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        for stat in Path("/proc").glob("[0-9]*/stat"):  # backends are in sessions of their own
            with suppress(FileNotFoundError, ProcessLookupError):
                parent = stat.read_text().rpartition(")")[2].split()[1]
                if str(self._process.pid) in (stat.parent.name, parent):
                    os.kill(int(stat.parent.name), number)

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self.data.parent / f"{self.data.name}.log").read_text()
        try:
            psycopg.connect(self.dsn, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


def until(condition: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def clusters(prepare: Callable[[str], object]) -> Iterator[Clusters]:
    """In a folder which the server's user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="ragdiet-pg-"))
    server_user(folder / "none").take(folder, mode=0o755)
    try:
        made = Clusters(folder)
        try:
            made.begin(prepare)
            yield made
        finally:
            made.end_all()
    finally:
        shutil.rmtree(folder)


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield int(listening.getsockname()[1])
