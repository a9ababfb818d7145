"""What a server of the OpenAI protocol answers, and what urllib3 raises, as ragdiet's ModelErrors.

The classes are those of Bedrock's errors, so that the chain treats a model of one's own like any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

_REQUEST = "The request is at fault: change it, another try would fail too."
_LATER = "Try again, or name another model to fall back to."
_NETWORK = "Check the server's address, the network and any proxy."
_QUOTA = "insufficient_quota"  # OpenAI's own code for an account without money, which no wait cures


def http_error(status: int, body: bytes, headers: Mapping[str, str], *, model: str) -> ModelError:
    """A reply whose status is no 200, as an error. ``code`` is the server's own, else HTTP and the status."""
    message, code = _said(body)
    code = code or f"HTTP {status}"
    told = f"{model}: HTTP {status}: {message.rstrip('.')}."
    if status in (401, 403):
        return AccessDenied(f"{told} Check the API key.", code=code)
    if status == 404:
        return ModelInputError(f"{told} Check the server's address and the model's name.", code=code)
    if status == 429:
        is_money = code == _QUOTA
        advice = "Have the quota raised." if is_money else "Ask less often, or let the server have more room."
        return Throttled(
            f"{told} {advice}", code=code, retryable=not is_money, retry_after=_seconds(headers.get("retry-after"))
        )
    if status in (408, 504):
        return ModelTimeout(f"{told} The try may have been worked on. {_LATER}", code=code, retryable=True)
    if 400 <= status < 500:
        return ModelInputError(f"{told} {_REQUEST}", code=code)
    return ModelUnavailable(
        f"{told} {_LATER}", code=code, retryable=status >= 500, retry_after=_seconds(headers.get("retry-after"))
    )


@contextmanager
def mapped_http_errors(*, model: str) -> Iterator[None]:
    """Raise what urllib3 raises in the block as a ModelError; other errors pass as they are."""
    from urllib3 import exceptions

    try:
        yield
    except exceptions.SSLError as error:
        raise ModelUnavailable(f"{model}: {error}. Check the certificates.", code="SSLError") from error
    except (exceptions.NewConnectionError, exceptions.ConnectTimeoutError, exceptions.ProxyError) as error:
        raise ModelUnavailable(
            f"{model} cannot be reached: {error}. {_NETWORK}", code=type(error).__name__, retryable=True
        ) from error
    except exceptions.ReadTimeoutError as error:
        raise ModelTimeout(
            f"{model} did not reply in time. Ask for a shorter reply or raise the read timeout.",
            code="ReadTimeoutError",
            retryable=True,
        ) from error
    except exceptions.HTTPError as error:
        raise BadReply(
            f"{model}: the reply was cut off on its way: {error}. {_NETWORK}",
            code=type(error).__name__,
            retryable=True,
        ) from error


def event_error(event: Mapping[str, Any], *, model: str) -> ModelError | None:
    """The error that a stream's event holds, once the model has begun; None where it holds none."""
    found = event.get("error")
    if found is None and event.get("object") != "error":
        return None
    message, code = _said(json.dumps(event).encode())
    return ModelUnavailable(
        f"{model} failed while it wrote: {message.rstrip('.')}. {_LATER}",
        code=code or "StreamError",
        retryable=True,
        may_be_billed=True,
    )


def _said(body: bytes) -> tuple[str, str]:
    """The message and code of an error's JSON: in an object "error", or as older vLLM has it, at the top."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, Mapping):
        return body[:200].decode("utf-8", "replace") or "no message", ""
    found = content.get("error", content)
    if not isinstance(found, Mapping):
        return str(found)[:500], ""
    message = found.get("message") or found.get("detail") or "no message"
    code = found.get("code") or found.get("type") or ""
    return str(message)[:500], "" if isinstance(code, int) else str(code)


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After in seconds; a date, which such servers do not send, is left to the retries' own waits."""
    return float(retry_after) if retry_after and retry_after.strip().isdecimal() else None
