"""GetInferenceProfile: what a system profile or an application profile stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragdiet.testing.bedrock.refusal import Refused
from ragdiet.testing.bedrock.world import World, is_profile

_REGIONS: Mapping[str, tuple[str, ...]] = {
    "us": ("us-east-1", "us-east-2", "us-west-2"),
    "eu": ("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-3"),
    "us-gov": ("us-gov-east-1", "us-gov-west-1"),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "au": ("ap-southeast-2", "ap-southeast-4"),
    "apac": ("ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
}
_MADE = "2026-01-02T03:04:05Z"


def profile(identifier: str, world: World) -> dict[str, Any]:
    """The reply of GetInferenceProfile. Refused where there is no such profile, or it is another account's."""
    target = world.model_id(identifier)
    name = identifier.rpartition("/")[2]
    application = name in world.profiles
    if application:
        target = world.profiles[name]
    geography, _, base = target.partition(".")
    is_system = is_profile(target)
    if target not in world.models or not (application or is_system):
        raise Refused("ResourceNotFoundException", f"Could not find the inference profile {identifier}.")
    regions = _REGIONS.get(geography, (world.region,)) if is_system else (world.region,)
    models = [
        {"modelArn": f"arn:aws:bedrock:{region}::foundation-model/{base if is_system else target}"}
        for region in regions
    ]
    kind = "application-inference-profile" if application else "inference-profile"
    return {
        "inferenceProfileName": _name(name),
        "inferenceProfileArn": f"arn:aws:bedrock:{world.region}:{world.account}:{kind}/{name}",
        "inferenceProfileId": name,
        "models": models,
        "status": "ACTIVE",
        "type": "APPLICATION" if application else "SYSTEM_DEFINED",
        "createdAt": _MADE,
        "updatedAt": _MADE,
    }


def _name(identifier: str) -> str:
    """As the model's pattern has it: letters and digits, one sign between them."""
    return "-".join("".join(sign if sign.isalnum() else " " for sign in identifier).split())[:64].rstrip("-")
