"""HTTP/1.1 on asyncio, with all that can happen to a reply on its way."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus

from ragdiet.testing.bedrock.service import Answer, Service, middle
from ragdiet.testing.bedrock.sigv4 import Signed

MOST_HEAD = 64 * 1024
MOST_BODY = 25_000_000  # what InvokeModel's shape allows

_LAST_CHUNK = b"0\r\n\r\n"
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Connection(asyncio.Protocol):
    """One client's connection: its requests one after the other, kept alive between them."""

    def __init__(self, service: Service, pool: ThreadPoolExecutor, closing: Callable[[Connection], None]) -> None:
        self._service = service
        self._pool = pool
        self._closing = closing
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._answering = False
        self._last = False
        self._drained = asyncio.Event()
        self._drained.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._drained.set()
        if self._task:
            self._task.cancel()
        self._closing(self)

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    def abort(self) -> None:
        """End the connection now."""
        if self._transport:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._answering:
            self._next()
        elif len(self._buffer) > MOST_HEAD + MOST_BODY:
            self.abort()  # far more than a client sends that waits for its reply

    def _next(self) -> None:
        """Answer what the buffer holds whole, one request after the other."""
        while self._buffer and not self._answering and self._transport and not self._transport.is_closing():
            try:
                request = _taken(self._buffer)
            except _BadRequest as bad:
                self._send_bad(bad)
                return
            if request is None:
                return
            self._last = request.headers.get("connection", "").lower() == "close"
            self._service.journal.busy(+1)
            if self._service.waits:
                self._begin(self._computed(request))
                return
            answer = self._service.answer(request)
            if _is_plain(answer):
                self._transport.write(_whole(answer))
                self._done()
            else:
                self._begin(self._sent(answer))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        self._answering = True
        self._task = asyncio.get_running_loop().create_task(work)

    def _done(self) -> None:
        self._service.journal.busy(-1)
        if self._last and self._transport:
            self._transport.close()

    async def _computed(self, request: Signed) -> None:
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._pool, self._service.answer, request)
        except asyncio.CancelledError:
            self._done()
            raise
        await self._sent(answer)

    async def _sent(self, answer: Answer) -> None:
        try:
            await self._written(answer)
        finally:
            self._done()
        self._answering = False
        self._next()

    async def _written(self, answer: Answer) -> None:
        """Send the answer as its fault would have it."""
        fault = answer.fault
        if answer.first + fault.delay:
            await asyncio.sleep(answer.first + fault.delay)
        ends = fault.cut or fault.reset or fault.end
        if fault.reset and fault.at is None and fault.frame is None:
            self._reset()
            return
        if fault.end and not answer.streamed:  # a Content-Length that suits what is left
            left = b"".join(answer.pieces)[: _place(answer)]
            await self._write(_whole(replace(answer, pieces=(left,))))
            return
        body = b"".join(answer.pieces)
        place = _place(answer) if ends or fault.stall else len(body)
        await self._write(_head(answer))
        sent = 0
        for number, piece in enumerate(answer.pieces):
            if number and answer.each:
                await asyncio.sleep(answer.each)
            end = sent + len(piece)
            if sent <= place < end or (place == end == len(body)):
                await self._chunk(answer, body[sent:place])
                if fault.stall:
                    await asyncio.sleep(fault.stall)
                if ends:
                    await self._ended(answer)
                    return
                await self._chunk(answer, body[place:end])
            else:
                await self._chunk(answer, piece)
            sent = end
        if answer.streamed:
            await self._write(_LAST_CHUNK)

    async def _ended(self, answer: Answer) -> None:
        if answer.fault.reset:
            self._reset()
        elif answer.fault.end and answer.streamed:
            await self._write(_LAST_CHUNK)
        elif self._transport:
            self._transport.close()

    async def _chunk(self, answer: Answer, data: bytes) -> None:
        if data:
            await self._write(_chunked(data) if answer.streamed else data)

    async def _write(self, data: bytes) -> None:
        await self._drained.wait()
        if self._transport is None:
            raise asyncio.CancelledError
        self._transport.write(data)

    def _reset(self) -> None:
        if self._transport:
            raw = self._transport.get_extra_info("socket")
            # Linger 0 sends RST instead of an orderly end.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def _send_bad(self, bad: _BadRequest) -> None:
        assert self._transport
        text = str(bad).encode()
        head = (
            f"HTTP/1.1 {bad.status} {_REASONS[bad.status]}\r\ncontent-length: {len(text)}\r\nconnection: close\r\n\r\n"
        )
        self._buffer.clear()
        self._transport.write(head.encode() + text)
        self._transport.close()


class _BadRequest(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _taken(buffer: bytearray) -> Signed | None:
    """The first request of ``buffer``, taken out of it; None while it is not whole."""
    end = buffer.find(b"\r\n\r\n", 0, MOST_HEAD)
    if end < 0:
        if len(buffer) >= MOST_HEAD:
            raise _BadRequest(431, "the request's headers are too large")
        return None
    method, target, headers = _parsed(bytes(buffer[:end]))
    if "transfer-encoding" in headers:
        raise _BadRequest(501, "a request is read by its Content-Length only")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise _BadRequest(400, "Content-Length is no number")
    if len(length) > 9 or int(length) > MOST_BODY:
        raise _BadRequest(413, "the request's body is too large")
    start, whole = end + 4, end + 4 + int(length)
    if len(buffer) < whole:
        return None
    path, _, query = target.partition("?")
    request = Signed(method=method, path=path, query=query, headers=headers, body=bytes(buffer[start:whole]))
    del buffer[:whole]
    return request


def _parsed(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[1].startswith("/") or parts[2] != "HTTP/1.1":
        raise _BadRequest(400, "this is no HTTP/1.1 request")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or any(sign in value for sign in "\r\n\0"):
            raise _BadRequest(400, "a header is malformed")
        name = name.lower()
        headers[name] = f"{headers[name]},{value.strip()}" if name in headers else value.strip()
    return parts[0], parts[1], headers


def _head(answer: Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if answer.streamed:
        lines.append("transfer-encoding: chunked")
    else:
        lines.append(f"content-length: {sum(map(len, answer.pieces))}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _whole(answer: Answer) -> bytes:
    if not answer.streamed:
        return _head(answer) + b"".join(answer.pieces)
    return b"".join((_head(answer), *(_chunked(piece) for piece in answer.pieces), _LAST_CHUNK))


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _is_plain(answer: Answer) -> bool:
    """Whether the whole answer can be written at once."""
    fault = answer.fault
    waits = answer.first or answer.each or fault.delay or fault.stall
    return not (waits or fault.cut or fault.reset or fault.end)


def _place(answer: Answer) -> int:
    """The byte of the body after which the fault happens."""
    fault = answer.fault
    if fault.frame is not None:
        return sum(map(len, answer.pieces[: middle(len(answer.pieces), fault.frame)]))
    return middle(sum(map(len, answer.pieces)), fault.at)
