"""The interface to Lambda's functions in one region for the canary; ``function_client`` implements it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from builder.model.errors import FailureClass
from publisher.aws.gateway import GatewayError, PublishedVersion, Refused

FUNCTION_TIMEOUT_SECONDS = 60
FUNCTION_MEMORY_MB = 512  # Lambda gives a function CPU in proportion


@dataclass(frozen=True)
class Spec:
    """The parameters of ``CreateFunction``."""

    name: str
    description: str  #: names the run, to recognize the function
    role: str
    runtime: str
    architecture: str  #: the API name: ``arm64``
    layer: str  #: the ARN of a layer version
    handler: str
    code: bytes


@dataclass(frozen=True)
class Function:
    """A function as ``GetFunctionConfiguration`` returns it."""

    description: str
    state: str  #: ``Pending``, ``Active``, ``Failed`` …
    reason: str  #: of the state; often empty
    modified: datetime


@dataclass(frozen=True)
class Invoked:
    """The result of an invocation."""

    payload: bytes
    failed: bool  #: the function raised an error
    log: str  #: its last 4 KB


class NameTakenError(GatewayError):
    """A function of this name exists (ResourceConflictException)."""


class NotNowError(GatewayError):
    """The function's state does not allow this yet (409), or the function is not visible yet."""


class RoleError(GatewayError):
    """Lambda cannot assume the role: it does not exist, does not trust Lambda, or is too new."""

    failure_class = FailureClass.PERMANENT


class InvalidError(Refused):
    """A parameter of ``CreateFunction`` is not valid."""


class RuntimeRefused(Refused):
    """Lambda creates no functions of this runtime or architecture: retired, or not offered in the region."""


class Functions(Protocol):
    """Lambda's functions in one region. Every method is thread-safe and raises GatewayError.

    An implementation waits for the region's rate limit before each request and sends each request once.
    """

    def layer(self, name: str, number: int) -> PublishedVersion | None:
        """Return a layer version, or None if it does not exist."""

    def find(self, name: str) -> Function | None:
        """Return a function, or None if it does not exist."""

    def create(self, spec: Spec) -> None:
        """Create a function. Raises NameTakenError, RoleError, InvalidError, RuntimeRefused."""

    def invoke(self, name: str, event: dict[str, str]) -> Invoked:
        """Invoke a function and wait for its result. Raises NotNowError."""

    def delete(self, name: str) -> None:
        """Delete a function if it exists. Raises NotNowError."""
