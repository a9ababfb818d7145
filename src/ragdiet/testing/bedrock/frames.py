"""AWS's event stream: each message framed with its lengths, its headers and two CRC32.

total length | headers length | CRC of these 8 bytes | headers | payload | CRC of all before
  4 bytes    |    4 bytes     |       4 bytes        |   ...   |   ...   |      4 bytes
"""

from __future__ import annotations

import json
import struct
from binascii import crc32
from collections.abc import Mapping
from typing import Any

_STRING = 7  # the type of a header's value

_LEAST = 16  # bytes of a message with neither headers nor payload


def message(headers: Mapping[str, str], payload: bytes, *, wrong_crc: bool = False) -> bytes:
    """One message. ``wrong_crc`` turns the last bit of its checksum over.

    >>> len(message({":message-type": "event"}, b"{}")) == 16 + 1 + 13 + 1 + 2 + 5 + 2
    True
    """
    parts = []
    for name, value in headers.items():
        raw_name, raw = name.encode(), value.encode()
        parts.append(struct.pack(f"!B{len(raw_name)}sBH", len(raw_name), raw_name, _STRING, len(raw)) + raw)
    head = b"".join(parts)
    prelude = struct.pack("!II", _LEAST + len(head) + len(payload), len(head))
    body = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return body + struct.pack("!I", crc32(body) ^ wrong_crc)


def event(name: str, content: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    """Headers and payload of an event of a JSON service."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return headers, json.dumps(content).encode()


def exception(name: str, text: str) -> tuple[dict[str, str], bytes]:
    """Headers and payload of an exception inside a stream, by its name there, such as ``throttlingException``."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return headers, json.dumps({"message": text}).encode()


def error(code: str, text: str) -> tuple[dict[str, str], bytes]:
    """Headers and payload of an error that the stream's model does not know: all of it is in the headers."""
    return {":error-code": code, ":error-message": text, ":message-type": "error"}, b""
