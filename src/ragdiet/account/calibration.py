"""Our counter's tokens as each model bills them, learnt from the usage that comes back with its replies."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from ragdiet.account.ratio import WINDOW, Ratio
from ragdiet.errors import RagdietError
from ragdiet.observe import current

_SHORTEST = 32
"""Counted tokens of a reply that is learnt from: of shorter ones most is what a model puts round a text."""

_FURTHEST = math.log(8)
"""No two tokenizers are that far apart: such a usage is a fault, not a ratio."""

_WAIT = 30.0  # seconds, and replies, that wait to be kept
_MANY = 20
_TOGETHER = 8
"""Replies within the band of a full window that are taken into it together; one outside is taken in at once."""

_MOST_REMEMBERED = 10_000

_log = logging.getLogger("ragdiet.account")

Key: TypeAlias = tuple[str, str]
"""A model's exact id, and the name of our counter."""


class Kept(Protocol):
    """Where ratios outlive the process: a tenant's own, as texts of another language are billed differently."""

    def load(self, tenant: str) -> Mapping[Key, Sequence[float]]: ...

    def add(self, tenant: str, fresh: Mapping[Key, Sequence[float]]) -> None: ...


class Calibration:
    """The ratios of all models, by tenant; safe in threads. With ``kept`` they are read from there at the first use
    and added to every 20 replies or 30 seconds, and at ``close``; without, they live as long as this object."""

    def __init__(self, kept: Kept | None = None) -> None:
        self._kept = kept
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, model: str, counter: str) -> BilledTokens:
        """The ratio of one model to the counter of this name, for whichever tenant asks."""
        return BilledTokens(self, (model, counter))

    def ratio(self, key: Key) -> Ratio:
        """That of the tenant whose call this is."""
        return self._tenant(current().tenant).ratio(key)

    def learn(self, key: Key, counted: int, billed: int) -> None:
        """Take in the usage of a reply: ``billed`` input tokens for ``counted`` of ours."""
        if counted < _SHORTEST or billed <= 0 or abs(log := math.log(billed / counted)) > _FURTHEST:
            return
        name = current().tenant
        tenant = self._tenant(name)
        tenant.add(key, log)
        if self._kept and tenant.is_due():
            self._keep(name, tenant)

    def close(self) -> None:
        """Keep what was learnt since the last time."""
        with self._lock:
            tenants = list(self._tenants.items())
        for name, tenant in tenants:
            self._keep(name, tenant)

    def _tenant(self, name: str) -> _Tenant:
        with self._lock:
            if name in self._tenants:
                self._tenants.move_to_end(name)
                return self._tenants[name]
        known: Mapping[Key, Sequence[float]] = {}
        if self._kept:
            try:
                known = self._kept.load(name)
            except RagdietError as error:  # an estimate by the constant is no reason to fail a question
                _log.warning("the learnt token ratios could not be read, so tokens are estimated: %s", error)
        gone: tuple[str, _Tenant] | None = None
        with self._lock:
            tenant = self._tenants.setdefault(name, _Tenant(known))
            if len(self._tenants) > _MOST_REMEMBERED:
                gone = self._tenants.popitem(last=False)
        if gone:
            self._keep(*gone)
        return tenant

    def _keep(self, name: str, tenant: _Tenant) -> None:
        fresh = tenant.take()
        if not self._kept or not fresh:
            return
        try:
            self._kept.add(name, fresh)
        except RagdietError as error:
            _log.warning("token ratios that were learnt could not be kept: %s", error)


class BilledTokens:
    """One model's ratio: ``now`` is the band that the replies until now give."""

    def __init__(self, calibration: Calibration, key: Key) -> None:
        self._calibration = calibration
        self._key = key

    @property
    def now(self) -> Ratio:
        return self._calibration.ratio(self._key)

    def learn(self, counted: int, billed: int) -> None:
        """Take in the usage of a reply."""
        self._calibration.learn(self._key, counted, billed)


@runtime_checkable
class Calibrated(Protocol):
    """A piece whose model's ratio is learnt."""

    billed: BilledTokens


class _Tenant:
    """The latest logarithms of each ratio, and which of them are still to be kept."""

    def __init__(self, known: Mapping[Key, Sequence[float]]) -> None:
        self._ratios = {key: Ratio(tuple(logs[-WINDOW:])) for key, logs in known.items()}
        self._waiting: dict[Key, list[float]] = {}
        self._fresh: dict[Key, list[float]] = {}
        self._kept_at = time.monotonic()
        self._lock = threading.Lock()

    def ratio(self, key: Key) -> Ratio:
        return self._ratios.get(key, _UNKNOWN)

    def add(self, key: Key, log: float) -> None:
        with self._lock:
            ratio = self._ratios.get(key, _UNKNOWN)
            waiting = self._waiting.setdefault(key, [])
            waiting.append(log)
            # To reckon a band takes longer than all else that is done for a reply.
            if len(ratio.logs) < WINDOW or not ratio.holds(log) or len(waiting) >= _TOGETHER:
                self._ratios[key] = Ratio((*ratio.logs, *waiting)[-WINDOW:])
                waiting.clear()
            self._fresh.setdefault(key, []).append(log)

    def is_due(self) -> bool:
        with self._lock:
            waiting = sum(map(len, self._fresh.values()))
            return waiting >= _MANY or (waiting > 0 and time.monotonic() - self._kept_at > _WAIT)

    def take(self) -> dict[Key, list[float]]:
        with self._lock:
            fresh, self._fresh = self._fresh, {}
            self._kept_at = time.monotonic()
            return fresh


_UNKNOWN = Ratio(())
