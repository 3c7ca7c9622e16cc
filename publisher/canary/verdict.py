"""What a canary function said, held against what the ledger says. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from builder.model.target import Target
from publisher.catalog.lookup import same_version

#: Where Lambda unpacks a function's layers.
LAYERS = "/opt/"


@dataclass(frozen=True)
class Case:
    """A cell to try: a layer version, and what the ledger says of it."""

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


class Answer(BaseModel):
    """What a canary function says (``function/canary.py``)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: str
    metadata_from: str
    loaded_from: dict[str, str]
    import_seconds: float
    python: str
    machine: str


def read_answer(payload: bytes) -> Answer | None:
    """A function's answer; None where it is none that a canary gives."""
    try:
        return Answer.model_validate_json(payload)
    except ValidationError:
        return None


def read_error(payload: bytes) -> str:
    """What a failed function says of its error."""
    try:
        error = json.loads(payload)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return payload.decode("utf-8", "replace")[:400] or "it does not say why"


def problems(case: Case, answer: Answer) -> Iterator[str]:
    """What is not as the ledger says; nothing where the layer is proven."""
    if not same_version(answer.version, case.version):
        yield f"it holds {case.package} {answer.version}, the ledger says {case.version}"
    for name, place in {**answer.loaded_from, f"{case.package}'s metadata": answer.metadata_from}.items():
        if not f"{place}/".startswith(f"{LAYERS}python/"):
            yield f"{name} was loaded from {place or 'nowhere'}, not from the layer in {LAYERS}python"
    if answer.python.rsplit(".", 1)[0] != case.target.python:
        yield f"it ran on Python {answer.python}, not {case.target.python}"
    if answer.machine != case.target.architecture.value:
        yield f"it ran on {answer.machine}, not {case.target.architecture}"
