"""One request from its signature to its reply: the order of the checks is the order in which AWS makes them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ragdiet.testing.bedrock import converse, frames, sigv4
from ragdiet.testing.bedrock.faults import Fault, Script
from ragdiet.testing.bedrock.models.model import ChatModel
from ragdiet.testing.bedrock.operations import Operation, Operations
from ragdiet.testing.bedrock.play import Outcome, Player
from ragdiet.testing.bedrock.refusal import Refused
from ragdiet.testing.bedrock.served import Journal, Served
from ragdiet.testing.bedrock.shapes import Shapes
from ragdiet.testing.bedrock.sigv4 import Signed
from ragdiet.testing.bedrock.world import World

_GOOD = Fault()
_JSON = "application/json"
_STREAM = "application/vnd.amazon.eventstream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes over the wire. ``pieces`` are the body, one piece a message where it is a stream.

    ``first`` and ``each`` are the model's seconds before the first byte and between pieces.
    """

    status: int
    headers: Mapping[str, str]
    pieces: tuple[bytes, ...]
    streamed: bool = False
    fault: Fault = _GOOD
    first: float = 0.0
    each: float = 0.0


class Service:
    """The stand-in without its sockets. Safe for any number of threads."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.script = Script()
        self.journal = Journal()
        self.failures: list[Exception] = []
        self._player = Player(world)
        self._operations = Operations()
        self._shapes = Shapes()

    @property
    def waits(self) -> bool:
        """Whether a model runs code of the user's, which may take its time."""
        return any(isinstance(model, ChatModel) and model.reply for model in self.world.models.values())

    def reset(self) -> None:
        """Forget the requests, what is cached, and the faults still to come."""
        self.script.clear()
        self.journal.clear()
        self.failures.clear()
        self._player.reset()

    def answer(self, request: Signed) -> Answer:
        """The reply to ``request``, noted in the journal."""
        note = _Note(request)
        try:
            sigv4.check(request, self.world.keys, self.world.region)
            operation = self._operations.find(request.method, request.path)
            note.operation = operation.name
            given = operation.parameters(request.path, request.query, request.headers, request.body)
            note.about(given, keep=self.world.keep_requests)
            fault = self.script.fault(operation.name, note.model) or _GOOD
            if fault.for_streams and not operation.stream:
                raise ValueError(f"{fault} means nothing to {operation.name}, which is no stream")
            if fault.code:
                return self._refused(note, fault.http_status, fault.code, fault.message, fault)
            self._shapes.require(given, operation.takes)
            outcome = self._player.play(operation.name, given)
            return self._replied(note, operation, outcome, fault)
        except Refused as refusal:
            return self._refused(note, refusal.status, refusal.code, str(refusal), _GOOD)
        except Exception as error:  # noqa: BLE001  # the client gets an answer; the server's owner gets the error
            self.failures.append(error)
            return self._refused(note, 500, "InternalServerException", f"the stand-in failed: {error!r}", _GOOD)

    def _replied(self, note: _Note, operation: Operation, outcome: Outcome, fault: Fault) -> Answer:
        headers, content = _located(operation, outcome.reply)
        if not fault.spoils:
            self._own(operation, outcome.reply)
        edited = fault.edit(content) if fault.edit else content
        self._note(note, fault.http_status, outcome, billed=outcome.billed and fault.is_billed)
        if operation.stream and fault.body is None and isinstance(edited, dict):
            pieces, streamed = _messages(edited, fault, operation.gives.members[operation.stream].members), True
            headers["content-type"] = _STREAM
        else:
            body = json.dumps(edited).encode() if fault.body is None else fault.body
            pieces, streamed = (body[: len(body) // 2] if fault.malformed else body,), False
            headers["content-type"] = _JSON
        return Answer(
            status=fault.http_status,
            headers=note.headers | headers | dict(outcome.headers) | dict(fault.headers),
            pieces=pieces,
            streamed=streamed,
            fault=fault,
            # A reply comes when its last token is there, a stream with its first.
            first=outcome.first if streamed else outcome.seconds,
            each=outcome.each if streamed else 0.0,
        )

    def _own(self, operation: Operation, reply: Mapping[str, Any]) -> None:
        """Our own replies are held to the service model as requests are."""
        if operation.stream:
            events = operation.gives.members[operation.stream].members
            problems = [
                problem
                for name, content in converse.events(reply)
                for problem in self._shapes.problems(content, events[name], at=name)
            ]
        else:
            payload = operation.gives.serialization.get("payload")  # a blob, of which the shape says nothing
            problems = self._shapes.problems({**reply, payload: b""} if payload else reply, operation.gives)
        assert not problems, f"the stand-in's own reply breaks the service model: {problems}"

    def _refused(self, note: _Note, status: int, code: str, message: str, fault: Fault) -> Answer:
        note.code = code
        self._note(note, status, Outcome(reply={}), billed=bool(fault.billed))
        headers = {
            "content-type": _JSON,
            "x-amzn-errortype": f"{code}:http://internal.amazon.com/coral/{note.service}/",
        }
        return Answer(
            status=status,
            headers=note.headers | headers | dict(fault.headers),
            pieces=(json.dumps({"message": message}).encode(),),
            fault=fault,
        )

    def _note(self, note: _Note, status: int, outcome: Outcome, *, billed: bool) -> None:
        charge = outcome.charge
        self.journal.add(
            Served(
                request_id=note.request_id,
                operation=note.operation,
                model=note.model,
                status=status,
                region=note.region,
                request=note.request,
                code=note.code,
                charge=charge,
                cost=self.world.cost(charge) if billed else None,
                billed=billed,
                at=note.at,
            )
        )


class _Note:
    """What is known of a request so far."""

    service = "com.amazon.bedrock"

    def __init__(self, request: Signed) -> None:
        self.at = time.monotonic()
        self.request_id = str(uuid.uuid4())
        self.operation = self.model = self.code = ""
        scope = request.headers.get("authorization", "").partition("Credential=")[2].split("/")
        self.region = scope[2] if len(scope) > 2 else ""
        self.request: Mapping[str, Any] = {}

    def about(self, given: Mapping[str, Any], *, keep: bool) -> None:
        self.model = _model(given)
        if not keep:
            return
        self.request = given
        if isinstance(given.get("body"), bytes):
            try:
                self.request = json.loads(given["body"])
            except (ValueError, RecursionError):
                self.request = {}

    @property
    def headers(self) -> dict[str, str]:
        return {"x-amzn-requestid": self.request_id}


def _model(given: Mapping[str, Any]) -> str:
    """What a request names as its model, wherever the operation has it; '' where it names none."""
    found: Any = given.get("modelId") or given.get("inferenceProfileIdentifier") or given.get("guardrailIdentifier")
    if found is None:
        found = given.get("rerankingConfiguration")
        for name in ("bedrockRerankingConfiguration", "modelConfiguration", "modelArn"):
            found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _located(operation: Operation, reply: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """The reply's headers and the JSON of its body."""
    headers, content = {}, {}
    for name, value in reply.items():
        shape = operation.gives.members.get(name)
        if shape is not None and shape.serialization.get("location") == "header":
            headers[shape.serialization.get("name", name).lower()] = value
        else:
            content[name] = value
    payload = operation.gives.serialization.get("payload")
    return headers, content[payload] if payload and not operation.stream else content


def _messages(reply: dict[str, Any], fault: Fault, known: Collection[str]) -> tuple[bytes, ...]:
    """The messages of a stream, spoilt as the fault says. ``known`` are the events and exceptions of its model."""
    parts = [frames.event(name, content) for name, content in converse.events(reply)]
    place = middle(len(parts), fault.frame)
    if fault.raises:
        named = fault.raises[:1].lower() + fault.raises[1:]
        parts[place:] = [
            frames.exception(named, fault.message) if named in known else frames.error(fault.raises, fault.message)
        ]
    made = []
    for number, (headers, payload) in enumerate(parts):
        spoilt = number == place
        body = payload[: len(payload) // 2] if spoilt and fault.malformed else payload
        made.append(frames.message(headers, body, wrong_crc=spoilt and fault.wrong_crc))
    return tuple(made)


def middle(length: int, place: int | None) -> int:
    """Where something happens in a sequence: the middle, or ``place``, which counts from the end below 0.

    >>> middle(10, None), middle(10, 3), middle(10, -1), middle(10, 99)
    (5, 3, 9, 10)
    """
    if place is None:
        return length // 2
    return max(0, length + place) if place < 0 else min(place, length)
