"""What Bedrock, botocore and urllib3 raise, as ragdiet's ModelErrors.

Two tables: AWS's error codes, and the classes of the libraries by their qualified names, so that
botocore is not imported to name them. What is retryable is our own judgement: botocore's standard mode
retries neither a model's time-out (408) nor its failure (424), and both often pass at the next try.
A used-up service quota (``ServiceQuotaExceededException``) is throttling that no wait of seconds cures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ragdiet.errors import (
    AccessDenied,
    BadReply,
    ModelError,
    ModelInputError,
    ModelTimeout,
    ModelUnavailable,
    Throttled,
)


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: type[ModelError]
    retryable: bool
    advice: str
    may_be_billed: bool | None = None


_CREDENTIALS = "Give credentials by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role, and renew them."
_REQUEST = "The request is at fault: change it, another try would fail too."
_WAIT = "Ask less often, or have the account's quota for this model raised."
_LATER = "Try again, or name another model to fall back to."
_QUOTA = "Have the quota raised in Service Quotas, or name another model to fall back to."
_NETWORK = "Check the region's name, the network, the proxy and any VPC endpoint."
_BROKEN = "The reply was cut off on its way and may be billed. Check the network and any proxy."
_SETUP = "Check the AWS configuration: region, endpoint, profile and proxy."

_INPUT = _Fault(ModelInputError, False, _REQUEST)
_DENIED = _Fault(AccessDenied, False, _CREDENTIALS)
_NO_ACCESS = _Fault(AccessDenied, False, "Allow the action in IAM, and request access to the model in this region.")
_THROTTLED = _Fault(Throttled, True, _WAIT)
_TIMEOUT = _Fault(ModelTimeout, True, "The try may be billed. Ask for a shorter reply or raise the read timeout.")
_UNAVAILABLE = _Fault(ModelUnavailable, True, _LATER)
_CUT_OFF = _Fault(BadReply, True, _BROKEN)

_BY_CODE: Mapping[str, _Fault] = {
    "AccessDeniedException": _NO_ACCESS,
    "BadGatewayException": _UNAVAILABLE,
    "ConflictException": _INPUT,
    "DependencyFailedException": _UNAVAILABLE,
    "InternalServerException": _UNAVAILABLE,
    "ModelErrorException": _UNAVAILABLE,
    "ModelNotReadyException": _UNAVAILABLE,
    "ModelStreamErrorException": _Fault(ModelUnavailable, True, _LATER, may_be_billed=True),
    "ModelTimeoutException": _TIMEOUT,
    "ResourceNotFoundException": _Fault(
        ModelInputError, False, "Check the model id, and that this region has the model."
    ),
    "ResourceInUseException": _INPUT,
    "ServiceQuotaExceededException": _Fault(Throttled, False, _QUOTA),
    "ServiceUnavailableException": _UNAVAILABLE,
    "ThrottlingException": _THROTTLED,
    "TooManyTagsException": _INPUT,
    "ValidationException": _INPUT,
    # Not modelled, but sent by the front of every AWS service.
    "ExpiredTokenException": _DENIED,
    "IncompleteSignatureException": _DENIED,
    "InvalidClientTokenId": _DENIED,
    "InvalidSignatureException": _Fault(AccessDenied, False, "Check the secret key, the clock and the region's name."),
    "MissingAuthenticationTokenException": _DENIED,
    "TooManyRequestsException": _THROTTLED,
    "UnrecognizedClientException": _DENIED,
}

_BY_STATUS: Mapping[int, _Fault] = {
    400: _INPUT,
    401: _DENIED,
    403: _NO_ACCESS,
    404: _INPUT,
    408: _TIMEOUT,
    413: _INPUT,
    422: _INPUT,
    424: _UNAVAILABLE,
    429: _THROTTLED,
    504: _TIMEOUT,
}

_BY_CLASS: Mapping[str, _Fault] = {
    "botocore.exceptions.NoCredentialsError": _DENIED,
    "botocore.exceptions.PartialCredentialsError": _DENIED,
    "botocore.exceptions.CredentialRetrievalError": _DENIED,
    "botocore.exceptions.MetadataRetrievalError": _DENIED,
    "botocore.exceptions.NoAuthTokenError": _DENIED,
    "botocore.exceptions.TokenRetrievalError": _DENIED,
    "botocore.exceptions.SSOError": _DENIED,
    "botocore.exceptions.LoginError": _DENIED,
    "botocore.exceptions.ProfileNotFound": _DENIED,
    "botocore.exceptions.ParamValidationError": _INPUT,
    "botocore.exceptions.ValidationError": _INPUT,
    "botocore.exceptions.SSLError": _Fault(
        ModelUnavailable, False, "Check the certificates: AWS_CA_BUNDLE where a proxy opens TLS."
    ),
    "botocore.exceptions.ConnectionError": _Fault(ModelUnavailable, True, _NETWORK),
    "botocore.exceptions.ReadTimeoutError": _TIMEOUT,
    "botocore.exceptions.ResponseStreamingError": _CUT_OFF,
    "botocore.exceptions.IncompleteReadError": _CUT_OFF,
    "botocore.exceptions.HTTPClientError": _Fault(ModelUnavailable, True, _BROKEN, may_be_billed=True),
    "botocore.exceptions.BotoCoreError": _Fault(ModelUnavailable, False, _SETUP),
    "botocore.parsers.ResponseParserError": _Fault(BadReply, False, _LATER),
    "botocore.eventstream.ParserError": _CUT_OFF,
    "urllib3.exceptions.ReadTimeoutError": _TIMEOUT,
    "urllib3.exceptions.HTTPError": _CUT_OFF,
}


def model_error(error: BaseException, *, model: str, region: str) -> ModelError | None:
    """``error`` as a ModelError, or None when it is not one of the libraries' own.

    ``.code`` is AWS's code, spelled as in its service model (events inside a stream begin with a small
    letter there), else the name of the class.
    """
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
    if "botocore.exceptions.ClientError" in names:
        in_stream = "botocore.exceptions.EventStreamError" in names
        return _service_error(error, model=model, region=region, in_stream=in_stream)
    fault = next((_BY_CLASS[name] for name in names if name in _BY_CLASS), None)
    if fault is None:
        return None
    code = type(error).__name__
    return fault.kind(
        f"{model} in {region}: {str(error).rstrip('.')}. {fault.advice}",
        code=code,
        retryable=fault.retryable,
        may_be_billed=fault.may_be_billed,
    )


@contextmanager
def mapped_errors(*, model: str, region: str) -> Iterator[None]:
    """Raise what the block raises as a ModelError; other errors pass as they are."""
    try:
        yield
    except Exception as error:
        known = model_error(error, model=model, region=region)
        if known is None:
            raise
        raise known from error


def _service_error(error: Any, *, model: str, region: str, in_stream: bool) -> ModelError:
    reply: Mapping[str, Any] = error.response
    code = str(reply.get("Error", {}).get("Code") or "Unknown")
    code = code[:1].upper() + code[1:]
    about = reply.get("ResponseMetadata", {})
    status = int(about.get("HTTPStatusCode") or 0)
    fault = _BY_CODE.get(code)
    if fault is None and in_stream:  # the status beside it is botocore's invention
        fault = _Fault(ModelUnavailable, False, _LATER, may_be_billed=True)
    fault = fault or _BY_STATUS.get(status) or _Fault(ModelUnavailable, status >= 500, _LATER)
    message = str(reply.get("Error", {}).get("Message") or "no message")
    return fault.kind(
        f"{model} in {region}: {code} (HTTP {status}): {message.rstrip('.')}. {fault.advice}",
        code=code,
        retryable=fault.retryable,
        retry_after=_seconds(about.get("HTTPHeaders", {}).get("retry-after")),
        may_be_billed=fault.may_be_billed,
    )


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header, seconds or an HTTP date (RFC 9110, 10.2.3), as seconds from now."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        when = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
