"""One address of the database, and the pool of connections to it.

psycopg's own pool keeps the connections; this opens them. The pool would hide why a connection cannot be
opened and try the same again for minutes; so every opening goes through ``Endpoint.connect``, which knows
the credentials, tries each host, and notes the reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from selectors import EVENT_READ, DefaultSelector
from typing import Any, TypeVar

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from ragdiet.errors import RagdietError, StoreAccessDenied, StoreError, StoreNotReady, StoreUnavailable
from ragdiet.store.connection.address import Parameters, address, each_host
from ragdiet.store.connection.credentials import Credentials
from ragdiet.store.connection.failures import refusal
from ragdiet.store.connection.lent import register_vectors

C = TypeVar("C", bound=psycopg.Connection[Any])

_LOOK = 1.0
"""Seconds after which one who waits for a connection looks why there is none."""

_ANSWER = 3.0
"""Seconds in which a server that is well answers an empty query."""

_PAUSE = 0.5
"""Seconds between two tries to open a connection."""


class Endpoint:
    """Connections to the hosts of ``parameters``, at most ``max_size`` in the pool.

    The pool opens none before it is asked, and closes one unused connection every ``idle`` seconds: open
    connections would keep an Aurora cluster from pausing. ``prepare=False`` leaves no statement prepared
    at the server, for RDS Proxy and other poolers.
    """

    def __init__(
        self, parameters: Parameters, credentials: Credentials, *, max_size: int, idle: float, prepare: bool
    ) -> None:
        self._parameters = parameters
        self._credentials = credentials
        self._prepare = {} if prepare else {"prepare_threshold": None}
        self._opening: set[object] = set()
        self._failure: tuple[float, RagdietError] | None = None
        self._pool = ConnectionPool(
            connection_class=_connection_class(self._opened),
            kwargs={"autocommit": True},
            min_size=0,
            max_size=max_size,
            max_idle=idle,
            reconnect_timeout=0.0,  # whoever waits tries again, so that nobody sleeps on after an outage
            configure=register_vectors,
            check=self._check,
            open=True,
        )

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection:
        """A connection beside the pool. Raises StoreError with the reason why there can be none."""
        return self._opened(psycopg.Connection.connect, autocommit=autocommit)

    def connect_patiently(self, deadline: float, *, autocommit: bool = False) -> psycopg.Connection:
        """A connection beside the pool; a server that is waking up, or full, is waited for until ``deadline``."""
        while True:
            try:
                return self.connect(autocommit=autocommit)
            except StoreNotReady:
                if time.monotonic() + _PAUSE > deadline:
                    raise
            time.sleep(_PAUSE)

    def borrow(self, deadline: float, outage_ends: float | None = None) -> psycopg.Connection:
        """A connection of the pool, in autocommit, found to work just now; hand it to ``lending``.

        A free one is waited for until ``deadline``, a reading of time.monotonic(), and a server in an outage as long,
        or until ``outage_ends``; what no waiting mends is raised at once. Raises StoreError with the reason, or
        psycopg_pool's errors for a pool in full use or closed.
        """
        began = time.monotonic()
        while True:
            try:
                return self._pool.getconn(timeout=max(0.001, min(_LOOK, deadline - time.monotonic())))
            except PoolTimeout:
                failure = self._failure_since(began)
                now = time.monotonic()
                waits_on = now < (deadline if outage_ends is None else outage_ends)
                if failure and not (waits_on and isinstance(failure, StoreUnavailable)):
                    raise type(failure)(*failure.args) from failure  # others may be raising it too
                if now >= deadline:
                    raise

    @contextmanager
    def lending(self, connection: psycopg.Connection, *, read_only: bool) -> Iterator[psycopg.Connection]:
        """A borrowed connection for the length of the block; then it goes back to the pool."""
        try:
            connection.read_only = read_only or None  # of the transactions that begin from here on
            yield connection
        except psycopg.errors.ReadOnlySqlTransaction:
            if not read_only:  # a failover made this host a reader, and all connections to it are wrong
                connection.close()
                self._pool.drain()
            raise
        finally:
            self._pool.putconn(connection)

    def forget_connections(self) -> None:
        """Close idle connections, so that later ones know the types a migration brought."""
        self._pool.drain()

    def close(self) -> None:
        self._pool.close()

    def _check(self, connection: psycopg.Connection) -> None:
        """Raise unless the server answers. psycopg's own check waits for a hung one, whose kernel still
        acknowledges what it is sent, for ever."""
        server = connection.pgconn
        deadline = time.monotonic() + _ANSWER
        server.send_query(b"")
        with DefaultSelector() as answers:
            answers.register(server.socket, EVENT_READ)
            has_ended = False
            while not has_ended:
                while server.flush() or server.is_busy():
                    if not answers.select(deadline - time.monotonic()):
                        connection.close()
                        self._pool.drain()  # the others go to the same server
                        raise psycopg.OperationalError(f"no answer within {_ANSWER:.0f} s")
                    server.consume_input()
                has_ended = server.get_result() is None

    def _failure_since(self, moment: float) -> RagdietError | None:
        """Why no connection could be opened since then, if that is what one waits for."""
        if self._failure and self._failure[0] >= moment:
            return self._failure[1]
        if self._opening:
            hosts = ", ".join(dict.fromkeys(address(host) for host in each_host(self._parameters)))
            return StoreNotReady(f"{hosts}: nothing has answered yet: call again, or allow more time")
        return None

    def _opened(self, connect: Callable[..., C], **arguments: Any) -> C:
        """A new connection, by psycopg's ``connect``; a failure is noted for those who wait for the pool."""
        opening = object()
        self._opening.add(opening)
        try:
            connection = self._first_that_answers(connect, arguments)
        except RagdietError as error:
            self._failure = time.monotonic(), error
            raise
        finally:
            self._opening.discard(opening)
        self._failure = None
        return connection

    def _first_that_answers(self, connect: Callable[..., C], arguments: dict[str, Any]) -> C:
        failures: list[StoreError] = []
        for host in each_host(self._parameters):
            try:
                return self._at(host, connect, arguments)
            except StoreAccessDenied:  # as it would be at every host
                raise
            except StoreError as failure:
                failures.append(failure)
        raise _together(failures) from failures[-1]

    def _at(self, host: Parameters, connect: Callable[..., C], arguments: dict[str, Any]) -> C:
        proof = self._credentials.of(host)
        try:
            return self._proven(host, proof, connect, arguments)
        except StoreAccessDenied:
            newer = self._credentials.instead_of(proof, host)
            if newer is None:
                raise
            return self._proven(host, newer, connect, arguments)

    def _proven(self, host: Parameters, proof: Parameters, connect: Callable[..., C], arguments: dict[str, Any]) -> C:
        try:
            return connect("", **{**host, **proof}, **self._prepare, **arguments)
        except psycopg.Error as error:
            raise refusal(error, address(host), credentials_advice=self._credentials.advice) from error


def _connection_class(opened: Callable[..., psycopg.Connection]) -> type[psycopg.Connection[TupleRow]]:
    """What the pool takes for psycopg's Connection."""

    class Opened(psycopg.Connection[TupleRow]):
        @classmethod
        def connect(cls, conninfo: str = "", **arguments: Any) -> Any:
            return opened(super().connect, **arguments)

    return Opened


def _together(failures: list[StoreError]) -> StoreError:
    """One error for all hosts: of the kind that is most worth another try."""
    kind = next(
        kind for kind in (StoreNotReady, StoreUnavailable, StoreError) if any(isinstance(f, kind) for f in failures)
    )
    worst = next(failure for failure in failures if isinstance(failure, kind))
    return type(worst)("; ".join(dict.fromkeys(map(str, failures))))
