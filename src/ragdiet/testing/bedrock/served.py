"""What the stand-in remembers of each request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock
from typing import Any

from ragdiet.testing.bedrock.bill import Bill, BillRow, Charge


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A request as it came, how it was answered, and what it is billed with.

    ``model`` is the identifier in the request, ``operation`` botocore's name of it; both are '' where the request
    was refused before they were known. ``code`` is AWS's error code. ``at`` is ``time.monotonic()`` of the server.
    """

    request_id: str
    operation: str
    model: str
    status: int
    region: str
    request: Mapping[str, Any]
    code: str = ""
    charge: Charge = field(default_factory=Charge)
    cost: Decimal | None = None
    billed: bool = False
    at: float = 0.0

    @property
    def input_tokens(self) -> int:
        """Tokens billed at the input rate."""
        return self.charge.input_tokens

    @property
    def output_tokens(self) -> int:
        """Tokens billed at the output rate."""
        return self.charge.output_tokens

    @property
    def cache_read_tokens(self) -> int:
        """Tokens read from the prompt cache."""
        return self.charge.cache_read_tokens

    @property
    def cache_write_tokens(self) -> int:
        """Tokens written to the prompt cache."""
        return self.charge.cache_write_tokens


class Journal:
    """All requests in the order in which they were answered or dropped, and how many ran at once."""

    def __init__(self) -> None:
        self._calls: list[Served] = []
        self._busy = self._most_busy = 0
        self._lock = Lock()

    def add(self, served: Served) -> None:
        """Note a request, before its first byte is sent."""
        with self._lock:
            self._calls.append(served)

    def busy(self, change: int) -> None:
        """A request has begun (+1) or ended (-1)."""
        with self._lock:
            self._busy += change
            self._most_busy = max(self._most_busy, self._busy)

    def clear(self) -> None:
        """Forget."""
        with self._lock:
            self._calls.clear()
            self._most_busy = self._busy

    @property
    def calls(self) -> tuple[Served, ...]:
        """The requests so far."""
        with self._lock:
            return tuple(self._calls)

    @property
    def most_at_once(self) -> int:
        """The most requests that were under way together."""
        return self._most_busy

    @property
    def bill(self) -> Bill:
        """The billed requests."""
        return Bill(
            tuple(
                BillRow(
                    request_id=call.request_id,
                    operation=call.operation,
                    model=call.charge.served or call.model,
                    charge=call.charge,
                    cost=call.cost,
                )
                for call in self.calls
                if call.billed
            )
        )
