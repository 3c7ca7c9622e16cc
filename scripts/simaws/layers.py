"""Lambda's layers in one region: the state, and the operations as the API reference documents them, without faults.

The caller holds the simulation's lock.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from builder.model.regions import partition_of
from scripts.simaws.contents import Content
from scripts.simaws.limits import (
    LAYER_NAME,
    MAX_ARCHITECTURES,
    MAX_DESCRIPTION_CHARACTERS,
    MAX_LICENSE_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_PAGE_ITEMS,
    MAX_RUNTIMES,
    MAX_STATEMENT_ID_CHARACTERS,
    ORGANIZATION,
    PRINCIPAL,
    STATEMENT_ID,
    AwsError,
    check_member,
    known_runtimes,
    matches,
)

#: The responses that do not show a change at once.
Lagging: TypeAlias = Literal["list", "policy", "read"]


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


@dataclass(frozen=True)
class Statement:
    """One statement of a layer version's policy."""

    sid: str
    principal: str
    organization: str | None = None


@dataclass
class _VersionedLayer:
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
        lag: Callable[[Lagging], float],
    ) -> None:
        self.account = account
        self.region = region
        self._now = now
        self._lag = lag
        self._layers: dict[str, _VersionedLayer] = {}

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
        name = self._own_layer_name(name)
        check_member("description", len(description) <= MAX_DESCRIPTION_CHARACTERS, description)
        check_member("licenseInfo", len(license_info) <= MAX_LICENSE_CHARACTERS, license_info)
        check_member(
            "compatibleRuntimes", len(runtimes) <= MAX_RUNTIMES and set(runtimes) <= known_runtimes(), runtimes
        )
        check_member(
            "compatibleArchitectures",
            len(architectures) <= MAX_ARCHITECTURES and set(architectures) <= {"x86_64", "arm64"},
            architectures,
        )
        layer = self._layers.setdefault(name, _VersionedLayer())
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
            shown=self._now() + self._lag("list"),
            readable=self._now() + self._lag("read"),
        )
        layer.versions[version.number] = version
        return version

    def list_layers(
        self, marker: str | None = None, size: int = MAX_PAGE_ITEMS
    ) -> tuple[list[LayerVersion], str | None]:
        """ListLayers: returns the newest version of each layer, and the marker of the next page."""
        newest = []
        for name in sorted(self._layers):
            versions = self._shown(name)
            if versions:
                newest.append(versions[0])
        return _page(newest, marker, size, key=lambda version: version.layer_name)

    def list_versions(
        self, name: str, marker: str | None = None, size: int = MAX_PAGE_ITEMS
    ) -> tuple[list[LayerVersion], str | None]:
        """ListLayerVersions: newest first; empty for a layer that does not exist."""
        versions = self._shown(self._own_layer_name(name))
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
        layer = self._layers[self._own_layer_name(name)]
        until, before = layer.earlier.get(number, (0.0, {}))
        statements = before if self._now() < until else layer.policies.get(number)
        if not statements:
            raise AwsError(404, "ResourceNotFoundException", "No policy is associated with the given resource.")
        return tuple(statements.values())

    def add_permission(self, name: str, number: int, statement: Statement, action: str) -> LayerVersion:
        """AddLayerVersionPermission: returns the version. 404 while reads do not find it yet."""
        check_member("statementId", matches(STATEMENT_ID, statement.sid, MAX_STATEMENT_ID_CHARACTERS), statement.sid)
        check_member("principal", PRINCIPAL.fullmatch(statement.principal) is not None, statement.principal)
        check_member("action", action == "lambda:GetLayerVersion", action)
        if statement.organization is not None:
            check_member(
                "organizationId", ORGANIZATION.fullmatch(statement.organization) is not None, statement.organization
            )
            if statement.principal != "*":
                raise AwsError(400, "InvalidParameterValueException", "OrganizationId goes with the principal *.")
        version = self.get(name, number)
        layer = self._layers[self._own_layer_name(name)]
        statements = layer.policies.setdefault(number, {})
        if statement.sid in statements:
            raise AwsError(
                409, "ResourceConflictException", f"The statement id ({statement.sid}) provided already exists."
            )
        self._keep_showing(layer, number)
        statements[statement.sid] = statement
        return version

    def remove_permission(self, name: str, number: int, statement_id: str) -> None:
        """RemoveLayerVersionPermission."""
        self._existing(name, number)
        layer = self._layers[self._own_layer_name(name)]
        statements = layer.policies.get(number, {})
        if statement_id not in statements:
            raise AwsError(404, "ResourceNotFoundException", f"Statement {statement_id} is not found.")
        self._keep_showing(layer, number)
        del statements[statement_id]

    def delete(self, name: str, number: int) -> None:
        """DeleteLayerVersion: does nothing if the version does not exist. Numbers are not assigned again."""
        layer = self._layers.get(self._own_layer_name(name))
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

    def _keep_showing(self, layer: _VersionedLayer, number: int) -> None:
        """Store the policy before a change: readers see it until the lag has passed."""
        until, before = layer.earlier.get(number, (0.0, {}))
        shown = before if self._now() < until else dict(layer.policies.get(number, {}))
        layer.earlier[number] = self._now() + self._lag("policy"), shown

    def _existing(self, name: str, number: int) -> LayerVersion:
        layer = self._layers.get(self._own_layer_name(name))
        if layer is None or number not in layer.versions:
            raise AwsError(404, "ResourceNotFoundException", "The resource you requested does not exist.")
        return layer.versions[number]

    def _own_layer_name(self, name: str) -> str:
        check_member("layerName", matches(LAYER_NAME, name, MAX_NAME_CHARACTERS), name)
        if not name.startswith("arn:"):
            return name
        prefix, _, short = name.rpartition(":")
        if f"{prefix}:{short}" != self.arn(short):
            raise AwsError(403, "AccessDeniedException", f"not authorized to perform this on resource: {name}")
        return short

    def _shown(self, name: str) -> list[LayerVersion]:
        layer = self._layers.get(name)
        now = self._now()
        return [
            version
            for _, version in sorted(layer.versions.items() if layer else (), reverse=True)
            if version.shown <= now
        ]


V = TypeVar("V")


def _page(items: list[V], marker: str | None, size: int, key: Callable[[V], str]) -> tuple[list[V], str | None]:
    check_member("maxItems", 1 <= size <= MAX_PAGE_ITEMS, size)
    start = 0
    if marker:
        keys = [base64.urlsafe_b64encode(key(item).encode()).decode() for item in items]
        if marker not in keys:
            raise AwsError(400, "InvalidParameterValueException", "The marker is not valid.")
        start = keys.index(marker) + 1
    page = items[start : start + size]
    more = start + size < len(items)
    return page, base64.urlsafe_b64encode(key(page[-1]).encode()).decode() if more else None
