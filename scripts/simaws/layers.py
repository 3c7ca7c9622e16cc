"""Lambda's layers in one region: the state, and the operations as the API reference documents them, without faults.

The caller holds the simulation's lock. The limits are from the developer guide ("Lambda quotas") and from
botocore's service model, with which a test compares them.
"""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from builder.model.regions import partition_of

LAYER_NAME = re.compile(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+)"
    r"|[a-zA-Z0-9-_]+"
)
STATEMENT_ID = re.compile(r"([a-zA-Z0-9-_]+)")
PRINCIPAL = re.compile(r"\d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root")
ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
NAME_LENGTH = 140
STATEMENT_ID_LENGTH = 100
DESCRIPTION_LENGTH = 256
LICENSE_LENGTH = 512
RUNTIMES = 15
ARCHITECTURES = 2
PAGE = 50
ZIPPED = 52_428_800
UNZIPPED = 262_144_000
REQUEST = 69_905_067


class AwsError(Exception):
    """An error response of AWS: status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class LayerVersion:
    """One layer version. Lists include it from the time ``shown``, and reads find it from ``readable``."""

    layer_name: str
    number: int
    arn: str
    description: str
    license: str
    runtimes: tuple[str, ...]
    architectures: tuple[str, ...]
    sha256: str  #: in hex
    size: int
    created: float
    shown: float
    readable: float

    @property
    def code_sha256(self) -> str:
        """The digest in the API's encoding."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()


@dataclass(frozen=True)
class Statement:
    """One statement of a layer version's policy."""

    sid: str
    principal: str
    organization: str | None = None


@dataclass(frozen=True)
class Content:
    """A checked zip, and how to read it again."""

    sha256: str
    size: int
    read: Callable[[], bytes]


class Contents:
    """The zips of the whole simulation, each stored once; large ones in ``folder``, if given."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, Content] = {}

    def __getitem__(self, digest: str) -> Content:
        return self._known[digest]

    def add(self, data: bytes) -> Content:
        """Check a zip as Lambda does, and store it."""
        digest = sha256(data).hexdigest()
        if digest not in self._known:
            _check_zip(data)
            self._known[digest] = Content(digest, len(data), self._keep(digest, data))
        return self._known[digest]

    def _keep(self, digest: str, data: bytes) -> Callable[[], bytes]:
        if self._folder is None or len(data) < 1 << 20:
            return lambda: data
        path = self._folder / f"{digest}.zip"
        path.write_bytes(data)
        return path.read_bytes


@dataclass
class _Layer:
    last: int = 0  #: never decreases, also after deletions
    versions: dict[int, LayerVersion] = field(default_factory=dict)
    policies: dict[int, dict[str, Statement]] = field(default_factory=dict)
    #: The policy before the last changes, and the time until which ``GetLayerVersionPolicy`` still returns it.
    earlier: dict[int, tuple[float, dict[str, Statement]]] = field(default_factory=dict)


class RegionLayers:
    """The layers of one account in one region."""

    def __init__(
        self,
        account: str,
        region: str,
        now: Callable[[], float],
        lag: Callable[[], float],
        policy_lag: Callable[[], float] = lambda: 0.0,
        read_lag: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.account = account
        self.region = region
        self._now = now
        self._lag = lag
        self._policy_lag = policy_lag
        self._read_lag = read_lag
        self._layers: dict[str, _Layer] = {}

    # -- operations --------------------------------------------------------------------------------------------------

    def publish(
        self,
        name: str,
        content: Content,
        description: str = "",
        license_info: str = "",
        runtimes: Sequence[str] = (),
        architectures: Sequence[str] = (),
    ) -> LayerVersion:
        """PublishLayerVersion: assigns the next number, also for bytes that exist already."""
        name = self._own(name)
        _check("description", len(description) <= DESCRIPTION_LENGTH, description)
        _check("licenseInfo", len(license_info) <= LICENSE_LENGTH, license_info)
        _check("compatibleRuntimes", len(runtimes) <= RUNTIMES and set(runtimes) <= known_runtimes(), runtimes)
        _check(
            "compatibleArchitectures",
            len(architectures) <= ARCHITECTURES and set(architectures) <= {"x86_64", "arm64"},
            architectures,
        )
        layer = self._layers.setdefault(name, _Layer())
        layer.last += 1
        version = LayerVersion(
            layer_name=name,
            number=layer.last,
            arn=f"{self.arn(name)}:{layer.last}",
            description=description,
            license=license_info,
            runtimes=tuple(runtimes),
            architectures=tuple(architectures),
            sha256=content.sha256,
            size=content.size,
            created=self._now(),
            shown=self._now() + self._lag(),
            readable=self._now() + self._read_lag(),
        )
        layer.versions[version.number] = version
        return version

    def list_layers(
        self, marker: str | None = None, size: int = PAGE, runtime: str | None = None, architecture: str | None = None
    ) -> tuple[list[LayerVersion], str | None]:
        """ListLayers: returns the newest version of each layer, and the marker of the next page."""
        newest = []
        for name in sorted(self._layers):
            versions = self._shown(name, runtime, architecture)
            if versions:
                newest.append(versions[0])
        return _page(newest, marker, size, key=lambda version: version.layer_name)

    def list_versions(
        self,
        name: str,
        marker: str | None = None,
        size: int = PAGE,
        runtime: str | None = None,
        architecture: str | None = None,
    ) -> tuple[list[LayerVersion], str | None]:
        """ListLayerVersions: newest first; empty for a layer that does not exist."""
        versions = self._shown(self._own(name), runtime, architecture)
        return _page(versions, marker, size, key=lambda version: str(version.number))

    def get(self, name: str, number: int) -> LayerVersion:
        """GetLayerVersion."""
        version = self._existing(name, number)
        if version.readable > self._now():
            raise AwsError(404, "ResourceNotFoundException", "The resource you requested does not exist.")
        return version

    def policy(self, name: str, number: int) -> tuple[Statement, ...]:
        """GetLayerVersionPolicy: returns the statements; 404 if there are none."""
        self.get(name, number)
        layer = self._layers[self._own(name)]
        until, before = layer.earlier.get(number, (0.0, {}))
        statements = before if self._now() < until else layer.policies.get(number)
        if not statements:
            raise AwsError(404, "ResourceNotFoundException", "No policy is associated with the given resource.")
        return tuple(statements.values())

    def add_permission(self, name: str, number: int, statement: Statement, action: str) -> None:
        """AddLayerVersionPermission."""
        _check("statementId", _full(STATEMENT_ID, statement.sid, STATEMENT_ID_LENGTH), statement.sid)
        _check("principal", PRINCIPAL.fullmatch(statement.principal) is not None, statement.principal)
        _check("action", action == "lambda:GetLayerVersion", action)
        if statement.organization is not None:
            _check("organizationId", ORGANIZATION.fullmatch(statement.organization) is not None, statement.organization)
            if statement.principal != "*":
                raise AwsError(400, "InvalidParameterValueException", "OrganizationId goes with the principal *.")
        self._existing(name, number)
        layer = self._layers[self._own(name)]
        statements = layer.policies.setdefault(number, {})
        if statement.sid in statements:
            raise AwsError(
                409, "ResourceConflictException", f"The statement id ({statement.sid}) provided already exists."
            )
        self._keep_showing(layer, number)
        statements[statement.sid] = statement

    def remove_permission(self, name: str, number: int, statement_id: str) -> None:
        """RemoveLayerVersionPermission."""
        self._existing(name, number)
        layer = self._layers[self._own(name)]
        statements = layer.policies.get(number, {})
        if statement_id not in statements:
            raise AwsError(404, "ResourceNotFoundException", f"Statement {statement_id} is not found.")
        self._keep_showing(layer, number)
        del statements[statement_id]

    def delete(self, name: str, number: int) -> None:
        """DeleteLayerVersion: does nothing if the version does not exist. Numbers are not assigned again."""
        layer = self._layers.get(self._own(name))
        if layer:
            layer.versions.pop(number, None)
            layer.policies.pop(number, None)

    # -- for tests ---------------------------------------------------------------------------------------------------

    def arn(self, name: str) -> str:
        """Return the ARN of a layer."""
        return f"arn:{partition_of(self.region)}:lambda:{self.region}:{self.account}:layer:{name}"

    def all_versions(self) -> Iterable[LayerVersion]:
        """Return every existing version, without the lag of lists."""
        return [version for layer in self._layers.values() for version in layer.versions.values()]

    def statements(self, version: LayerVersion) -> tuple[Statement, ...]:
        """Return the policy statements of a version; empty without a policy."""
        return tuple(self._layers[version.layer_name].policies.get(version.number, {}).values())

    # -- parts -------------------------------------------------------------------------------------------------------

    def _keep_showing(self, layer: _Layer, number: int) -> None:
        """Store the policy before a change: readers see it until the lag has passed."""
        until, before = layer.earlier.get(number, (0.0, {}))
        shown = before if self._now() < until else dict(layer.policies.get(number, {}))
        layer.earlier[number] = self._now() + self._policy_lag(), shown

    def _existing(self, name: str, number: int) -> LayerVersion:
        layer = self._layers.get(self._own(name))
        if layer is None or number not in layer.versions:
            raise AwsError(404, "ResourceNotFoundException", "The resource you requested does not exist.")
        return layer.versions[number]

    def _own(self, name: str) -> str:
        _check("layerName", _full(LAYER_NAME, name, NAME_LENGTH), name)
        if not name.startswith("arn:"):
            return name
        prefix, _, short = name.rpartition(":")
        if f"{prefix}:{short}" != self.arn(short):
            raise AwsError(403, "AccessDeniedException", f"not authorized to perform this on resource: {name}")
        return short

    def _shown(self, name: str, runtime: str | None, architecture: str | None) -> list[LayerVersion]:
        layer = self._layers.get(name)
        now = self._now()
        return [
            version
            for _, version in sorted(layer.versions.items() if layer else (), reverse=True)
            if version.shown <= now
            and (runtime is None or runtime in version.runtimes)
            and (architecture is None or architecture in version.architectures)
        ]


@cache
def lambda_model() -> dict[str, Any]:
    """Return the shapes of Lambda's API from botocore."""
    import botocore.loaders

    model: dict[str, Any] = botocore.loaders.Loader().load_service_model("lambda", "service-2")["shapes"]
    return model


@cache
def known_runtimes() -> frozenset[str]:
    """Return every runtime that the API accepts."""
    return frozenset(lambda_model()["Runtime"]["enum"])


def _check(member: str, good: bool, value: object) -> None:
    if not good:
        raise AwsError(
            400,
            "ValidationException",
            f"1 validation error detected: Value {str(value)[:80]!r} at '{member}' failed to satisfy constraint",
        )


def _full(pattern: re.Pattern[str], text: str, length: int) -> bool:
    return len(text) <= length and pattern.fullmatch(text) is not None


V = TypeVar("V")


def _page(items: list[V], marker: str | None, size: int, key: Callable[[V], str]) -> tuple[list[V], str | None]:
    _check("maxItems", 1 <= size <= PAGE, size)
    start = 0
    if marker:
        keys = [base64.urlsafe_b64encode(key(item).encode()).decode() for item in items]
        if marker not in keys:
            raise AwsError(400, "InvalidParameterValueException", "The marker is not valid.")
        start = keys.index(marker) + 1
    page = items[start : start + size]
    more = start + size < len(items)
    return page, base64.urlsafe_b64encode(key(page[-1]).encode()).decode() if more else None


def _check_zip(data: bytes) -> None:
    if len(data) > ZIPPED:
        raise AwsError(413, "RequestEntityTooLargeException", f"Request must be smaller than {REQUEST} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unzipped = sum(info.file_size for info in archive.infolist())
            files = len(archive.infolist())
    except zipfile.BadZipFile:
        raise AwsError(400, "InvalidParameterValueException", "Could not unzip uploaded file.") from None
    if not files:
        raise AwsError(400, "InvalidParameterValueException", "Uploaded file must be a non-empty zip")
    if unzipped >= UNZIPPED:
        raise AwsError(400, "InvalidParameterValueException", f"Unzipped size must be smaller than {UNZIPPED} bytes")
