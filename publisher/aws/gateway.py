"""What the publisher asks of Lambda in one region, and what can go wrong: a port, with boto3 behind it in ``boto``.

Facts are what AWS says, in our units: sha256 in hex (AWS: base64), architecture and runtime under the API's names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: How AWS writes ``CreatedDate``: ``2026-11-23T20:40:15.000+0000``.
CREATED_FORMAT = "%Y-%m-%dT%H:%M:%S.%f%z"


@dataclass(frozen=True)
class Listed:
    """A layer version as a list shows it. Lists have no sha256."""

    layer_name: str
    number: int
    arn: str
    description: str
    created: str  #: ISO 8601, as AWS writes it: ``2026-11-23T20:40:15.000+0000``
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Held(Listed):
    """A layer version as ``GetLayerVersion`` or ``PublishLayerVersion`` shows it."""

    sha256: str = ""
    size: int = 0
    location: str = ""  #: a download link that lives ten minutes; empty after a publish where AWS gives none


@dataclass(frozen=True)
class Grant:
    """One statement of a layer version's policy that allows ``lambda:GetLayerVersion``."""

    statement_id: str
    principal: str  #: ``*`` or an account number
    organization: str | None = None


@dataclass(frozen=True)
class Zip:
    """A zip on this machine. ``sha256`` is proved before it is sent, and compared with what AWS says it got."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Publication:
    """Everything a ``PublishLayerVersion`` says; the same in every region."""

    layer_name: str
    description: str
    license: str
    runtimes: tuple[str, ...]
    architectures: tuple[str, ...]
    zip: Zip


class GatewayError(Exception):
    """A call to AWS failed. ``request_id`` is what AWS's support asks for, where there is one."""

    def __init__(self, message: str, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id


class Throttled(GatewayError):  # noqa: N818 - named for what AWS did
    """Over the quota. AWS did nothing: safe to send again, later."""


class Unavailable(GatewayError):  # noqa: N818
    """No answer, a broken one, or a 5xx. Whether AWS acted is unknown."""


class Unreachable(Unavailable):
    """No connection was made, so the request was never sent."""


class Refused(GatewayError):  # noqa: N818
    """AWS said no for good: not allowed, not valid, over a limit. It did nothing."""


class CredentialsRefused(Refused):
    """The credentials are missing, wrong or expired: no other call will do better."""


class StatementExists(GatewayError):  # noqa: N818
    """A permission with this statement id is there already (409)."""


class Lambda(Protocol):
    """Lambda's layers in one region. Every method may be called from any thread, and raises GatewayError.

    An implementation takes its turn at the region's pace before every single request (``pace.TokenBucket``, given to
    it when it is made), sends each request once, and retries nothing: ``retry`` does that for what is safe to repeat.
    """

    @property
    def region(self) -> str: ...

    def latest(self, names: Sequence[str]) -> Mapping[str, Listed]:
        """The newest version of each of these layers, in as few calls as will do; a layer without any is left out."""

    def versions(self, name: str, above: int = 0) -> tuple[Listed, ...]:
        """The versions of a layer with numbers over ``above``, newest first; no more pages are read than needed."""

    def get(self, name: str, number: int) -> Held | None:
        """One layer version, or None where there is none."""

    def grants(self, name: str, number: int) -> tuple[Grant, ...]:
        """Who may use a layer version; empty where it has no policy."""

    def publish(self, publication: Publication) -> Held:
        """Make a new version. Sent once: after ``Unavailable`` the caller must look before it sends again."""

    def grant(self, name: str, number: int, grant: Grant) -> None:
        """Add a permission. Raises ``StatementExists`` where the statement id is taken."""

    def revoke(self, name: str, number: int, statement_id: str) -> None:
        """Take a permission away; nothing happens where it is not there."""

    def download(self, held: Held, to: Path) -> None:
        """Fetch a version's zip into a file and prove its sha256; the file appears whole or not at all."""
