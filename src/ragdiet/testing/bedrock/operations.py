"""Which operation a request is for, read from botocore's service models, and its parameters as the model names them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import botocore.session

from ragdiet.testing.bedrock.refusal import Refused

PLAYED: Mapping[str, tuple[str, ...]] = {
    "bedrock-runtime": (
        "Converse",
        "ConverseStream",
        "InvokeModel",
        "CountTokens",
        "ApplyGuardrail",
        "InvokeGuardrailChecks",
    ),
    "bedrock-agent-runtime": ("Rerank",),
    "bedrock": ("GetInferenceProfile",),
}


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_LABEL = re.compile(r"\{(\w+)\+?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of a service, with its shapes. ``stream`` is the member that is an event stream, or ''."""

    name: str
    method: str
    path: re.Pattern[str]
    takes: Any
    gives: Any
    errors: frozenset[str]
    stream: str

    def parameters(self, path: str, query: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """The request by the model's own names. Refused where the body is not a JSON object."""
        found = self.path.fullmatch(path)
        assert found
        labels = {name: unquote(value) for name, value in found.groupdict().items()}
        queried = dict(parse_qsl(query, keep_blank_values=True))
        given: dict[str, Any] = {}
        payload = self.takes.serialization.get("payload")
        located = set()
        for name, member in self.takes.members.items():
            place = member.serialization.get("location")
            if place is None and name != payload:
                continue
            located.add(name)
            wire = member.serialization.get("name", name)
            source = {"uri": labels, "querystring": queried, "header": headers}.get(place, {})
            value = source.get(wire.lower() if place == "header" else wire)
            if value is not None:
                given[name] = value
        if payload:
            given[payload] = body
            return given
        return given | {name: value for name, value in _object(body).items() if name not in located}


class Operations:
    """The operations that are played, by method and path."""

    def __init__(self) -> None:
        session = botocore.session.get_session()
        self._all = [
            _operation(session.get_service_model(service).operation_model(name))
            for service, names in PLAYED.items()
            for name in names
        ]

    def __iter__(self) -> Any:
        return iter(self._all)

    def find(self, method: str, path: str) -> Operation:
        """The operation, or Refused: an unknown path and a wrong method look alike to AWS."""
        for operation in self._all:
            if operation.method == method and operation.path.fullmatch(path):
                return operation
        raise Refused("UnknownOperationException", f"no operation is played at {method} {path[:200]}")


def _operation(model: Any) -> Operation:
    uri, _, _ = model.http["requestUri"].partition("?")
    names = {shape.serialization.get("name", name): name for name, shape in model.input_shape.members.items()}
    parts = _LABEL.split(uri)  # literal, label, literal, ...
    path = "".join(
        f"(?P<{_label(names, part)}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts)
    )
    streams = [name for name, shape in model.output_shape.members.items() if shape.serialization.get("eventstream")]
    return Operation(
        name=model.name,
        method=model.http["method"],
        path=re.compile(path),
        takes=model.input_shape,
        gives=model.output_shape,
        errors=frozenset(shape.name for shape in model.error_shapes),
        stream=streams[0] if streams else "",
    )


def _label(names: Mapping[str, str], label: str) -> str:
    assert label in names, f"{label} is no member of the input"
    return label


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = _DECODER.decode(body.decode() or "{}")
    except (ValueError, RecursionError) as error:
        raise Refused("SerializationException", f"the body is not JSON: {str(error)[:200]}") from error
    if not isinstance(content, dict):
        raise Refused("SerializationException", f"{type(content).__name__} cannot be read as a structure at '#'")
    return content
