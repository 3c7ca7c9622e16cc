"""What a canary asks of Lambda in one region, and what can go wrong: a port, with boto3 behind it in ``boto``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from publisher.aws.gateway import GatewayError, Held, Refused

#: Seconds that a function has for an answer, and its memory in MB (a CPU's share goes with it).
FUNCTION_TIMEOUT = 60
FUNCTION_MEMORY = 512


@dataclass(frozen=True)
class Spec:
    """Everything a ``CreateFunction`` says."""

    name: str
    description: str  #: names the run, so that a function is known again
    role: str
    runtime: str
    architecture: str  #: Lambda's name for it
    layer: str  #: the ARN of a layer version
    handler: str
    code: bytes


@dataclass(frozen=True)
class Function:
    """A function as Lambda shows it."""

    description: str
    state: str  #: ``Pending``, ``Active``, ``Failed`` …
    reason: str  #: why it is in this state; mostly empty
    modified: datetime


@dataclass(frozen=True)
class Invoked:
    """What an invocation gave."""

    payload: bytes
    failed: bool  #: the function, not the call
    log: str  #: its last 4 KB


class NameTakenError(GatewayError):
    """There is a function of this name already (409)."""


class NotNowError(GatewayError):
    """The function is in a state that does not allow this, yet (409), or it does not show everywhere yet."""


class RoleError(GatewayError):
    """Lambda cannot assume the role: it is not there, trusts somebody else, or is so new that this is not known yet."""


class InvalidError(Refused):
    """Lambda takes no function like this: something in the request is not valid."""


class Functions(Protocol):
    """Lambda's functions in one region. Every method may be called from any thread, and raises GatewayError.

    An implementation takes its turn at the region's pace before every request and sends each once.
    """

    def layer(self, name: str, number: int) -> Held | None:
        """A layer version, or None where there is none."""

    def find(self, name: str) -> Function | None:
        """A function, or None where there is none."""

    def create(self, spec: Spec) -> None:
        """Make a function. Raises NameTakenError, RoleError, InvalidError."""

    def invoke(self, name: str, event: dict[str, str]) -> Invoked:
        """Invoke a function, and wait for its answer. Raises NotNowError."""

    def delete(self, name: str) -> None:
        """Remove a function; nothing happens where there is none. Raises NotNowError."""
