"""A stand-in for the Bedrock runtime that speaks its HTTP protocol to the real boto3.

Titan's "model" sums a random vector a word, so texts that share words are near. The chat "model" copies
out of the numbered sources the sentence that holds most words of the question, and cites it. Both bill
one token a word. Requests are checked as the service checks them; faults are scripted, one a request.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

REFUSAL = "NOT FOUND"
TITAN = "amazon.titan-embed-text-v2:0"

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
_PATH = re.compile(r"/model/([^/]+)/(invoke|converse)")
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=\w+/\d{8}/([\w-]+)/bedrock/aws4_request, "
    r"SignedHeaders=[\w;-]+, Signature=[0-9a-f]{64}"
)
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one request instead of a good reply.

    ``code`` with ``status`` is an AWS error and is not billed. Everything else happens after the model
    has worked, and is: ``stall`` waits that many seconds before the reply, ``edit`` changes its JSON,
    ``body`` replaces its bytes, ``cut`` sends half of the bytes it promises, ``reset`` drops the connection.
    """

    status: int = 200
    code: str = ""
    message: str = "scripted"
    headers: Mapping[str, str] = field(default_factory=dict)
    stall: float = 0.0
    edit: Callable[[dict[str, Any]], object] | None = None
    body: bytes | None = None
    cut: bool = False
    reset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A request as it came, and what it is billed with."""

    model: str
    operation: str
    status: int
    region: str
    request: Mapping[str, Any]
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    at: float = 0.0


class RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class BedrockServer:
    """``with BedrockServer() as server:`` listens on ``server.url``. ``chat`` are the chat models it has."""

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        chat: tuple[str, ...] = ("us.amazon.nova-lite-v1:0",),
        smallest_cached: int = 1_024,
    ) -> None:
        self.region = region
        self.chat = chat
        self.smallest_cached = smallest_cached
        self.cached: dict[tuple[str, str], float] = {}
        self.faults: deque[Fault] = deque()
        self.closing = threading.Event()
        self._calls: list[Served] = []
        self._busy = self._most_busy = 0
        self._lock = threading.Lock()
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> BedrockServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def calls(self) -> tuple[Served, ...]:
        """Every HTTP request, in the order they were answered or dropped."""
        with self._lock:
            return tuple(self._calls)

    @property
    def most_at_once(self) -> int:
        return self._most_busy

    def reset(self) -> None:
        """Forget the calls and the faults still to come."""
        with self._lock:
            self._calls.clear()
            self.cached.clear()
            self.faults.clear()
            self._most_busy = 0

    def script(self, *faults: Fault) -> None:
        """The next requests meet these, one each; those after them are answered."""
        self.faults.extend(faults)

    def record(self, served: Served) -> None:
        with self._lock:
            self._calls.append(served)

    def next_fault(self) -> Fault | None:
        with self._lock:
            return self.faults.popleft() if self.faults else None

    def busy(self, change: int) -> None:
        with self._lock:
            self._busy += change
            self._most_busy = max(self._most_busy, self._busy)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: BedrockServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests; its traceback is not."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def do_POST(self) -> None:
        owner = self.server.owner
        owner.busy(+1)
        try:
            self._answer(owner, self.rfile.read(int(self.headers.get("Content-Length", 0))))
        finally:
            owner.busy(-1)

    def _answer(self, owner: BedrockServer, body: bytes) -> None:
        fault = owner.next_fault() or Fault()
        found = _PATH.fullmatch(self.path)
        signed = _CREDENTIAL.fullmatch(self.headers.get("Authorization", ""))
        about: dict[str, Any] = {
            "model": unquote(found[1]) if found else "",
            "operation": found[2] if found else "",
            "region": signed[1] if signed else "",
            "request": json.loads(body) if body else {},
            "at": time.monotonic(),
        }
        try:
            if fault.code:
                raise RefusedError(fault.status, fault.code, fault.message)
            if not signed:
                raise RefusedError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
            if signed[1] != owner.region:
                raise RefusedError(403, "InvalidSignatureException", "Credential should be scoped to a valid region")
            if not found:
                raise RefusedError(404, "UnknownOperationException", self.path)
            reply, usage = (_titan if found[2] == "invoke" else _converse)(owner, about["model"], about["request"])
        except RefusedError as refusal:
            owner.record(Served(**about, status=refusal.status))
            self._send(
                refusal.status,
                json.dumps({"message": str(refusal)}).encode(),
                {"x-amzn-ErrorType": f"{refusal.code}:http://internal.amazon.com/", **fault.headers},
            )
            return
        owner.record(
            Served(
                **about,
                status=fault.status,
                input_tokens=usage[0],
                output_tokens=usage[1],
                cache_read_tokens=usage[2],
                cache_write_tokens=usage[3],
            )
        )
        if fault.stall:
            owner.closing.wait(fault.stall)
        if fault.reset:
            # Linger 0 sends RST instead of an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        content = fault.edit(reply) if fault.edit else reply
        data = json.dumps(content).encode() if fault.body is None else fault.body
        self._send(fault.status, data, fault.headers, sent=len(data) // 2 if fault.cut else len(data))

    def _send(self, status: int, data: bytes, headers: Mapping[str, str], *, sent: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-amzn-RequestId", "00000000-0000-0000-0000-000000000000")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[:sent])
        self.close_connection = sent is not None and sent < len(data)


def words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


@lru_cache(maxsize=10_000)
def _word_vector(word: str, dimensions: int) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
    return np.random.default_rng(seed).standard_normal(dimensions)


_Bill = tuple[int, int, int, int]
"""Tokens of input, output, read from the cache, written to it."""


def _titan(owner: BedrockServer, model: str, request: Mapping[str, Any]) -> tuple[dict[str, Any], _Bill]:
    if model != TITAN:
        raise RefusedError(400, "ValidationException", "The provided model identifier is invalid.")
    text, dimensions = request.get("inputText"), request.get("dimensions", 1024)
    if set(request) - {"inputText", "dimensions", "normalize", "embeddingTypes"}:
        raise RefusedError(400, "ValidationException", "Malformed input request: extraneous key")
    if not isinstance(text, str) or not text or dimensions not in (1024, 512, 256):
        raise RefusedError(400, "ValidationException", "Malformed input request: expected minLength: 1")
    tokens = len(words(text))
    if len(text) > 50_000 or tokens > 8_192:
        raise RefusedError(400, "ValidationException", "Too many input tokens. Max input tokens: 8192")
    vector = np.sum([_word_vector(word, dimensions) for word in words(text) or [text]], axis=0)
    if request.get("normalize", True):
        vector = vector / np.linalg.norm(vector)
    embedding = vector.tolist()
    reply = {"embedding": embedding, "embeddingsByType": {"float": embedding}, "inputTextTokenCount": tokens}
    return reply, (tokens, 0, 0, 0)


def _converse(owner: BedrockServer, model: str, request: Mapping[str, Any]) -> tuple[dict[str, Any], _Bill]:
    if model not in owner.chat:
        raise RefusedError(400, "ValidationException", "The provided model identifier is invalid.")
    messages = request.get("messages") or []
    roles = [message["role"] for message in messages]
    if not roles or roles != [("user", "assistant")[n % 2] for n in range(len(roles))]:
        raise RefusedError(
            400, "ValidationException", "A conversation must start with a user message and alternate roles."
        )
    content = [block for part in ({"content": request.get("system", ())}, *messages) for block in part["content"]]
    blocks = [block["text"] for block in content if "text" in block]
    if any(not text.strip() for text in blocks):
        raise RefusedError(400, "ValidationException", "The text field in the ContentBlock object is blank.")
    if not all(_METADATA.fullmatch(value) for value in request.get("requestMetadata", {}).values()):
        raise RefusedError(400, "ValidationException", "requestMetadata does not match its pattern")
    answer = extract(messages[-1]["content"][-1]["text"])
    most = request.get("inferenceConfig", {}).get("maxTokens", 4096)
    said = words(answer)
    stop = "end_turn"
    if len(said) > most:
        answer, stop = " ".join(answer.split()[:most]), "max_tokens"
        said = words(answer)
    read, written, long_lived = _cached(owner, model, content)
    usage = (sum(len(words(text)) for text in blocks) - read - written, len(said), read, written)
    reply = {
        "output": {"message": {"role": "assistant", "content": [{"text": answer}]}},
        "stopReason": stop,
        "usage": {
            "inputTokens": usage[0],
            "outputTokens": usage[1],
            "totalTokens": sum(usage),
            "cacheReadInputTokens": read,
            "cacheWriteInputTokens": written,
            "cacheDetails": [{"ttl": "1h" if long_lived else "5m", "inputTokens": written}] if written else [],
        },
        "metrics": {"latencyMs": 1},
        "serviceTier": request.get("serviceTier", {"type": "default"}),
    }
    return reply, usage


def _cached(owner: BedrockServer, model: str, content: list[Mapping[str, Any]]) -> tuple[int, int, bool]:
    """Tokens read and written up to the last cache point, and whether for an hour. Too few: none, and no word of it."""
    places = [place for place, block in enumerate(content) if "cachePoint" in block]
    if not places:
        return 0, 0, False
    point = content[places[-1]]["cachePoint"]
    if point.get("type") != "default" or point.get("ttl", "5m") not in ("5m", "1h") or set(point) - {"type", "ttl"}:
        raise RefusedError(400, "ValidationException", "Malformed input request: cachePoint")
    before = "\0".join(block["text"] for block in content[: places[-1]] if "text" in block)
    tokens, long_lived = len(words(before)), point.get("ttl") == "1h"
    if tokens < owner.smallest_cached:
        return 0, 0, False
    key, now = (model, before), time.monotonic()
    is_there = owner.cached.get(key, 0.0) > now
    owner.cached[key] = now + (3600 if long_lived else 300)
    return (tokens, 0, False) if is_there else (0, tokens, long_lived)


def extract(message: str) -> str:
    """The sentence of the sources with most words of the question, cited; else the refusal."""
    sources, _, asked_for = message.rpartition("Question:")
    question = asked_for.strip().partition("\n")[0]
    asked = {word for word in words(question) if len(word) > 3}
    best, answer = 0, REFUSAL
    for block in re.split(r"^(?=\[\d+\])", sources, flags=re.MULTILINE):
        number = re.match(r"\[(\d+)\]", block)
        if not number:
            continue
        for sentence in _SENTENCE.findall(block[number.end() :]):
            score = len(asked & set(words(sentence)))
            if score > best:
                best, answer = score, f"{sentence.strip()} [{number[1]}]"
    return answer
