"""What can be found, and a finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

SecretKind: TypeAlias = Literal[
    "private_key",
    "aws_access_key",
    "aws_secret_key",
    "github_token",
    "slack_token",
    "google_api_key",
    "stripe_key",
    "api_token",
    "jwt",
    "url_password",
    "credential",
]
PersonalKind: TypeAlias = Literal["email", "credit_card", "iban", "us_ssn", "national_id", "phone", "ip_address"]
Kind: TypeAlias = SecretKind | PersonalKind

SECRETS: frozenset[Kind] = frozenset(get_args(SecretKind))
"""What gives access to something."""

PERSONAL: frozenset[Kind] = frozenset(get_args(PersonalKind))
"""What leads to a person."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Sensitive characters of a text: ``text[start:end]``."""

    start: int
    end: int
    kind: Kind
