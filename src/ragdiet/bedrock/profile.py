"""Model ARNs: the exact id behind one, which the price hangs on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragdiet.errors import AccessDenied, BadReply, InvalidArgument, ModelInputError, UnknownPrice

if TYPE_CHECKING:
    from ragdiet.account import PriceBook
    from ragdiet.bedrock.client import BedrockClient

_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]+):(?P<account>\d{12})?:(?P<kind>[a-z-]+)/(?P<name>\S+)")

# The geographies of system profiles, by the regions that theirs are all among (Bedrock's guide, "Supported regions
# and models for inference profiles"); the narrower ones first.
_GEOGRAPHIES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("us-gov", re.compile(r"us-gov-.*")),
    ("us", re.compile(r"us-(east|west)-\d")),
    ("eu", re.compile(r"eu-.*")),
    ("jp", re.compile(r"ap-northeast-[13]")),
    ("au", re.compile(r"ap-southeast-[24]")),
    ("apac", re.compile(r"ap-.*")),
    ("global", re.compile(r".*")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelArn:
    """An ARN of Bedrock in its parts. ``account`` is '' for a foundation model, which is nobody's."""

    region: str
    account: str
    kind: str
    name: str


def model_arn(text: str) -> ModelArn:
    """The parts of an ARN; InvalidArgument where it is none of a model.

    >>> model_arn("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0").name
    'amazon.nova-lite-v1:0'
    """
    found = _ARN.fullmatch(text)
    if not found:
        raise InvalidArgument(
            f"{text!r} is no ARN of a model: give arn:aws:bedrock:<region>:<account>:application-inference-profile/<id>"
        )
    return ModelArn(**{name: value or "" for name, value in found.groupdict().items()})


def priced_model(model: str, client: BedrockClient, prices: PriceBook) -> str:
    """The id whose price is that of ``model``: itself, or the model or system profile behind an ARN.

    A price row for the ARN itself comes first. An application profile is looked up, with one request, where the client
    has not done so before. Raises InvalidArgument for an ARN of another region, AccessDenied or ModelInputError where
    the profile cannot be read, UnknownPrice where there is no price for what is behind it.
    """
    if not model.startswith("arn:") or any(row.model == model for row in prices.rows):
        return model
    arn = model_arn(model)
    if arn.region != client.region:
        raise InvalidArgument(f"{model} is of the region {arn.region}, the client of {client.region}: name one")
    if arn.kind in ("foundation-model", "inference-profile"):
        return arn.name
    if arn.kind != "application-inference-profile":
        return model
    behind = tuple(_names(client.inference_profile(model)))
    for name in behind:
        try:
            prices.price(name, client.region)
        except UnknownPrice:
            continue
        return name
    raise UnknownPrice(
        f"{model} stands for {' or '.join(behind)}, which has no price. Give PriceBook.with_prices a PriceRow for that "
        "model, or one whose model is this ARN."
    )


def read_profile(arn: str, client: BedrockClient) -> Mapping[str, Any]:
    """GetInferenceProfile, with errors that tell what an ARN can be wrong in."""
    account = model_arn(arn).account
    request = {"inferenceProfileIdentifier": arn}
    try:
        reply = client.retry.run(lambda: client.call("bedrock", "get_inference_profile", request, model=arn))
    except (AccessDenied, ModelInputError) as error:
        raise type(error)(
            f"the inference profile cannot be read: {error} It is of the account {account}: use credentials of that "
            "account that allow bedrock:GetInferenceProfile, and copy the ARN from its console.",
            code=error.code,
        ) from error
    models = reply.get("models")
    if (
        not isinstance(models, list)
        or not models
        or not all(_ARN.fullmatch(each.get("modelArn", "")) for each in models)
    ):
        raise BadReply(f"{arn}: the profile that was sent names no models. Ask again.", code="InvalidProfile")
    return reply


def _names(profile: Mapping[str, Any]) -> Iterator[str]:
    """The ids that a profile may be priced as, the likeliest first: of one region the model's own, of several that of
    the system profile over them."""
    arns = [model_arn(each["modelArn"]) for each in profile["models"]]
    regions, models = {arn.region for arn in arns}, {arn.name for arn in arns}
    if len(models) > 1:
        raise UnknownPrice(
            f"{profile.get('inferenceProfileArn')} stands for several models, {', '.join(sorted(models))}: give "
            "PriceBook.with_prices a PriceRow whose model is this ARN"
        )
    (model,) = models
    if len(regions) == 1:
        yield model
        return
    for geography, pattern in _GEOGRAPHIES:
        if all(pattern.fullmatch(region) for region in regions):
            yield f"{geography}.{model}"
