"""Signature Version 4, checked: written from AWS's description, so that botocore's own signer is the test of it."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote

from ragdiet.testing.bedrock.refusal import Refused

SERVICE = "bedrock"  # what all three of Bedrock's services sign for
LONGEST_SKEW = timedelta(minutes=5)

_ALGORITHM = "AWS4-HMAC-SHA256"
_FIELD = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")
_STAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_TIME = "%Y%m%dT%H%M%SZ"
_MUST_BE_SIGNED = ("host", "x-amz-date")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The credentials that the service knows. ``session_token`` is demanded where it is set.

    Bedrock's API keys are not played: botocore sends a bearer token over HTTPS only.
    """

    access_key: str
    secret_key: str
    session_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What of a request is signed. ``headers`` have lower-case names; ``path`` and ``query`` are as they came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def check(request: Signed, keys: Keys, region: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """Refused as AWS refuses: no signature, an unknown key, a wrong scope, an old date, another signature."""
    given = request.headers.get("authorization", "")
    if not given:
        raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, _, rest = given.partition(" ")
    fields = dict(_FIELD.findall(rest))
    if algorithm != _ALGORITHM or len(fields) != 3:
        lacking = sorted({"Credential", "SignedHeaders", "Signature"} - set(fields))
        raise Refused("IncompleteSignature", f"Authorization header requires {', '.join(lacking) or _ALGORITHM}.")
    access_key, *scope = fields["Credential"].split("/")
    stamp = request.headers.get("x-amz-date", "")
    if len(scope) != 4 or not stamp:
        raise Refused("IncompleteSignature", "Authorization header requires a Credential of five parts and X-Amz-Date.")
    _check_token(access_key, request.headers.get("x-amz-security-token", ""), keys)
    _check_scope(scope, stamp, region)
    _check_time(stamp, now())
    names = fields["SignedHeaders"].split(";")
    if not set(_MUST_BE_SIGNED) <= set(names):
        raise Refused("InvalidSignatureException", f"{' and '.join(_MUST_BE_SIGNED)} must be signed headers.")
    expected = signature(request, names, "/".join(scope), stamp, keys.secret_key)
    if not hmac.compare_digest(expected.encode(), fields["Signature"].encode()):
        raise Refused(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )


def signature(request: Signed, names: list[str], scope: str, stamp: str, secret_key: str) -> str:
    """The signature in hex that ``request`` must bear."""
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names)
    canonical = "\n".join(
        # The path is encoded a second time, though it came encoded: so it is for all services but S3.
        (
            request.method,
            quote(_normalized(request.path), safe="/-_.~"),
            "&".join(sorted(request.query.split("&"))),
            headers,
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    return hmac.new(_signing_key(secret_key, scope), text.encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=64)
def _signing_key(secret_key: str, scope: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _normalized(path: str) -> str:
    """Without empty and dot segments, as the signer writes it.

    >>> _normalized("/a//b/./../c/"), _normalized("/"), _normalized("")
    ('/a/c/', '/', '/')
    """
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return f"/{'/'.join(kept)}{'/' if kept and path.endswith('/') else ''}"


def _check_token(access_key: str, token: str, keys: Keys) -> None:
    if access_key != keys.access_key or token != keys.session_token:
        raise Refused("UnrecognizedClientException", "The security token included in the request is invalid.")


def _check_scope(scope: list[str], stamp: str, region: str) -> None:
    day, given_region, service, end = scope
    wrong = ""
    if given_region != region:
        wrong = f"Credential should be scoped to a valid region, not '{given_region}'."
    elif service != SERVICE:
        wrong = f"Credential should be scoped to correct service: '{SERVICE}'."
    elif end != "aws4_request":
        wrong = "Credential should be scoped with a valid terminator: 'aws4_request'."
    elif day != stamp[:8]:
        wrong = f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: '{day}' != '{stamp}'."
    if wrong:
        raise Refused("InvalidSignatureException", wrong)


def _check_time(stamp: str, now: datetime) -> None:
    if not _STAMP.fullmatch(stamp):
        raise Refused("IncompleteSignature", f"X-Amz-Date must be of the form YYYYMMDDTHHMMSSZ, not {stamp[:40]!r}")
    try:
        at = datetime.fromisoformat(stamp)  # ten times as fast as strptime
    except ValueError as error:
        raise Refused("IncompleteSignature", f"X-Amz-Date is no time: {stamp!r}") from error
    if at < now - LONGEST_SKEW:
        raise Refused(
            "InvalidSignatureException",
            f"Signature expired: {stamp} is now earlier than {now - LONGEST_SKEW:{_TIME}} ({now:{_TIME}} - 5 min.)",
        )
    if at > now + LONGEST_SKEW:
        raise Refused(
            "InvalidSignatureException",
            f"Signature not yet current: {stamp} is still later than {now + LONGEST_SKEW:{_TIME}} "
            f"({now:{_TIME}} + 5 min.)",
        )
