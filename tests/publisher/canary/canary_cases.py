"""A region's functions in memory, with a clock and faults that the embedded AWS cannot produce on demand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from builder.model.matrix import Matrix
from publisher.aws.gateway import PublishedVersion
from publisher.canary.function_port import Function, Invoked, NameTakenError, NotNowError, Spec
from publisher.canary.trial import Setting
from publisher.canary.verdict import Case
from scripts.simaws import VirtualClock
from tests.publisher.reconcile.plan_cases import digest, small_matrix

MATRIX = small_matrix()
EPOCH = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
ROLE = "arn:aws:iam::123456789012:role/demo-layers-canary"


def case_of(region: str = "us-east-1", matrix: Matrix = MATRIX) -> Case:
    """Return the first cell of a region."""
    cell = next(cell for cell in matrix.cells if cell.region == region)
    return Case(region, cell.target, 3, matrix.layer_arn(cell, 3), digest("layer"), "demo", "1.0")


def answer_of(case: Case, **changes: object) -> bytes:
    """Return the response of a cell's function if everything works."""
    right = {
        "version": case.version,
        "metadata_from": "/opt/python",
        "loaded_from": {"demo": "/opt/python/demo/__init__.py"},
        "import_seconds": 0.25,
        "python": f"{case.target.python}.7",
        "machine": case.target.architecture.value,
    }
    return json.dumps({**right, **changes}).encode()


@dataclass
class Fault:
    """``operation`` fails with this error, ``times`` times; with ``acts``, after AWS has acted."""

    operation: str
    error: BaseException
    times: int = 1
    acts: bool = False


@dataclass
class Region:
    """``Functions`` in memory."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    sha256: str = digest("layer")
    payload: bytes = answer_of(case_of())
    failed: bool = False
    state: str = "Active"
    pending: float = 1.0  #: seconds
    faults: list[Fault] = field(default_factory=list)
    there: dict[str, tuple[Spec, datetime]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.clock.monotonic())

    def setting(self, **changes: object) -> Setting:
        return Setting(**{"run": "this", "clock": self.clock, "now": self.now, **changes})  # type: ignore[arg-type]

    def put(self, name: str, age: timedelta, run: str = "another") -> None:
        """Add a function that another run created."""
        spec = Spec(name, f"layers canary of demo 1.0, run {run}", "", "", "", "", "", b"")
        self.there[name] = (spec, self.now() - age)

    def layer(self, name: str, number: int) -> PublishedVersion | None:
        self._fault("layer")
        self._after("layer")
        return PublishedVersion(name, number, "", "", "", sha256=self.sha256, size=1) if self.sha256 else None

    def find(self, name: str) -> Function | None:
        self._fault("find")
        self._after("find")
        if name not in self.there:
            return None
        spec, made = self.there[name]
        pending = self.now() - made < timedelta(seconds=self.pending)
        return Function(spec.description, "Pending" if pending else self.state, "", made)

    def create(self, spec: Spec) -> None:
        self._fault("create")
        if spec.name in self.there:
            raise NameTakenError("ResourceConflictException: Function already exist")
        self.there[spec.name] = (spec, self.now())
        self._after("create")

    def invoke(self, name: str, event: dict[str, str]) -> Invoked:
        self._fault("invoke")
        if name not in self.there:
            raise NotNowError("ResourceNotFoundException: Function not found")
        self._after("invoke")
        return Invoked(self.payload, self.failed, "the end of the log")

    def delete(self, name: str) -> None:
        self._fault("delete")
        self.there.pop(name, None)
        self._after("delete")

    def _fault(self, operation: str) -> None:
        self.calls.append(operation)
        self._meet(operation, acts=False)

    def _after(self, operation: str) -> None:
        self._meet(operation, acts=True)

    def _meet(self, operation: str, acts: bool) -> None:
        for fault in self.faults:
            if (fault.operation, fault.acts) == (operation, acts) and fault.times > 0:
                fault.times -= 1
                raise fault.error
