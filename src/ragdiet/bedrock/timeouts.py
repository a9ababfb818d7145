"""Timeouts of a request that never reach beyond the end of the ask that it is for."""

from __future__ import annotations

from typing import Any

from ragdiet.observe import seconds_left

_LEAST = 0.001
"""Seconds: a timeout of 0 would mean none to the socket."""


def bounded(client: Any, *, connect: float, read: float) -> None:
    """Have each request of a boto3 client wait ``connect`` and ``read`` seconds at most, and no longer than the ask
    it is for has left.

    boto3 takes one timeout for all requests of a client. urllib3, which sends them, makes a new one for each from the
    pool's; so the pools get one that looks at the time left when it is copied, which is done by the calling thread.
    """
    from urllib3.util import Timeout

    class Bounded(Timeout):
        def clone(self) -> Timeout:
            left = seconds_left()
            if left is None:
                return Timeout(connect=connect, read=read)
            most = max(_LEAST, left)
            return Timeout(connect=min(connect, most), read=min(read, most))

    session = client._endpoint.http_session
    session._timeout = Bounded(connect=connect, read=read)  # for proxies, whose pools are made when they are met
    session._manager.connection_pool_kw["timeout"] = session._timeout
