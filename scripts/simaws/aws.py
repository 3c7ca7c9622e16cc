"""The simulation: regions, zips, and the gate that every call passes."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import TypeVar

from builder.model.clock import Clock
from builder.model.matrix import QUOTA_PER_SECOND
from scripts.simaws.contents import Contents
from scripts.simaws.faults import Fault, Faults, FaultState
from scripts.simaws.layers import Lagging, LayerVersion, RegionLayers
from scripts.simaws.limits import AwsError
from scripts.simaws.virtual_clock import VirtualClock

T = TypeVar("T")

#: The wall clock time at the start of the simulation.
EPOCH = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
#: The client's read timeout, in virtual time.
READ_TIMEOUT_SECONDS = 60.0


class Broken(Exception):  # noqa: N818 - a response, not a defect
    """The call has no response, or an invalid one; ``fault`` has the reason."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True)
class Call:
    """One call in the log. ``acted``: the operation was executed, with success or with an error."""

    at: float
    region: str
    operation: str
    fault: Fault | None
    acted: bool


class SimulatedAws:
    """One account's Lambda in some regions. Thread-safe.

    ``list_lag`` is the longest time for which lists do not show a new version, ``policy_lag`` for which a policy shows
    its earlier statements, and ``read_lag`` for which ``GetLayerVersion`` does not find a new version; ``latency`` the
    range of a call's time.
    """

    def __init__(
        self,
        account: str,
        regions: Iterable[str],
        *,
        clock: Clock | None = None,
        faults: Faults = Faults(),  # noqa: B008 - frozen
        list_lag: float = 0.0,
        policy_lag: float = 0.0,
        read_lag: float = 0.0,
        latency: tuple[float, float] = (0.0, 0.0),
        quota: int = QUOTA_PER_SECOND,
        seed: int = 0,
        folder: Path | None = None,
    ) -> None:
        self.account = account
        self.clock: Clock = clock or VirtualClock()
        self.contents = Contents(folder)
        self.log: list[Call] = []
        self.lock = threading.RLock()
        self._chance = Random(seed)  # noqa: S311 - repeatable on purpose
        self._latency = latency
        self._quota = quota
        self._recent: dict[str, deque[float]] = {region: deque() for region in regions}
        self._faults = FaultState(faults)
        self.list_lag = list_lag
        self.policy_lag = policy_lag
        self.read_lag = read_lag
        self.regions = {
            region: RegionLayers(account, region, self.clock.monotonic, self._lag) for region in self._recent
        }

    def call(self, region: str, operation: str, act: Callable[[RegionLayers], T], *, counted: bool = True) -> T:
        """Pass a call through the gate. Return the response, or raise ``AwsError`` or ``Broken``. ``counted``: by the
        quota.
        """
        with self.lock:
            request_seconds = self._chance.uniform(*self._latency) / 2
            response_seconds = self._chance.uniform(*self._latency) / 2
        self._wait(request_seconds)
        try:
            with self.lock:
                return self._admit(region, operation, act, counted)
        except Broken as broken:
            if broken.fault in (Fault.SILENCE_BEFORE, Fault.SILENCE_AFTER) and isinstance(self.clock, VirtualClock):
                self._wait(READ_TIMEOUT_SECONDS)
            raise
        finally:
            self._wait(response_seconds)

    def set_faults(self, faults: Faults) -> None:
        """Replace the faults and reset their counts."""
        with self.lock:
            self._faults = FaultState(faults)

    def counts(self) -> Counter[str]:
        """Return the number of calls by operation."""
        return Counter(call.operation for call in self.log)

    def wall_time(self, moment: float) -> datetime:
        """Return the wall clock time for a time of ``clock``."""
        return EPOCH + timedelta(seconds=moment)

    def versions(self, region: str, name: str) -> dict[int, LayerVersion]:
        """Return every existing version of a layer, by number."""
        with self.lock:
            return {v.number: v for v in self.regions[region].all_versions() if v.layer_name == name}

    def _admit(self, region: str, operation: str, act: Callable[[RegionLayers], T], counted: bool) -> T:
        fault = self._faults.next(region, operation)
        acted = False
        try:
            if fault is Fault.NO_CONNECTION or region not in self.regions:
                raise Broken(Fault.NO_CONNECTION)
            if fault is Fault.THROTTLE or (counted and self._over_quota(region)):
                raise AwsError(429, "TooManyRequestsException", "Rate exceeded")
            if fault is Fault.EXPIRED:
                raise AwsError(403, "ExpiredTokenException", "The security token included in the request is expired")
            if fault is None or fault.acts:
                acted = True
                response = act(self.regions[region])
            if fault in (Fault.ERROR_BEFORE, Fault.ERROR_AFTER):
                raise AwsError(500, "ServiceException", "An error occurred and the request cannot be processed.")
            if fault is not None:
                raise Broken(fault)
            return response
        finally:
            self.log.append(Call(self.clock.monotonic(), region, operation, fault, acted))

    def _over_quota(self, region: str) -> bool:
        """Whether a call exceeds the quota in any second. Refused calls do not count."""
        now, recent = self.clock.monotonic(), self._recent[region]
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= self._quota:
            return True
        recent.append(now)
        return False

    def _lag(self, response: Lagging) -> float:
        """Return how long a response does not show a change that is made now."""
        longest = {"list": self.list_lag, "policy": self.policy_lag, "read": self.read_lag}[response]
        return self._chance.uniform(0 if response == "list" else longest / 2, longest)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self.clock.sleep(seconds)
