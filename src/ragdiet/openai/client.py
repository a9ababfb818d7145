"""HTTP to one server of the OpenAI protocol, such as vLLM: JSON in, JSON or server-sent events out.

urllib3 alone: botocore brings it, it keeps connections for any number of threads, and it repeats nothing by itself,
so that each try is one request and one row of the ledger. The vendor's own package retries unseen.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from ragdiet.bedrock import OUT_OF_TIME, Breaker, BreakerPolicy, RetryPolicy
from ragdiet.errors import BadReply, InvalidArgument, ModelTimeout
from ragdiet.observe import current, ends_at, seconds_left
from ragdiet.openai.errors import event_error, http_error, mapped_http_errors

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

T = TypeVar("T")

_DONE = "[DONE]"


class OpenAIClient:
    """A server at ``base_url``, which ends before ``/chat/completions``: ``http://vllm:8000/v1``.

    ``api_key`` is sent as a bearer token; a function is asked for it each time. ``headers`` are sent with every
    request. Timeouts are in seconds. ``retry`` says how often a call is tried, ``breaker`` when a model whose
    server fails is left alone for a while.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | Callable[[], str] | None = None,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float = 5.0,
        read_timeout: float = 120.0,
        max_connections: int = 32,
        retry: RetryPolicy | None = None,
        breaker: BreakerPolicy | None = None,
    ) -> None:
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", base_url):
            raise InvalidArgument(f"base_url {base_url!r} must be of the form http://host[:port]/v1")
        if connect_timeout <= 0 or read_timeout <= 0 or max_connections < 1:
            raise InvalidArgument("timeouts must be above 0 s, and max_connections at least 1")
        self.base_url = base_url.rstrip("/")
        self.read_timeout = read_timeout
        self.retry = retry or RetryPolicy()
        self._api_key = api_key
        self._headers = dict(headers or {})
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections
        self._breaker_policy = breaker
        self._breakers: dict[str, Breaker] = {}
        self._made: PoolManager | None = None
        self._lock = Lock()

    def run(self, model: str, attempt: Callable[[], T]) -> T:
        """``attempt`` as often as it takes: one call of it is one HTTP request with its own ledger row."""

        def admitted() -> T:
            with self.admission(model):
                return attempt()

        return self.retry.run(admitted)

    @contextmanager
    def admission(self, model: str) -> Iterator[None]:
        """Tells the model's circuit breaker how the block went, which holds one request until its reply is read.
        Raises CircuitOpen, before anything is sent, where the model's server fails."""
        with self._lock:
            breaker = self._breakers.setdefault(model, Breaker(model, self._breaker_policy))
        period = breaker.admit()
        try:
            yield
        except BaseException as error:
            # A reply that the ask's own deadline did not wait for says nothing of the server.
            breaker.failed(period, error if seconds_left() != 0 else TimeoutError())
            raise
        breaker.succeeded(period)

    def post(self, path: str, body: Mapping[str, Any], *, model: str) -> Mapping[str, Any]:
        """One request and its JSON object. Raises ModelError."""
        with mapped_http_errors(model=model):
            response = self._send(path, body, model, is_stream=False)
            content = response.data
        if response.status != 200:
            raise http_error(response.status, content, response.headers, model=model)
        return _object(content, model)

    def stream(self, path: str, body: Mapping[str, Any], *, model: str) -> Iterator[Mapping[str, Any]]:
        """The events of a streamed reply until ``[DONE]``; BadReply where it ends without. Closing it early closes the
        connection, which is how vLLM learns that it may stop. ModelTimeout where the ask's time is over before."""
        ends = ends_at()
        with mapped_http_errors(model=model):
            response = self._send(path, body, model, is_stream=True)
            try:
                if response.status != 200:
                    raise http_error(response.status, response.read(), response.headers, model=model)
                for data in _events(response):
                    if data == _DONE:
                        response.drain_conn()
                        return
                    event = _object(data.encode(), model)
                    if error := event_error(event, model=model):
                        raise error
                    yield event
                    if ends is not None:
                        _wait_until(ends, response, self.read_timeout, model)
                raise BadReply(
                    f"{model}: the stream ended before it was complete. Try again, or another model.",
                    code="StreamCut",
                    retryable=True,
                )
            finally:
                response.close()

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        with self._lock:
            pool, self._made = self._made, None
        if pool is not None:
            pool.clear()

    def _send(self, path: str, body: Mapping[str, Any], model: str, *, is_stream: bool) -> BaseHTTPResponse:
        from urllib3 import Timeout

        left = seconds_left()
        if left == 0:
            raise ModelTimeout(
                f"{model} was not asked: the time of the ask is over. Give it a longer deadline.",
                code=OUT_OF_TIME,
                may_be_billed=False,
            )
        read = self.read_timeout if left is None else min(left, self.read_timeout)
        headers = {"Content-Type": "application/json", "X-Request-Id": current().prompt_id, **self._headers}
        if self._api_key is not None:
            key = self._api_key if isinstance(self._api_key, str) else self._api_key()
            headers["Authorization"] = f"Bearer {key}"
        return self._pool().request(
            "POST",
            f"{self.base_url}{path}",
            body=json.dumps(body).encode(),
            headers=headers,
            timeout=Timeout(connect=self._connect_timeout, read=read),
            retries=False,
            redirect=False,
            preload_content=not is_stream,
        )

    def _pool(self) -> PoolManager:
        from urllib3 import PoolManager

        with self._lock:
            if self._made is None:
                self._made = PoolManager(maxsize=self._max_connections)
            return self._made


def _wait_until(ends: float, response: BaseHTTPResponse, seconds: float, model: str) -> None:
    """Have the next read wait ``seconds`` at most, and no longer than until ``ends``; ModelTimeout if that is over."""
    left = ends - time.monotonic()
    if left <= 0:
        raise ModelTimeout(
            f"{model} was still writing when the time of the ask was over. Give it a longer deadline, or ask for a "
            "shorter reply.",
            code=OUT_OF_TIME,
        )
    file = getattr(getattr(response, "_fp", None), "fp", None)  # None once all is read
    if file is not None:
        file.raw._sock.settimeout(min(seconds, left))


def _events(response: BaseHTTPResponse) -> Iterator[str]:
    """The data of each server-sent event (WHATWG HTML, 9.2): its "data:" lines, put together by line breaks."""
    held: list[str] = []
    for raw in response:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line.startswith("data:"):
            held.append(line[5:].removeprefix(" "))
        elif not line and held:
            yield "\n".join(held)
            held = []


def _object(content: bytes, model: str) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise BadReply(f"{model} sent what is not JSON: {content[:80]!r}", code="InvalidJson") from error
    if not isinstance(found, dict):
        raise BadReply(f"{model} sent JSON that is not an object: {content[:80]!r}", code="InvalidJson")
    return found
