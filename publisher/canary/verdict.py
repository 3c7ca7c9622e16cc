"""Compare the result of a canary function with the ledger. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from builder.model.target import Target
from builder.model.versions import same_version

#: Where Lambda unpacks a function's layers.
LAYERS = "/opt/"


@dataclass(frozen=True)
class Case:
    """A layer version to try, with its record in the ledger."""

    region: str
    target: Target
    number: int
    arn: str
    sha256: str
    package: str
    version: str

    @property
    def id(self) -> str:
        """The cell's identifier: ``us-east-1/py3.12-x86_64``."""
        return f"{self.region}/{self.target.id}"


class CanaryResult(BaseModel):
    """The result of a canary function (``function/canary.py``)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: str
    metadata_from: str
    loaded_from: dict[str, str]
    import_seconds: float
    python: str
    machine: str


def read_result(payload: bytes) -> CanaryResult | None:
    """Parse a function's result; None if it is not one of a canary."""
    try:
        return CanaryResult.model_validate_json(payload)
    except ValidationError:
        return None


def read_error(payload: bytes) -> str:
    """Return the error of a failed function."""
    try:
        error = json.loads(payload)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return payload.decode("utf-8", "replace")[:400] or "no reason given"


def problems(case: Case, result: CanaryResult) -> Iterator[str]:
    """Yield each difference from the ledger; none if the layer is proven."""
    if not same_version(result.version, case.version):
        yield f"it contains {case.package} {result.version}, the ledger has {case.version}"
    for name, place in {**result.loaded_from, f"{case.package}'s metadata": result.metadata_from}.items():
        if not f"{place}/".startswith(f"{LAYERS}python/"):
            yield f"{name} was loaded from {place or 'nowhere'}, not from the layer in {LAYERS}python"
    if result.python.rsplit(".", 1)[0] != case.target.python:
        yield f"it ran on Python {result.python}, not {case.target.python}"
    if result.machine != case.target.architecture.value:
        yield f"it ran on {result.machine}, not {case.target.architecture}"
