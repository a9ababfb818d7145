"""Stand-ins for two services of AWS, each speaking the real protocol to the real client: a PostgreSQL whose
door checks IAM tokens, and Secrets Manager."""

from __future__ import annotations

import hashlib
import hmac
import json
import select
import socket
import ssl
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, quote

KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_EMPTY = hashlib.sha256(b"").hexdigest()
_TLS_WANTED = 80877103


def token_fault(token: str, *, host: str, port: int, user: str, region: str, now: datetime) -> str:
    """What is wrong with an IAM token, by Signature Version 4 (AWS Signature Version 4 for API requests)."""
    place, _, query = token.partition("/?")
    fields = dict(parse_qsl(query, strict_parsing=True))
    signature = fields.pop("X-Amz-Signature", "")
    signed_at = datetime.strptime(fields.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    scope = f"{signed_at:%Y%m%d}/{region}/rds-db/aws4_request"
    expected = {
        "Action": "connect",
        "DBUser": user,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{KEY}/{scope}",
        "X-Amz-Date": fields["X-Amz-Date"],
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host",
    }
    if place != f"{host}:{port}" or fields != expected:
        return f"is for {place} with {fields}"
    if not timedelta(0) <= now - signed_at + timedelta(seconds=2) <= timedelta(seconds=900):
        return "has expired"
    canonical = "&".join(
        f"{quote(name, safe='-_.~')}={quote(expected[name], safe='-_.~')}" for name in sorted(expected)
    )
    request = f"GET\n/\n{canonical}\nhost:{host}:{port}\n\nhost\n{_EMPTY}"
    to_sign = f"AWS4-HMAC-SHA256\n{fields['X-Amz-Date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (*scope.split("/"), to_sign):
        key = hmac.digest(key, part.encode(), "sha256")
    return "" if key.hex() == signature else "is signed with another key"


class TlsDoor:
    """TLS before the server at ``behind``, which speaks none itself."""

    def __init__(self, behind: int, *, certificate: str, key: str) -> None:
        self._behind = behind
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.port = int(self._listening.getsockname()[1])

    def admit(self, client: ssl.SSLSocket) -> bytes:
        """What to say to the server in the client's name; raises OSError to send the client away."""
        return b""

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listening, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (*self._open, self._listening):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                thread = threading.Thread(target=self._serve, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, plain: socket.socket) -> None:
        self._open.append(plain)
        with plain, suppress(OSError):
            assert struct.unpack("!ii", _exactly(plain, 8))[1] == _TLS_WANTED
            plain.sendall(b"S")
            with self._context.wrap_socket(plain, server_side=True) as client:
                self._open.append(client)
                first = self.admit(client)
                with socket.create_connection(("127.0.0.1", self._behind)) as server:
                    self._open.append(server)
                    server.sendall(first)
                    _relay(client, server)


class IamDoor(TlsDoor):
    """Asks for a password too, and lets those in whose password is a good token for ``region``."""

    def __init__(self, behind: int, *, host: str, region: str, certificate: str, key: str) -> None:
        super().__init__(behind, certificate=certificate, key=key)
        self.tokens: list[str] = []
        self.ahead = timedelta(0)
        """How far this door's clock is ahead."""
        self._host = host
        self._region = region

    def admit(self, client: ssl.SSLSocket) -> bytes:
        (length,) = struct.unpack("!i", _exactly(client, 4))
        startup = _exactly(client, length - 4)
        words = startup[4:].split(b"\0")
        user = dict(zip(words[::2], words[1::2], strict=False))[b"user"].decode()
        client.sendall(b"R" + struct.pack("!ii", 8, 3))  # a password in clear, please
        _, length = struct.unpack("!ci", _exactly(client, 5))
        token = _exactly(client, length - 4)[:-1].decode()
        self.tokens.append(token)
        now = datetime.now(UTC) + self.ahead
        if token_fault(token, host=self._host, port=self.port, user=user, region=self._region, now=now):
            said = f'SFATAL\0VFATAL\0C28000\0MPAM authentication failed for user "{user}"\0\0'.encode()
            client.sendall(b"E" + struct.pack("!i", len(said) + 4) + said)
            raise ConnectionRefusedError
        return struct.pack("!i", len(startup) + 4) + startup


class SecretsManager:
    """GetSecretValue of secrets in RDS's form, by name and version stage; ``fetched`` lists what was asked."""

    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str], str] = {}
        self.fetched: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, name: str, user: str, password: str, stage: str = "AWSCURRENT") -> None:
        self.secrets[name, stage] = json.dumps({"username": user, "password": password})

    def reply(self, operation: str, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation != "secretsmanager.GetSecretValue":
            return 400, {"__type": "InvalidRequestException", "Message": operation}
        asked = request["SecretId"], request.get("VersionStage", "AWSCURRENT")
        self.fetched.append(asked)
        if asked not in self.secrets:
            return 400, {"__type": "ResourceNotFoundException", "Message": "there is no such version"}
        return 200, {
            "ARN": asked[0],
            "Name": asked[0],
            "SecretString": self.secrets[asked],
            "VersionStages": [asked[1]],
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(manager: SecretsManager) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, reply = manager.reply(self.headers["X-Amz-Target"], request)
            body = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _exactly(source: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = source.recv(size - len(received))
        if not part:
            raise ConnectionResetError
        received += part
    return received


def _relay(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Both ways in one thread: a TLS socket must not be read and written at once."""
    while True:
        ready, _, _ = select.select([client, server], [], [])
        for source, sink in ((client, server), (server, client)):
            if source in ready:
                part = source.recv(65536)
                if not part:
                    return
                while source is client and client.pending():
                    part += client.recv(65536)
                sink.sendall(part)
