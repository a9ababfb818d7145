"""Transactions at the writer and at the readers, whole or not at all, through failovers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypeVar

import psycopg
from psycopg_pool import PoolTimeout

from ragdiet.errors import CommitUnknown, InvalidArgument, StoreUnavailable
from ragdiet.observe import held
from ragdiet.store.connection import (
    Credentials,
    Endpoint,
    InDsn,
    Lent,
    Secret,
    Token,
    is_commit_unknown,
    mapped_errors,
    reader_parameters,
    retried,
    writer_parameters,
)
from ragdiet.store.tenancy import become, transaction_for

T = TypeVar("T")

_READER_PATIENCE = 2.0
"""Seconds a search waits for a reader; after that the writer serves it."""

_READER_PAUSE = 10.0
"""Seconds for which readers that could not be reached are left alone."""

_log = logging.getLogger("ragdiet.store")
_lent: ContextVar[Mapping[Database, Lent]] = ContextVar("ragdiet_lent", default={})  # noqa: B039  # never changed
_at_writer: ContextVar[bool] = ContextVar("ragdiet_read_your_writes", default=False)


class Database:
    """Transactions at the PostgreSQL of ``dsn``.

    ``run`` is the door for a piece of work: its whole transaction is repeated after a failover, a deadlock or
    a conflict. ``transaction`` is the same for a ``with`` block, which cannot be repeated.

    ``reader`` is the host or DSN of the readers, at which read-only transactions run. A replica lags, on
    Aurora as a rule by less than 100 ms: a search may miss for so long what was just ingested. Inside
    ``read_your_writes()`` everything is read at the writer. While no reader can be reached, the writer serves
    the searches too.

    ``auth="iam"`` proves the DSN's role with a fresh IAM token for each connection, ``secret`` with the
    password of that Secrets Manager secret; both check the server's certificate and name (sslmode
    verify-full). ``region`` is for endpoints and secrets whose name does not tell theirs. ``proxy=True`` is for
    RDS Proxy and other poolers of transactions: nothing is prepared at the server, or set beyond a transaction.

    ``timeout`` seconds bound the wait for a connection, for a server that wakes up, and the time after which
    a transaction is not begun again. ``max_size`` connections at most are open at each endpoint; every
    ``idle`` seconds one that was not used is closed, the last one too, so that Aurora may pause.
    """

    def __init__(
        self,
        dsn: str,
        *,
        reader: str | None = None,
        auth: Literal["iam"] | None = None,
        secret: str | None = None,
        region: str | None = None,
        proxy: bool = False,
        max_size: int = 10,
        timeout: float = 60.0,
        idle: float = 30.0,
    ) -> None:
        """Connects once to each endpoint, to prove that it works.

        Raises StoreUnavailable (StoreNotReady after ``timeout`` seconds of silence), StoreAccessDenied,
        CertificateRejected, DatabaseMissing, InvalidArgument.
        """
        if max_size < 1 or timeout <= 0 or idle <= 0:
            raise InvalidArgument("max_size must be at least 1, timeout and idle above 0 s")
        self.dsn = dsn
        self.max_size = max_size
        self._timeout = timeout
        self._reader_from = 0.0
        credentials = _credentials(auth, secret, region)
        safety = {"guarded": auth == "iam" or secret is not None, "strict": auth == "iam", "proxy": proxy}
        pool: dict[str, Any] = {"max_size": max_size, "idle": idle, "prepare": not proxy}
        at_writer = writer_parameters(dsn, **safety)
        at_reader = None if reader is None else reader_parameters(reader, at_writer, **safety)
        self._writer = Endpoint(at_writer, credentials, **pool)
        self._reader = None if at_reader is None else Endpoint(at_reader, credentials, **pool)
        try:
            for endpoint in self._endpoints():
                endpoint.connect_patiently(time.monotonic() + timeout).close()
        except BaseException:
            self.close()
            raise

    def run(
        self,
        work: Callable[[psycopg.Connection], T],
        *,
        tenant: str | None,
        read_only: bool = False,
        repeatable: bool = False,
        pipelined: bool = False,
        patience: float | None = None,
    ) -> T:
        """What ``work`` returns, having done all its statements in one transaction on the connection it is given.

        ``work`` is called again, on another connection, when its transaction ended without effect: lost with
        its server, a deadlock, a serialization failure, a writer that became a reader. So it must not act on
        anything but the database. It sees the rows of ``tenant``, as in ``transaction``. A connection lost in
        the very commit raises CommitUnknown, unless doing ``work`` a second time is the same as doing it once:
        then say ``repeatable=True``, and it is repeated.

        With ``pipelined`` the connection is in psycopg's pipeline mode, in which no COPY can run: statements
        are sent without waiting for the results of those before, BEGIN and COMMIT among them. A cursor that
        ``work`` returns may be read after it.

        ``patience`` seconds in place of ``timeout`` bound the wait for a server that cannot be reached; for a free
        connection to one that can, it is as long as ever.
        """
        if self in _lent.get():
            with self.transaction(tenant=tenant) as connection:
                return work(connection)
        began = time.monotonic()
        deadline = began + self._timeout
        outage_ends = deadline if patience is None else began + min(patience, self._timeout)

        def attempt(number: int) -> T:
            commits = False
            try:
                with (
                    self._borrowed(deadline, outage_ends, read_only=read_only, at_reader=number == 0) as connection,
                    held(),
                    transaction_for(connection, tenant, pipelined=pipelined),
                ):
                    result = work(connection)
                    commits = True
                return result
            except psycopg.Error as error:
                if commits and not (read_only or repeatable) and is_commit_unknown(error):
                    raise CommitUnknown(
                        "the connection was lost while it committed: look whether the change is there before you call "
                        "again"
                    ) from error
                raise

        with mapped_errors():
            return retried(attempt, outage_ends)

    @contextmanager
    def transaction(self, *, tenant: str | None, read_only: bool = False) -> Iterator[psycopg.Connection]:
        """One transaction: committed at the end of the block, rolled back by an exception, never repeated.

        It sees the rows of ``tenant`` alone. With None it sees all as the owner, none as the runtime role.
        """
        with mapped_errors():
            if lent := _lent.get().get(self):
                with lent.block() as connection:
                    if tenant is not None:
                        become(connection, tenant)
                    yield connection
            else:
                with (
                    self._borrowed(time.monotonic() + self._timeout, read_only=read_only) as connection,
                    transaction_for(connection, tenant),
                ):
                    yield connection

    @contextmanager
    def using(self, connection: psycopg.Connection[Any]) -> Iterator[None]:
        """Inside the block everything, ledger rows included, runs in the transaction of ``connection``.

        Nothing is committed and nothing repeated: the block's work is the caller's to commit or roll back.
        Searches see what the caller has written. Each step is a savepoint, so one that fails leaves the
        transaction usable. Also holds in threads that the block starts with a copy of its context.

        >>> with psycopg.connect(dsn) as mine, rag.store.using(mine):     # doctest: +SKIP
        ...     rag.ask("How long is the notice period?")                 # doctest: +SKIP
        """
        with mapped_errors():
            lent = Lent(connection)
        token = _lent.set({**_lent.get(), self: lent})
        try:
            yield
        finally:
            _lent.reset(token)

    @property
    def is_lent(self) -> bool:
        """Whether a connection given to ``using`` serves now."""
        return self in _lent.get()

    @contextmanager
    def read_your_writes(self) -> Iterator[None]:
        """Inside the block searches are made at the writer, and find all that was committed before."""
        token = _at_writer.set(True)
        try:
            yield
        finally:
            _at_writer.reset(token)

    def connect(self) -> psycopg.Connection:
        """A connection to the writer beside the pool, the caller's to close: for migrations."""
        with mapped_errors():
            return self._writer.connect_patiently(time.monotonic() + self._timeout)

    @contextmanager
    def dedicated(self) -> Iterator[psycopg.Connection]:
        """A connection beside the pool, in autocommit, for what outlasts a transaction: index builds, locks."""
        with mapped_errors():
            connection = self._writer.connect_patiently(time.monotonic() + self._timeout, autocommit=True)
            try:
                yield connection
            finally:
                connection.close()

    def forget_connections(self) -> None:
        """Close idle connections, so that later ones know the types a migration brought."""
        for endpoint in self._endpoints():
            endpoint.forget_connections()

    def close(self) -> None:
        for endpoint in self._endpoints():
            endpoint.close()

    def _endpoints(self) -> list[Endpoint]:
        return [self._writer] if self._reader is None else [self._writer, self._reader]

    @contextmanager
    def _borrowed(
        self, deadline: float, outage_ends: float | None = None, *, read_only: bool, at_reader: bool = True
    ) -> Iterator[psycopg.Connection]:
        if read_only and at_reader and not _at_writer.get() and (connection := self._from_reader(deadline)):
            assert self._reader is not None
            with self._reader.lending(connection, read_only=True):
                yield connection
            return
        with self._writer.lending(self._writer.borrow(deadline, outage_ends), read_only=read_only) as connection:
            yield connection

    def _from_reader(self, deadline: float) -> psycopg.Connection | None:
        """A connection to a reader, or None where the writer has to serve."""
        now = time.monotonic()
        if self._reader is None or now < self._reader_from:
            return None
        try:
            return self._reader.borrow(min(deadline, now + _READER_PATIENCE))
        except PoolTimeout:  # they serve, but all connections are in use
            return self._reader.borrow(deadline)
        except StoreUnavailable as error:
            self._reader_from = now + _READER_PAUSE
            _log.warning("no reader can be reached, so the writer serves searches for %.0f s: %s", _READER_PAUSE, error)
            return None


def _credentials(auth: Literal["iam"] | None, secret: str | None, region: str | None) -> Credentials:
    if auth not in (None, "iam"):
        raise InvalidArgument(f"auth is {auth!r}: give 'iam', or leave it out")
    if auth and secret:
        raise InvalidArgument("auth='iam' and secret=... are two ways to prove the same: give one")
    if auth:
        return Token(region)
    return Secret(secret, region) if secret else InDsn()
