"""The stand-in as a user meets it: a context manager that listens on a port of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from decimal import Decimal

from ragdiet.testing.bedrock.bill import Bill, Rates
from ragdiet.testing.bedrock.engine import Engine
from ragdiet.testing.bedrock.faults import Fault
from ragdiet.testing.bedrock.guard.guardrail import Guardrail
from ragdiet.testing.bedrock.limits import Limit
from ragdiet.testing.bedrock.models.catalogue import default_models
from ragdiet.testing.bedrock.models.model import ChatModel, Model
from ragdiet.testing.bedrock.process import Child
from ragdiet.testing.bedrock.served import Served
from ragdiet.testing.bedrock.service import Service
from ragdiet.testing.bedrock.sigv4 import Keys
from ragdiet.testing.bedrock.tokens import Tokenizer
from ragdiet.testing.bedrock.world import ACCOUNT, World

KEYS = Keys(access_key="AKIDEXAMPLE", secret_key="secret")  # noqa: S106  # of no account

_ENDPOINTS = ("BEDROCK_RUNTIME", "BEDROCK_AGENT_RUNTIME", "BEDROCK")


class BedrockServer:
    """Amazon Bedrock in one region, over HTTP on this machine: ``with BedrockServer() as server:``.

    What there is: ``chat`` are the chat models by exact id, or a mapping of ids to ChatModel; None is all that are
    known. ``models`` adds others; ``tokenizer`` is that of all models that are not handed in themselves. ``profiles``
    are application inference profiles and ``routers`` prompt routers, name to model; ``denied`` are models without
    access; ``guardrails`` are by id.

    What it asks and charges: ``keys`` are the credentials it knows, ``limits`` the quotas by exact model id, ``rates``
    the prices of its bill, ``policy_rates`` USD per 1,000 text units by the name that usage has for a policy.

    ``keep_requests=False`` does not keep the bodies of the requests, for long runs. ``process=True`` runs it in a
    process of its own, so that a client that is measured does not wait for it; what is handed in is pickled then.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        chat: Iterable[str] | Mapping[str, ChatModel] | None = None,
        models: Mapping[str, Model] | None = None,
        tokenizer: Tokenizer | None = None,
        keys: Keys = KEYS,
        account: str = ACCOUNT,
        rates: Mapping[str, Rates] | None = None,
        policy_rates: Mapping[str, Decimal] | None = None,
        limits: Mapping[str, Limit] | None = None,
        guardrails: Mapping[str, Guardrail] | None = None,
        profiles: Mapping[str, str] | None = None,
        routers: Mapping[str, str] | None = None,
        denied: Iterable[str] = (),
        keep_requests: bool = True,
        process: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._world = World(
            region=region,
            keys=keys,
            models=_models(chat, tokenizer or Tokenizer()) | dict(models or {}),
            account=account,
            rates=dict(rates or {}),
            policy_rates=dict(policy_rates or {}),
            limits=dict(limits or {}),
            guardrails=dict(guardrails or {}),
            profiles=dict(profiles or {}),
            routers=dict(routers or {}),
            denied=frozenset(denied),
            keep_requests=keep_requests,
        )
        self._engine: Engine | Child = (
            Child(self._world, host=host, port=port) if process else Engine(Service(self._world), host=host, port=port)
        )

    def __enter__(self) -> BedrockServer:
        self._engine.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            failures = () if kind else self.failures
        finally:
            self._engine.stop()
        if failures:
            raise RuntimeError("the stand-in itself failed, or a function that it was given") from failures[0]

    @property
    def region(self) -> str:
        """The one region that requests may be signed for."""
        return self._world.region

    @property
    def keys(self) -> Keys:
        """The credentials that it knows."""
        return self._world.keys

    @property
    def url(self) -> str:
        """The endpoint of all three services."""
        return self._engine.url

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead boto3 here, with credentials that are good here and nowhere else.

        They stand in the way of what a machine may have of its own, such as a session token or a proxy; only
        AWS_BEARER_TOKEN_BEDROCK must be unset, as botocore prefers it even where it is empty.
        """
        keys, host = self._world.keys, self.url.partition("://")[2].rpartition(":")[0]
        direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        return {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_SESSION_TOKEN": keys.session_token,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            "no_proxy": f"{direct},{host}" if direct else host,
            **{f"AWS_ENDPOINT_URL_{service}": self.url for service in _ENDPOINTS},
        }

    @property
    def calls(self) -> tuple[Served, ...]:
        """Every request, in the order in which they were answered or dropped."""
        return tuple(self._engine.ask("calls"))

    @property
    def bill(self) -> Bill:
        """What the service would charge for the requests so far."""
        bill: Bill = self._engine.ask("bill")
        return bill

    @property
    def most_at_once(self) -> int:
        """The most requests that were under way together."""
        return int(self._engine.ask("most_at_once"))

    @property
    def failures(self) -> tuple[Exception, ...]:
        """Errors of the stand-in or of functions it was given; closing it raises them."""
        return tuple(self._engine.ask("failures"))

    def script(self, *faults: Fault, operation: str = "", model: str = "") -> None:
        """The next requests meet these, one each; those after them are answered.

        ``operation`` (botocore's name, such as ``Converse``) and ``model`` limit it to their requests.
        """
        self._engine.ask("script", faults, operation=operation, model=model)

    def always(self, fault: Fault, *, operation: str = "", model: str = "") -> None:
        """From now on every such request meets this."""
        self._engine.ask("standing", (fault,), operation=operation, model=model)

    def at_random(self, rate: float, *faults: Fault, seed: int = 0, operation: str = "", model: str = "") -> None:
        """From now on such a request meets one of these with probability ``rate``, told by ``seed`` alone."""
        self._engine.ask("standing", faults, rate=rate, seed=seed, operation=operation, model=model)

    def reset(self) -> None:
        """Forget the requests, the prompt cache, and the faults still to come; fill the quotas."""
        self._engine.ask("reset")


def _models(chat: Iterable[str] | Mapping[str, ChatModel] | None, tokenizer: Tokenizer) -> dict[str, Model]:
    models = default_models(tokenizer)
    if chat is None:
        return models
    others = {name: model for name, model in models.items() if not isinstance(model, ChatModel)}
    if isinstance(chat, Mapping):
        return others | dict(chat)
    usual = ChatModel(tokenizer=tokenizer)
    return others | {name: models.get(name, usual) for name in chat}
