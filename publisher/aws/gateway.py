"""The port to Lambda's layers in one region: values, errors and a protocol; ``lambda_client`` implements it.

Values use this program's units: sha256 in hex (AWS uses base64); architectures and runtimes have their API names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from builder.model.errors import FailureClass

RUN_AGAIN = "run the same command again"
#: How AWS writes ``CreatedDate``: ``2026-11-23T20:40:15.000+0000``.
CREATED_FORMAT = "%Y-%m-%dT%H:%M:%S.%f%z"


@dataclass(frozen=True)
class ListedVersion:
    """A layer version as ``ListLayerVersions`` returns it: without a sha256."""

    layer_name: str
    number: int
    arn: str
    description: str
    created: str  #: ISO 8601, as AWS writes it: ``2026-11-23T20:40:15.000+0000``
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublishedVersion(ListedVersion):
    """A layer version as ``GetLayerVersion`` or ``PublishLayerVersion`` returns it."""

    sha256: str = ""
    size: int = 0
    location: str = ""  #: a download link that is valid for ten minutes; may be empty after a publish
    signed_by: str | None = None  #: AWS Signer: profile/version; None if the zip is not signed
    signing_job: str | None = None  #: its ARN


@dataclass(frozen=True)
class Grant:
    """A statement of a layer version's policy that allows ``lambda:GetLayerVersion``."""

    statement_id: str
    principal: str  #: ``*`` or an account number
    organization: str | None = None


@dataclass(frozen=True)
class Zip:
    """A zip file on this machine. ``sha256`` is checked before the upload, and again in the response."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Publication:
    """The parameters of a ``PublishLayerVersion`` request, the same in every region."""

    layer_name: str
    description: str
    license: str
    runtimes: tuple[str, ...]
    architectures: tuple[str, ...]
    zip: Zip

    @property
    def fields(self) -> dict[str, Any]:
        """The fields other than name and content. Empty lists are left out: some regions refuse the field."""
        fields = {
            "Description": self.description,
            "LicenseInfo": self.license,
            "CompatibleRuntimes": list(self.runtimes),
            "CompatibleArchitectures": list(self.architectures),
        }
        return {key: value for key, value in fields.items() if value != []}


@dataclass(frozen=True)
class Failure:
    """Why a request, a region or a cell failed."""

    text: str  #: with the error code of AWS or the name of the exception
    failure_class: FailureClass = FailureClass.TEMPORARY
    advice: str | None = None  #: what to do, where running the command again is not enough
    request_id: str | None = None  #: of AWS, for a support case

    def __str__(self) -> str:
        return self.text

    def fix(self, if_permanent: str) -> str:
        """Return what to do: the advice, or "run again" if that can help, or else ``if_permanent``."""
        temporary = self.failure_class is FailureClass.TEMPORARY
        return self.advice or (RUN_AGAIN if temporary else if_permanent)


class GatewayError(Exception):
    """A request to AWS failed."""

    failure_class: FailureClass = FailureClass.TEMPORARY

    def __init__(self, message: str, request_id: str | None = None, advice: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id
        self.advice = advice

    @property
    def failure(self) -> Failure:
        """The failure as a value."""
        return Failure(self.message, self.failure_class, self.advice, self.request_id)


class Interrupted(GatewayError):  # noqa: N818 - named for what happened
    """The command is stopping: the request was not sent."""


class Throttled(GatewayError):  # noqa: N818 - named for what AWS did
    """The request quota is exceeded. AWS did nothing: retry later."""


class Unavailable(GatewayError):  # noqa: N818
    """No response, an invalid one, or a 5xx status. Whether AWS acted is unknown."""


class Unreachable(Unavailable):
    """No connection was made, so AWS did not get the request."""


class Refused(GatewayError):  # noqa: N818
    """AWS refused the request: not allowed, not valid, or over a limit. It did nothing, and a retry fails as well."""

    failure_class = FailureClass.PERMANENT


class CredentialsRefused(Refused):
    """The credentials are missing, wrong or expired: every other request fails as well."""


class CredentialsMissing(CredentialsRefused):
    """boto3 finds no credentials, or cannot renew them: no request was sent."""


class CredentialsUnknown(CredentialsRefused):
    """AWS does not know the access key or the token. A region that is not enabled responds so, too."""


class RegionDisabled(Refused):
    """The account has not enabled this region."""


class FieldsRefused(Refused):
    """The region's Lambda refuses these optional fields of ``PublishLayerVersion``."""

    def __init__(self, message: str, request_id: str | None, fields: frozenset[str]) -> None:
        super().__init__(message, request_id)
        self.fields = fields  #: of ``CompatibleRuntimes`` and ``CompatibleArchitectures``


class ParameterRefused(Refused):
    """SSM refuses to change this parameter. It may accept others."""


class StorageExceeded(Refused):
    """The account's code storage in the region is full."""


class StatementExists(GatewayError):  # noqa: N818
    """The policy has a statement with this id already (409)."""

    failure_class = FailureClass.PERMANENT


class VersionMissing(Refused):
    """The policy cannot be changed because the layer version does not exist, or AWS does not find it yet."""


class Lambda(Protocol):
    """Lambda's layers in one region. Every method is thread-safe and raises GatewayError.

    An implementation waits for the region's rate limit before each request (``rate_limit.TokenBucket``), sends each
    request once and never retries: ``retry_policy`` repeats what is safe to repeat.
    """

    @property
    def region(self) -> str: ...

    def latest(self, names: Sequence[str]) -> Mapping[str, ListedVersion]:
        """Return the newest version of each of these layers, in few requests; layers without versions are left out."""

    def versions(self, name: str, above: int = 0) -> tuple[ListedVersion, ...]:
        """Return the versions of a layer with numbers over ``above``, newest first."""

    def get(self, name: str, number: int) -> PublishedVersion | None:
        """Return a layer version, or None if it does not exist."""

    def grants(self, name: str, number: int) -> tuple[Grant, ...]:
        """Return who may use a layer version; empty if it has no policy."""

    def publish(self, publication: Publication) -> PublishedVersion:
        """Publish a new version. Sent once: after ``Unavailable`` the caller must check before it sends again."""

    def grant(self, name: str, number: int, grant: Grant) -> None:
        """Add a permission.

        Raise ``StatementExists`` if the policy has the statement id already, ``VersionMissing`` without the version.
        """

    def revoke(self, name: str, number: int, statement_id: str) -> bool:
        """Remove a permission, if it exists. Return whether it did."""

    def download(self, published: PublishedVersion, path: Path) -> None:
        """Download a version's zip and check its sha256. ``path`` is written whole or not at all."""
