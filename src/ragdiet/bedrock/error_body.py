"""Errors whose body botocore cannot read, such as a proxy's page in Latin-1, told by their status all the same."""

from __future__ import annotations

import json
from typing import Any

_TEXTS = ("message", "Message", "code", "__type")


def told_by_status(client: Any) -> None:
    """Have a boto3 client take an error's body that is not as the protocol has it for an empty one.

    botocore raises errors of its own at such a body, and with it the status is lost, which says whether another try
    is worth it and whether the work may be billed.
    """
    client.meta.events.register("before-parse", _emptied)


def _emptied(response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] >= 300 and not _is_readable(response_dict["body"]):
        response_dict["body"] = b"{}"


def _is_readable(body: bytes) -> bool:
    """Whether it is empty or the JSON object of an error, with texts where texts belong."""
    if not body:
        return True
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return isinstance(found, dict) and all(isinstance(found.get(name), str | None) for name in _TEXTS)
