"""What the owner of a stand-in may ask of it while it runs, whether it is a thread or a process away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ragdiet.testing.bedrock.service import Service

_COMMANDS: Mapping[str, Callable[..., Any]] = {
    "calls": lambda service: service.journal.calls,
    "bill": lambda service: service.journal.bill,
    "most_at_once": lambda service: service.journal.most_at_once,
    "failures": lambda service: tuple(service.failures),
    "script": lambda service, faults, **to: service.script.next(faults, **to),
    "standing": lambda service, faults, **to: service.script.standing(faults, **to),
    "reset": lambda service: service.reset(),
}


def obey(service: Service, name: str, *args: Any, **given: Any) -> Any:
    """The result of a command."""
    return _COMMANDS[name](service, *args, **given)
