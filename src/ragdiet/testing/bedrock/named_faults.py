"""The faults that Bedrock and the network between are known for, by name: for a matrix of faults by operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragdiet.testing.bedrock.faults import Fault

_PROXY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


def without_usage(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply of Converse whose bill is missing."""
    return {name: value for name, value in reply.items() if name != "usage"}


def negative_usage(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply of Converse with a count below zero."""
    return reply | {"usage": reply["usage"] | {"inputTokens": -1}}


def unknown_stop_reason(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply of Converse that ends for a reason not yet invented."""
    return reply | {"stopReason": "reason_of_tomorrow"}


def empty_completion(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply of Converse in which the model says nothing."""
    return reply | {"output": {"message": {"role": "assistant", "content": []}}}


def guardrail_intervened(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply of Converse that a guardrail has replaced."""
    said = {"role": "assistant", "content": [{"text": "Sorry, the model cannot answer this question."}]}
    return reply | {"stopReason": "guardrail_intervened", "output": {"message": said}}


_REFUSED = {
    "throttled": Fault(code="ThrottlingException", message="Too many requests, please wait before trying again."),
    "throttled with Retry-After": Fault(code="ThrottlingException", headers={"Retry-After": "1"}),
    "model not ready": Fault(code="ModelNotReadyException", message="The model is not ready for inference."),
    "model timeout": Fault(code="ModelTimeoutException", message="Model has timed out in processing the request."),
    "model error": Fault(code="ModelErrorException", message="The model returned an error."),
    "internal error": Fault(code="InternalServerException", message="The system encountered an unexpected error."),
    "unavailable": Fault(code="ServiceUnavailableException", message="Bedrock is unable to process your request."),
    "quota exceeded": Fault(code="ServiceQuotaExceededException", message="Your request exceeds the service quota."),
    "access denied": Fault(
        code="AccessDeniedException", message="You don't have access to the model with the specified model ID."
    ),
    "token expired": Fault(
        code="ExpiredTokenException", message="The security token included in the request is expired"
    ),
}
_ON_THE_WIRE = {
    "slow first byte": Fault(delay=1.0),
    "stall in the body": Fault(stall=1.0),
    "reset before the reply": Fault(reset=True),
    "reset in the body": Fault(reset=True, at=10),
    "cut before the body": Fault(cut=True, at=0),
    "cut in the body": Fault(cut=True),
    "cut before the last byte": Fault(cut=True, at=-1),
    "body ends early": Fault(end=True),
    "malformed JSON": Fault(malformed=True),
    "HTML from a proxy": Fault(status=502, body=_PROXY, headers={"content-type": "text/html"}, billed=False),
    "HTML with status 200": Fault(body=_PROXY, headers={"content-type": "text/html"}),
}
_IN_A_REPLY_OF_CONVERSE = {
    "missing usage": Fault(edit=without_usage),
    "negative usage": Fault(edit=negative_usage),
    "unknown stop reason": Fault(edit=unknown_stop_reason),
    "empty completion": Fault(edit=empty_completion),
    "guardrail intervened": Fault(edit=guardrail_intervened),
}
_IN_A_STREAM = {
    "stream cut between messages": Fault(cut=True, frame=2),
    "stream ends before messageStop": Fault(end=True, frame=-2),
    "stream ends before metadata": Fault(end=True, frame=-1),
    "stream ends before any message": Fault(end=True, frame=0),
    "wrong CRC": Fault(wrong_crc=True),
    "throttled in the stream": Fault(raises="ThrottlingException"),
    "model error in the stream": Fault(raises="ModelStreamErrorException"),
    "internal error in the stream": Fault(raises="InternalServerException"),
    "unavailable in the stream": Fault(raises="ServiceUnavailableException"),
}
FAULTS: Mapping[str, Fault] = {**_REFUSED, **_ON_THE_WIRE, **_IN_A_REPLY_OF_CONVERSE, **_IN_A_STREAM}
"""Every fault by name. Those of a reply of Converse, and of a stream, mean nothing to other operations."""


def faults_of(operation: str) -> dict[str, Fault]:
    """The faults that an operation can meet, by botocore's name of it.

    >>> len(faults_of("ConverseStream")) > len(faults_of("Converse")) > len(faults_of("Rerank"))
    True
    """
    found = {**_REFUSED, **_ON_THE_WIRE}
    if operation in ("Converse", "ConverseStream"):
        found |= _IN_A_REPLY_OF_CONVERSE
    if operation == "ConverseStream":
        found |= _IN_A_STREAM
    return found
