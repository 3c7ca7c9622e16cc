"""Faults of the simulation: scripted (``At``) or random with a seed. The same calls get the same faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from random import Random


class Fault(Enum):
    """The fault of a call. *After*: the operation was executed, and only its response is lost."""

    THROTTLE = "throttle"
    ERROR_BEFORE = "500 before the act"
    ERROR_AFTER = "500 after the act"
    RESET_BEFORE = "reset before the act"
    RESET_AFTER = "reset after the act"
    SILENCE_BEFORE = "no response, no act"
    SILENCE_AFTER = "no response after the act"
    GARBAGE = "an invalid response after the act"
    NO_CONNECTION = "no connection"
    EXPIRED = "expired credentials"

    @property
    def acts(self) -> bool:
        """Whether AWS executes the operation despite the fault."""
        return self in (Fault.ERROR_AFTER, Fault.RESET_AFTER, Fault.SILENCE_AFTER, Fault.GARBAGE)


#: Faults after which the same run may still succeed.
PASSING = tuple(fault for fault in Fault if fault is not Fault.EXPIRED)


@dataclass(frozen=True)
class At:
    """A fault at the ``nth`` call (from 1) of a region and operation (None: any), and at the following calls."""

    fault: Fault
    nth: int = 1
    region: str | None = None
    operation: str | None = None
    times: int | None = 1  #: number of consecutive calls; None: all

    def matches(self, region: str, operation: str) -> bool:
        """Whether it applies to the region and operation of a call."""
        return self.region in (None, region) and self.operation in (None, operation)

    def hits(self, count: int) -> bool:
        """Whether the ``count``-th matching call gets the fault."""
        return count >= self.nth and (self.times is None or count < self.nth + self.times)


@dataclass(frozen=True)
class Faults:
    """All faults of a simulation: the scripted ones, and random ones for the fraction ``rate`` of all other calls."""

    scripted: tuple[At, ...] = ()
    rate: float = 0.0
    seed: int = 0


@dataclass
class FaultState:
    """Counts calls and chooses their faults. Not thread-safe: the owner must lock."""

    faults: Faults
    _counts: dict[object, int] = field(default_factory=dict)

    def next(self, region: str, operation: str) -> Fault | None:
        """Return the fault of this call, or None."""
        matching: Fault | None = None
        for index, place in enumerate(self.faults.scripted):
            if place.matches(region, operation) and place.hits(self._count(index)):
                matching = matching or place.fault
        nth = self._count(region)
        if matching or not self.faults.rate:
            return matching
        chance = Random(f"{self.faults.seed}/{region}/{nth}")  # noqa: S311 - repeatable on purpose
        return chance.choice(PASSING) if chance.random() < self.faults.rate else None

    def _count(self, key: object) -> int:
        self._counts[key] = self._counts.get(key, 0) + 1
        return self._counts[key]
