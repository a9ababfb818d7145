"""A ConverseStream reply: its events as they come, each checked, and the whole that they add up to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ragdiet.bedrock.errors import mapped_errors
from ragdiet.errors import BadReply, ModelError, ModelTimeout
from ragdiet.observe import ends_at

OUT_OF_TIME = "OutOfTime"
_GRACE = 0.2
"""Seconds after the deadline within which the next event may come: a connection whose read has timed out is lost, and
with it the price, while between two events reading can stop, and go on later."""
_LAST_WORDS = 1.0
"""Seconds that the end of the HTTP body is waited for, once all that it holds has come."""

# What botocore's model requires of an event. Of one whose JSON it cannot read it makes an event without members.
_REQUIRED: Mapping[str, str] = {
    "messageStart": "role",
    "contentBlockStart": "start",
    "contentBlockDelta": "delta",
    "contentBlockStop": "contentBlockIndex",
    "messageStop": "stopReason",
    "metadata": "usage",
}


class ConverseEvents:
    """Iterates over the events of one ConverseStream response, boto3's dicts of one key.

    Raises ModelErrors: what the service says inside the stream, what the libraries raise, an event that cannot be
    read, and an end before ``messageStop``, which neither reports. Once the model has begun, all of them may be billed.
    ``ends``, by ``time.monotonic``, is when reading stops, at the next event but 0.2 s later at most: with a
    ModelTimeout whose code is ``OutOfTime`` where it may be set anew and reading go on. It is that of the running ask
    at first.
    """

    def __init__(self, response: Mapping[str, Any], *, model: str, region: str, read_timeout: float) -> None:
        self.ends = ends_at()
        self._raw = response["stream"]
        self._events = iter(self._raw)
        self._model = model
        self._region = region
        self._read_timeout = read_timeout
        self._has_begun = False
        self._is_stopped = False
        self._is_whole = False

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return self

    def __next__(self) -> Mapping[str, Any]:
        if self._is_whole:
            self._finish()
            raise StopIteration
        self._wait_no_longer_than(self._read_timeout)
        try:
            with mapped_errors(model=self._model, region=self._region):
                event: Mapping[str, Any] = next(self._events)
        except StopIteration:
            if self._is_stopped:
                raise
            raise self._bad("StreamCut", "ended before it was complete", retryable=True) from None
        except ModelError as error:
            error.may_be_billed = error.may_be_billed or self._has_begun
            self.close()
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # botocore's parser
            self.close()
            raise self._bad("InvalidEvent", f"holds what botocore cannot read: {error}") from error
        self._has_begun = True
        self._check(event)
        self._is_stopped = self._is_stopped or "messageStop" in event
        self._is_whole = self._is_stopped and "metadata" in event
        return event

    def close(self) -> None:
        """Close the connection, whatever is still to come."""
        self._raw.close()

    def _check(self, event: Mapping[str, Any]) -> None:
        for kind, member in _REQUIRED.items():
            if kind in event and member not in event[kind]:
                self.close()
                raise self._bad("InvalidEvent", f"holds a {kind} without its {member}")
        text = (event.get("contentBlockDelta") or {}).get("delta", {}).get("text", "")
        if not isinstance(text, str):
            self.close()
            raise self._bad("InvalidEvent", f"holds {text!r} for text")

    def _wait_no_longer_than(self, seconds: float) -> None:
        if self.ends is None:
            return
        left = self.ends - time.monotonic()
        if left <= 0:
            raise ModelTimeout(
                f"{self._model} was still writing when the time of the ask was over. Give it a longer deadline, or ask "
                "for a shorter reply.",
                code=OUT_OF_TIME,
            )
        self._set_timeout(min(seconds, left + _GRACE))

    def _set_timeout(self, seconds: float) -> None:
        from botocore.response import StreamingBody

        raw = self._raw._raw_stream
        if getattr(raw, "_fp", None) is not None and getattr(raw._fp, "fp", None) is not None:  # else all is read
            StreamingBody(raw, 0).set_socket_timeout(seconds)

    def _finish(self) -> None:
        """Read the end of the body, so that the connection can be used again; nothing depends on it."""
        self._set_timeout(_LAST_WORDS)
        with suppress(Exception):
            if next(self._events, None) is None:
                return
        self.close()

    def _bad(self, code: str, what: str, *, retryable: bool = False) -> BadReply:
        return BadReply(
            f"{self._model} in {self._region}: the stream {what}. It may be billed; the ledger holds the worst case "
            "where no usage came with it. Try again, or another model.",
            code=code,
            retryable=retryable,
        )


class StreamedReply:
    """Events added up to the reply that Converse would have given.

    >>> reply = StreamedReply()
    >>> [reply.add({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": part}}}) for part in ("No", "w")]
    ['No', 'w']
    >>> reply.add({"messageStop": {"stopReason": "end_turn"}})
    ''
    >>> reply.whole()
    {'output': {'message': {'role': 'assistant', 'content': [{'text': 'Now'}]}}, 'stopReason': 'end_turn'}
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._rest: dict[str, Any] = {}

    def add(self, event: Mapping[str, Any]) -> str:
        """The text that this event brings, '' for none; reasoning and tools are none."""
        if "messageStop" in event:
            self._rest["stopReason"] = event["messageStop"]["stopReason"]
        if "metadata" in event:
            self._rest |= event["metadata"]
        text = (event.get("contentBlockDelta") or {}).get("delta", {}).get("text") or ""
        if text:
            self._parts.append(text)
        return text

    def whole(self) -> dict[str, Any]:
        """What has come so far, in the form of Converse's reply."""
        return {"output": {"message": {"role": "assistant", "content": [{"text": "".join(self._parts)}]}}, **self._rest}
