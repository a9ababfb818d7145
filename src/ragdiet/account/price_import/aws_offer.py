"""An offer file of the AWS Price List: products by SKU, and the on-demand price of each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ragdiet.account.price_file import parse_json, read_text
from ragdiet.errors import InvalidArgument


class Unsure(Exception):
    """Why a price cannot be taken over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD for one ``unit``, whatever that is; ``description`` says more."""

    usd: Decimal
    unit: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product that is sold on demand somewhere."""

    path: str
    sku: str
    usage_type: str
    region: str
    attributes: Mapping[str, str]
    terms: Mapping[str, Any]

    def price(self) -> Price:
        """Its price now. Unsure where there are several or none in USD, InvalidArgument where it makes no sense."""
        try:
            newest = max(self.terms.values(), key=lambda term: str(term.get("effectiveDate", "")), default=None)
            dimensions = list(newest["priceDimensions"].values()) if newest else []
            said = [(one["pricePerUnit"], one.get("unit"), str(one.get("description", ""))) for one in dimensions]
        except (KeyError, TypeError, AttributeError) as error:
            raise _wrong_form(self.path, error) from error
        if len(said) != 1:
            raise Unsure("priced by volume" if said else "without a price")
        ((amounts, unit, description),) = said
        if not unit or not isinstance(unit, str):
            raise InvalidArgument(f"{self.path}: SKU {self.sku} ({self.usage_type}) has no unit")
        if "USD" not in amounts:
            raise Unsure("not in USD")
        return Price(usd=self._usd(amounts["USD"]), unit=unit, description=description)

    def _usd(self, text: object) -> Decimal:
        try:
            usd = Decimal(str(text))
        except InvalidOperation as error:
            raise InvalidArgument(f"{self.path}: SKU {self.sku} costs {text!r}, which is no number") from error
        if not usd.is_finite() or usd < 0:
            raise InvalidArgument(f"{self.path}: SKU {self.sku} costs {text!r}, not 0 or more")
        return usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """``family`` begins the source of every row of this offer, whatever the day it was published."""

    path: str
    code: str
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: str | os.PathLike[str], codes: tuple[str, ...]) -> Offer:
        content = parse_json(read_text(path), str(path))
        code = content.get("offerCode") if isinstance(content, dict) else None
        if code not in codes:
            raise InvalidArgument(f"{path} is no offer file of {', '.join(codes)}: its offerCode is {code!r}")
        return cls(path=str(path), code=code, content=content)

    @property
    def family(self) -> str:
        return f"AWS Price List {self.code}"

    @property
    def source(self) -> str:
        return f"{self.family} of {str(self.content.get('publicationDate', ''))[:10] or 'an unknown day'}"

    def products(self) -> Iterator[Product]:
        """What is sold on demand in a region. InvalidArgument where the file has another form."""
        try:
            on_demand = self.content["terms"]["OnDemand"]
            for sku, product in self.content["products"].items():
                attributes = product["attributes"]
                usage_type, region = attributes.get("usagetype", ""), attributes.get("regionCode", "")
                if not isinstance(usage_type, str) or not isinstance(region, str):
                    raise InvalidArgument(f"{self.path}: SKU {sku} has the usage type {usage_type!r} in {region!r}")
                if sku in on_demand and region:
                    yield Product(
                        path=self.path,
                        sku=sku,
                        usage_type=usage_type,
                        region=region,
                        attributes=attributes,
                        terms=on_demand[sku],
                    )
        except (KeyError, TypeError, AttributeError) as error:
            raise _wrong_form(self.path, error) from error


def _wrong_form(path: str, error: Exception) -> InvalidArgument:
    return InvalidArgument(f"{path} has not the form of an AWS offer file: {error!r}")
