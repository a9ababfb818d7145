"""An error that the service answers with instead of a reply."""

from __future__ import annotations

from collections.abc import Mapping

# The HTTP status that goes with each code, as botocore's service models and AWS's list of common errors have them.
STATUS: Mapping[str, int] = {
    "AccessDeniedException": 403,
    "ConflictException": 409,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 400,
    "InternalServerException": 500,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelStreamErrorException": 424,
    "ModelTimeoutException": 408,
    "RequestEntityTooLargeException": 413,
    "ResourceNotFoundException": 404,
    "SerializationException": 400,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}


class Refused(Exception):
    """``code`` is AWS's own; the HTTP status follows from it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = STATUS[code]


def invalid(message: str) -> Refused:
    """What most wrong requests are answered with."""
    return Refused("ValidationException", message)
