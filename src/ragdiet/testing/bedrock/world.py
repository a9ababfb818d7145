"""What the played account and region hold: keys, models, profiles, prices. Picklable where its functions are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from ragdiet.testing.bedrock.bill import Charge, Rates
from ragdiet.testing.bedrock.guard.guardrail import Guardrail
from ragdiet.testing.bedrock.limits import Limit
from ragdiet.testing.bedrock.models.catalogue import GEOGRAPHIES
from ragdiet.testing.bedrock.models.model import ChatModel, Model
from ragdiet.testing.bedrock.refusal import Refused, invalid
from ragdiet.testing.bedrock.sigv4 import Keys

ACCOUNT = "123456789012"

_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:([a-z0-9-]*):(\d{12}|):([a-z-]+)/(.+)")
_ROUTERS = ("prompt-router", "default-prompt-router")


def is_profile(name: str) -> bool:
    """Whether a model id is that of a system inference profile."""
    return name.partition(".")[0] in GEOGRAPHIES


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """``profiles`` are application inference profiles: their id, and the model or system profile they copy.

    ``routers`` are prompt routers: their name, and the model that they choose. ``denied`` are models that are there
    but to which the account has no access.
    """

    region: str
    keys: Keys
    models: Mapping[str, Model]
    account: str = ACCOUNT
    profiles: Mapping[str, str] = field(default_factory=dict)
    routers: Mapping[str, str] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()
    guardrails: Mapping[str, Guardrail] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    rates: Mapping[str, Rates] = field(default_factory=dict)
    policy_rates: Mapping[str, Decimal] = field(default_factory=dict)
    keep_requests: bool = True

    def model(self, identifier: str) -> tuple[str, Model]:
        """The exact id and the model behind an id or an ARN. Refused as Bedrock refuses."""
        name = self.model_id(identifier)
        if name in self.denied:
            raise Refused("AccessDeniedException", "You don't have access to the model with the specified model ID.")
        found = self.models.get(name)
        if found is None:
            raise invalid("The provided model identifier is invalid.")
        if isinstance(found, ChatModel) and not found.on_demand:
            raise invalid(
                f"Invocation of model ID {identifier} with on-demand throughput isn’t supported. Retry your request "
                "with the ID or ARN of an inference profile that contains this model."
            )
        return name, found

    def model_id(self, identifier: str) -> str:
        """The model id that an id or an ARN names, whether or not there is such a model."""
        arn = _ARN.fullmatch(identifier)
        if not arn:
            return identifier
        region, account, kind, name = arn.groups()
        if account and account != self.account:
            raise Refused(
                "AccessDeniedException",
                f"User: arn:aws:iam::{self.account}:user/stand-in is not authorized to perform: bedrock:InvokeModel "
                f"on resource: {identifier} because no resource-based policy allows the bedrock:InvokeModel action",
            )
        if region != self.region:
            raise invalid("The provided model identifier is invalid.")
        if kind == "application-inference-profile":
            if name not in self.profiles:
                raise Refused("ResourceNotFoundException", f"Could not find the inference profile {identifier}.")
            return self.profiles[name]
        return self.routers.get(name, name) if kind in _ROUTERS else name

    def is_router(self, identifier: str) -> bool:
        """Whether an identifier names a prompt router."""
        arn = _ARN.fullmatch(identifier)
        return bool(arn and arn[3] in _ROUTERS and arn[4] in self.routers)

    def arn(self, name: str) -> str:
        """The ARN of a model, or of a system inference profile."""
        if is_profile(name):
            return f"arn:aws:bedrock:{self.region}:{self.account}:inference-profile/{name}"
        return f"arn:aws:bedrock:{self.region}::foundation-model/{name}"

    def cost(self, charge: Charge) -> Decimal | None:
        """USD by the rates handed in; None where they do not cover the charge."""
        try:
            return charge.cost(self.rates.get(charge.served, Rates()), self.policy_rates)
        except LookupError:
            return None
