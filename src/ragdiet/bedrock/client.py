"""One boto3 client a service, made at the first call, for any number of threads."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from ragdiet.bedrock.breaker import Breaker, BreakerPolicy
from ragdiet.bedrock.error_body import told_by_status
from ragdiet.bedrock.errors import mapped_errors
from ragdiet.bedrock.limiter import Limiter, Quota, Turn
from ragdiet.bedrock.profile import read_profile
from ragdiet.bedrock.retry import RetryPolicy
from ragdiet.bedrock.stream import ConverseEvents
from ragdiet.bedrock.timeouts import bounded
from ragdiet.errors import BadReply, InvalidArgument, ModelTimeout, Throttled
from ragdiet.observe import seconds_left

if TYPE_CHECKING:
    import boto3

T = TypeVar("T")

_INPUT_TOKENS = "x-amzn-bedrock-input-token-count"
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}")


class BedrockClient:
    """Bedrock in one region. Each method that asks is one HTTP request; ``run`` makes as many as it takes.

    ``endpoint_url`` overrides the region's (boto3 itself reads AWS_ENDPOINT_URL_BEDROCK_RUNTIME too).
    Timeouts are in seconds, and end with the deadline of the ask that a request is for. ``max_connections`` should be
    the number of threads that call at once: boto3 drops and reopens connections beyond it. ``quotas`` are the
    account's, by model id: calls wait for their turn, and what is not named here is learnt from throttles.
    ``breaker`` is for each model of its own. ``session`` brings credentials of its own.
    """

    def __init__(
        self,
        region: str,
        *,
        endpoint_url: str | None = None,
        connect_timeout: float = 5.0,
        read_timeout: float = 60.0,
        max_connections: int = 32,
        retry: RetryPolicy | None = None,
        quotas: Mapping[str, Quota] | None = None,
        breaker: BreakerPolicy | None = None,
        session: boto3.Session | None = None,
    ) -> None:
        if not _REGION.fullmatch(region):
            raise InvalidArgument(f"{region!r} is not the name of an AWS region. Give one such as 'us-east-1'")
        if endpoint_url is not None and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", endpoint_url):
            raise InvalidArgument(f"endpoint_url {endpoint_url!r} must be of the form https://host[:port]")
        if connect_timeout <= 0 or read_timeout <= 0 or max_connections < 1:
            raise InvalidArgument("timeouts must be above 0 s, and max_connections at least 1")
        self.region = region
        self.retry = retry or RetryPolicy()
        self._endpoint_url = endpoint_url
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._max_connections = max_connections
        self._quotas = dict(quotas or {})
        self._policy = breaker or BreakerPolicy()
        self._session = session
        self._clients: dict[str, Any] = {}
        self._profiles: dict[str, Mapping[str, Any]] = {}
        self._background: list[threading.Thread] = []
        self._governing: dict[str, tuple[Limiter, Breaker]] = {}
        self._lock = threading.Lock()

    def service(self, name: str) -> Any:  # Any: the per-service stubs are not a dependency
        """The boto3 client of a service, such as ``bedrock-runtime``."""
        client = self._clients.get(name)
        if client is not None:
            return client
        with self._lock:  # a boto3 session is not safe to share while it makes a client
            if name not in self._clients:
                with mapped_errors(model=name, region=self.region):
                    self._clients[name] = self._connect(name)
            return self._clients[name]

    def call(self, service: str, operation: str, request: Mapping[str, Any], *, model: str) -> Mapping[str, Any]:
        """Any operation, by boto3's names: ``call("bedrock-agent-runtime", "rerank", {...}, model="cohere...")``.

        ``model`` is named in the errors. Every error of the service and of the libraries comes as a ModelError.
        """
        method = getattr(self.service(service), operation)
        with _readable(model), mapped_errors(model=model, region=self.region):
            reply: Mapping[str, Any] = method(**request)
        return reply

    def run(
        self, model: str, attempt: Callable[[], T], *, tokens: int = 0, used: Callable[[T], int] | None = None
    ) -> T:
        """``attempt`` as often as it takes, by ``retry``: one call of it is one HTTP request with its own ledger row.

        ``tokens`` is what the request can use of the model's quota at most: its input and its longest reply; ``used``
        reads from the result what it did use.
        """
        ends = self.retry.ends()

        def admitted() -> T:
            with self.admission(model, tokens=tokens, ends=ends) as turn:
                made = attempt()
                if used is not None:
                    turn.used = used(made)
                return made

        return self.retry.run(admitted)

    @contextmanager
    def admission(self, model: str, *, tokens: int = 0, ends: float | None = None) -> Iterator[Turn]:
        """Room for one request to ``model``: waits for its turn until ``ends`` (of ``time.monotonic``), and tells the
        model's limiter and circuit breaker how the block went; set ``used`` of the turn to the tokens of its usage.
        Raises, before anything is sent, CircuitOpen where the model's service fails, Throttled where the quota leaves
        no turn in time, and ModelTimeout where an ask's time is over."""
        limiter, breaker = self.limiter(model), self.breaker(model)
        if seconds_left() == 0:
            raise ModelTimeout(
                f"{model} was not asked: the time of the ask is over. Give it a longer deadline.",
                code="OutOfTime",
                may_be_billed=False,
            )
        period = breaker.admit()
        turn = None
        try:
            turn = limiter.acquire(tokens, ends=self.retry.ends() if ends is None else ends)
            yield turn
        except BaseException as error:
            if isinstance(error, Throttled) and error.retryable and turn is not None:
                limiter.throttled(turn, retry_after=error.retry_after)
            # A reply that the ask's own deadline did not wait for says nothing of the service.
            breaker.failed(period, error if seconds_left() != 0 else TimeoutError())
            raise
        limiter.done(turn, tokens=turn.used)
        breaker.succeeded(period)

    def inference_profile(self, arn: str) -> Mapping[str, Any]:
        """GetInferenceProfile's reply for an application inference profile, asked for once."""
        if arn not in self._profiles:
            self._profiles[arn] = read_profile(arn, self)
        return self._profiles[arn]

    def limiter(self, model: str) -> Limiter:
        """The limiter that all calls of this client to ``model`` share."""
        return self._governors(model)[0]

    def breaker(self, model: str) -> Breaker:
        """The circuit breaker that all calls of this client to ``model`` share."""
        return self._governors(model)[1]

    def invoke(self, model: str, body: Mapping[str, Any]) -> tuple[Mapping[str, Any], int | None]:
        """InvokeModel: a model's own JSON request and reply, and the input tokens that a header counts, if it does."""
        runtime = self.service("bedrock-runtime")
        with _readable(model), mapped_errors(model=model, region=self.region):
            response = runtime.invoke_model(
                modelId=model, body=json.dumps(body), contentType="application/json", accept="application/json"
            )
            content = response["body"].read()
        try:
            reply = json.loads(content)
        except ValueError as error:
            raise BadReply(f"{model} sent a reply that is not JSON: {content[:80]!r}", code="InvalidJson") from error
        if not isinstance(reply, dict):
            raise BadReply(f"{model} sent JSON that is not an object: {content[:80]!r}", code="InvalidJson")
        counted = response["ResponseMetadata"]["HTTPHeaders"].get(_INPUT_TOKENS, "")
        return reply, int(counted) if counted.isdecimal() else None

    def converse(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Converse: one request form for every chat model. ``request`` is boto3's, without modelId."""
        return self.call("bedrock-runtime", "converse", {"modelId": model, **request}, model=model)

    def converse_stream(self, model: str, request: Mapping[str, Any]) -> ConverseEvents:
        """ConverseStream: the events of a reply as they come. The connection is in use until they are read to their
        end, or closed."""
        response = self.call("bedrock-runtime", "converse_stream", {"modelId": model, **request}, model=model)
        return ConverseEvents(response, model=model, region=self.region, read_timeout=self._read_timeout)

    def in_background(self, work: Callable[[], None]) -> bool:
        """Have a thread of its own do ``work``, which ends soon and raises nothing; False, and nothing is done, where
        as many are at it as there are connections, or where no thread is to be had."""
        thread = threading.Thread(target=copy_context().run, args=(work,), name="ragdiet-background", daemon=True)
        with self._lock:
            self._background = [other for other in self._background if other.is_alive()]
            if len(self._background) >= self._max_connections:
                return False
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads
                return False
            self._background.append(thread)
        return True

    def close(self) -> None:
        """Wait for what is done in the background, some 30 seconds at most where streams were left, and close the
        connections. A later call opens new ones."""
        with self._lock:
            background, self._background = self._background, []
        for thread in background:
            thread.join()
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _governors(self, model: str) -> tuple[Limiter, Breaker]:
        found = self._governing.get(model)
        if found is None:
            with self._lock:
                made = Limiter(model, self._quotas.get(model)), Breaker(model, self._policy)
                found = self._governing.setdefault(model, made)
        return found

    def _connect(self, name: str) -> Any:
        import boto3
        from botocore.config import Config

        session = self._session or boto3.Session()
        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=self._connect_timeout,
            read_timeout=self._read_timeout,
            max_pool_connections=self._max_connections,
        )
        try:
            client = session.client(
                name,  # type: ignore[call-overload]  # a plain str: the stubs list each service's literal name
                region_name=self.region,
                endpoint_url=self._endpoint_url,
                config=config,
            )
        except ValueError as error:  # what boto3 says to an endpoint, which AWS_ENDPOINT_URL may hold too
            raise InvalidArgument(f"boto3 makes no client for {name}: {error}. Check the endpoint's URL") from error
        bounded(client, connect=self._connect_timeout, read=self._read_timeout)
        told_by_status(client)
        return client


@contextmanager
def _readable(model: str) -> Iterator[None]:
    """BadReply for what botocore's parser raises at the body of a good status that is no text or no JSON object."""
    try:
        yield
    except (AttributeError, TypeError, ValueError) as error:
        raise BadReply(f"{model} sent a reply that botocore cannot read: {error}", code="InvalidJson") from error
