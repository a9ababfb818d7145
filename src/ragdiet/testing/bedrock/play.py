"""What each operation does once its request is found good: the models, guardrails and profiles at work."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ragdiet.testing.bedrock import converse
from ragdiet.testing.bedrock.bill import Charge
from ragdiet.testing.bedrock.caching import PromptCache
from ragdiet.testing.bedrock.guard import apply, checks
from ragdiet.testing.bedrock.limits import Limits
from ragdiet.testing.bedrock.models.model import ChatModel, RerankModel
from ragdiet.testing.bedrock.profiles import profile
from ragdiet.testing.bedrock.refusal import invalid
from ragdiet.testing.bedrock.rerank import rerank
from ragdiet.testing.bedrock.world import World, is_profile

TOKENS_HEADER = "x-amzn-bedrock-input-token-count"

_UNSUPPORTED = "This action doesn't support the model that you provided. Try again with a supported model."


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A reply by the output shape's names, and what it is billed with.

    ``headers`` are those that no shape has. ``first`` and ``each`` are seconds: to the first token, and for each.
    """

    reply: dict[str, Any]
    charge: Charge = field(default_factory=Charge)
    billed: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    first: float = 0.0
    each: float = 0.0

    @property
    def seconds(self) -> float:
        """Until the last token is there."""
        return self.first + self.each * self.charge.output_tokens


class Player:
    """The account's models and guardrails, with what they remember. Safe for any number of threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cache = PromptCache()
        self._limits = Limits(world.limits)
        self._plays: Mapping[str, Callable[[Mapping[str, Any]], Outcome]] = {
            "Converse": self._converse,
            "ConverseStream": self._converse,
            "InvokeModel": self._invoke,
            "CountTokens": self._count,
            "Rerank": self._rerank,
            "ApplyGuardrail": self._apply_guardrail,
            "InvokeGuardrailChecks": self._check,
            "GetInferenceProfile": lambda given: Outcome(
                reply=profile(given["inferenceProfileIdentifier"], self._world), billed=False
            ),
        }

    def play(self, operation: str, given: Mapping[str, Any]) -> Outcome:
        """The outcome of a request that its shape allows. Raises Refused."""
        return self._plays[operation](given)

    def reset(self) -> None:
        """Forget what is cached; all quotas are full."""
        self._cache.clear()
        self._limits.refill()

    def _converse(self, given: Mapping[str, Any]) -> Outcome:
        name, model = self._world.model(given["modelId"])
        if not isinstance(model, ChatModel):
            raise invalid(_UNSUPPORTED)
        asked = converse.conversation(given, model)
        watch = self._watch(given.get("guardrailConfig") or {})
        reserved = asked.input_tokens + asked.most
        self._limits.take(name, reserved)
        reply, charge = converse.converse(name, model, asked, self._cache, watch)
        self._limits.give_back(name, reserved - charge.input_tokens - charge.output_tokens)
        if self._world.is_router(given["modelId"]):
            router = {"promptRouter": {"invokedModelId": self._world.arn(name)}}
            reply = reply | {"trace": reply.get("trace", {}) | router}
        return Outcome(
            reply=reply,
            charge=replace(charge, served=name),
            first=model.first_token,
            each=model.per_token,
        )

    def _watch(self, config: Mapping[str, Any]) -> apply.Watch | None:
        if not config.get("guardrailIdentifier"):
            return None
        name, found = apply.find(
            self._world.guardrails,
            config["guardrailIdentifier"],
            config.get("guardrailVersion", ""),
            self._world.account,
        )
        return apply.Watch(name=name, guardrail=found, traced=config.get("trace", "disabled") != "disabled")

    def _invoke(self, given: Mapping[str, Any]) -> Outcome:
        name, model = self._world.model(given["modelId"])
        if isinstance(model, (ChatModel, RerankModel)):
            raise invalid("Malformed input request: the stand-in plays this model in other operations only.")
        try:
            body = json.loads(given.get("body", b""))
        except (ValueError, RecursionError) as error:
            raise invalid("Malformed input request, please reformat your input and try again.") from error
        if not isinstance(body, dict):
            raise invalid("Malformed input request: #: expected type: JSONObject, please reformat your input.")
        reply, tokens = model.invoke(body)
        self._limits.take(name, tokens)
        tier = {"serviceTier": given["serviceTier"]} if "serviceTier" in given else {}
        return Outcome(
            reply={"body": reply, "contentType": "application/json"} | tier,
            charge=Charge(input_tokens=tokens, served=name, tier=tier.get("serviceTier", "default")),
            headers={TOKENS_HEADER: str(tokens)},
        )

    def _count(self, given: Mapping[str, Any]) -> Outcome:
        name, model = self._world.model(given["modelId"])
        if not isinstance(model, ChatModel) or not model.counted or name != given["modelId"] or is_profile(name):
            raise invalid("The provided model doesn't support counting tokens.")
        asked = given["input"].get("converse")
        if asked is None:
            raise invalid("The stand-in counts the tokens of converse only, not of invokeModel.")
        found = converse.conversation({"messages": (), **asked}, replace(model, context=10**9))
        return Outcome(reply={"inputTokens": found.input_tokens}, billed=False)

    def _rerank(self, given: Mapping[str, Any]) -> Outcome:
        config = given["rerankingConfiguration"]["bedrockRerankingConfiguration"]["modelConfiguration"]
        identifier = config["modelArn"]
        if not identifier.startswith("arn:"):
            raise invalid("The provided model ARN is invalid.")
        name, model = self._world.model(identifier)
        if not isinstance(model, RerankModel):
            raise invalid(_UNSUPPORTED)
        self._limits.take(name, 0)
        reply, queries = rerank(given, model)
        return Outcome(reply=reply, charge=Charge(units=queries, served=name))

    def _apply_guardrail(self, given: Mapping[str, Any]) -> Outcome:
        name, found = apply.find(
            self._world.guardrails, given["guardrailIdentifier"], given["guardrailVersion"], self._world.account
        )
        reply, units = apply.apply(given, found)
        return Outcome(reply=reply, charge=Charge(policies=units, served=name))

    def _check(self, given: Mapping[str, Any]) -> Outcome:
        reply, units = checks.check(given)
        return Outcome(reply=reply, charge=Charge(policies=units, served="InvokeGuardrailChecks"))
