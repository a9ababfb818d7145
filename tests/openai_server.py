"""A stand-in for a server of the OpenAI protocol as vLLM speaks it: chat completions, streamed or not, and embeddings.

The chat "model" copies the sentence of the sources with most words of the question; tokens are words. Faults are
scripted, one a request.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ragdiet.testing.bedrock.models.extract import extract
from ragdiet.testing.bedrock.models.vectors import text_vector
from ragdiet.testing.bedrock.tokens import words

CHAT, EMBEDDING = "qwen/Qwen3-4B", "intfloat/e5-small-v2"
DIMENSIONS, LONGEST = 384, 512


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to one request. ``after`` is how many events of a stream are sent before it ends without [DONE], in
    the middle of a chunk where it is ``cut``; ``event`` is sent as its last."""

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    reset: bool = False
    edit: Callable[[dict[str, Any]], object] | None = None
    after: int | None = None
    cut: bool = False
    event: Mapping[str, Any] | None = None


class OpenAIServer:
    """``with OpenAIServer() as server:`` listens on ``server.url``; ``key`` is the API key it wants, if any."""

    def __init__(self, *, key: str = "", pause: float = 0.0) -> None:
        self.key = key
        self.pause = pause
        self.requests: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.usages: list[dict[str, int]] = []
        self.left_after: list[int] = []
        self.faults: deque[Fault] = deque()
        self.lock = threading.Lock()
        self.epoch = 0
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def book(self, epoch: int, usage: dict[str, int]) -> None:
        with self.lock:
            if epoch == self.epoch:
                self.usages.append(usage)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def script(self, *faults: Fault) -> None:
        self.faults.extend(faults)

    def reset(self) -> None:
        with self.lock:
            self.epoch += 1  # a request that is still on its way is nobody's any more
            for held in (self.requests, self.headers, self.usages, self.left_after, self.faults):
                held.clear()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: OpenAIServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests; its traceback is not."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener
    epoch = 0

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def do_POST(self) -> None:
        owner = self.server.owner
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        with owner.lock:
            owner.requests.append(body)
            owner.headers.append(dict(self.headers))
            fault = owner.faults.popleft() if owner.faults else Fault()
            self.epoch = owner.epoch
        if fault.delay:
            time.sleep(fault.delay)
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if owner.key and self.headers.get("Authorization") != f"Bearer {owner.key}":
            self._send(401, _error("Unauthorized", "invalid_api_key"))
        elif fault.status != 200:
            content = _error("scripted", "scripted") if fault.body is None else fault.body
            self._send(fault.status, content, fault.headers)
        elif self.path == "/v1/embeddings":
            self._reply(_embeddings(body), fault)
        elif self.path != "/v1/chat/completions":
            self._send(404, _error("Not Found", ""))
        elif body.get("model") != CHAT:
            self._send(404, _error(f"The model `{body.get('model')}` does not exist.", "NotFoundError"))
        else:
            self._chat(body, fault)

    def _chat(self, body: dict[str, Any], fault: Fault) -> None:
        given = sum(len(words(message["content"])) for message in body["messages"])
        answer = extract(body["messages"][-1]["content"])
        said, finish = answer.split(" "), "stop"
        if len(words(answer)) > body["max_tokens"]:
            said, finish = said[: body["max_tokens"]], "length"
        text = " ".join(said)
        usage = {"prompt_tokens": given, "completion_tokens": len(words(text))}
        usage["total_tokens"] = sum(usage.values())
        common = {"id": "chatcmpl-1", "model": body["model"], "created": 1}
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": finish}
            self._reply(({**common, "choices": [choice], "usage": usage}, usage), fault)
            return
        deltas = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word if n == 0 else f" {word}"} for n, word in enumerate(said)]
        events: list[dict[str, Any]] = [
            {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
        ]
        events.append({**common, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        if body.get("stream_options", {}).get("include_usage"):
            events.append({**common, "choices": [], "usage": usage})
        self._stream(events, usage, fault)

    def _reply(self, made: tuple[dict[str, Any], dict[str, int]] | bytes, fault: Fault) -> None:
        if isinstance(made, bytes):
            self._send(400, made)
            return
        reply, usage = made
        self.server.owner.book(self.epoch, usage)
        content = fault.edit(reply) if fault.edit else reply
        self._send(200, json.dumps(content).encode() if fault.body is None else fault.body)

    def _send(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, events: list[dict[str, Any]], usage: dict[str, int], fault: Fault) -> None:
        owner = self.server.owner
        owner.book(self.epoch, usage)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        lines = [json.dumps(fault.edit(event) if fault.edit else event) for event in events] + ["[DONE]"]
        if fault.after is not None:
            lines = lines[: fault.after] + ([json.dumps(fault.event)] if fault.event else [])
        try:
            for line in lines:
                data = f"data: {line}\n\n".encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()
                if owner.pause:
                    time.sleep(owner.pause)
            if fault.cut:
                self.wfile.write(b"40\r\ndata: {")
                self.close_connection = True
                return
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            owner.left_after.append(len(lines))
            self.close_connection = True


def _embeddings(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, int]] | bytes:
    counts = [len(words(text)) for text in body["input"]]
    if max(counts) > LONGEST:
        return _error(
            f"This model's maximum context length is {LONGEST} tokens. However, you requested {max(counts)} tokens in "
            "the input. Please reduce the length of the input.",
            "BadRequestError",
        )
    size = body.get("dimensions", DIMENSIONS)
    data = [
        {"object": "embedding", "index": n, "embedding": (text_vector(text, size) * 3).tolist()}
        for n, text in enumerate(body["input"])
    ]
    usage = {"prompt_tokens": sum(counts), "total_tokens": sum(counts)}
    return {"object": "list", "model": body["model"], "data": data[::-1], "usage": usage}, usage


def _error(message: str, kind: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": 400}}).encode()
