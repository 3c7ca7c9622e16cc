"""The publisher's ``Lambda`` interface directly on the simulation, without a network and in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from publisher.aws.error_codes import translate_error
from publisher.aws.gateway import (
    GatewayError,
    Grant,
    ListedVersion,
    Publication,
    PublishedVersion,
    Unavailable,
    Unreachable,
)
from publisher.aws.rate_limit import TokenBucket
from scripts.simaws.aws import Broken, SimulatedAws
from scripts.simaws.faults import Fault
from scripts.simaws.layers import LayerVersion, RegionLayers, Statement
from scripts.simaws.limits import AwsError

T = TypeVar("T")

#: Called with the operation's name before and after each call, so that a test can kill the process there.
Watch = Callable[[str], None]


class SimLambda:
    """``publisher.aws.gateway.Lambda`` over a simulated region. It checks its input as AWS does."""

    def __init__(self, aws: SimulatedAws, region: str, pace: TokenBucket, watch: Watch = lambda _: None) -> None:
        self._aws = aws
        self._region = region
        self._pace = pace
        self._watch = watch

    @property
    def region(self) -> str:
        return self._region

    def latest(self, names: Sequence[str]) -> Mapping[str, ListedVersion]:
        newest: dict[str, ListedVersion] = {}
        marker: str | None = None
        while True:
            page, marker = self._call("ListLayers", partial(RegionLayers.list_layers, marker=marker))
            newest |= {version.layer_name: self._listed(version) for version in page if version.layer_name in names}
            if not marker or len(newest) == len(names):
                return newest

    def versions(self, name: str, above: int = 0) -> tuple[ListedVersion, ...]:
        listed_versions: list[ListedVersion] = []
        marker: str | None = None
        while True:
            page, marker = self._call(
                "ListLayerVersions", partial(RegionLayers.list_versions, name=name, marker=marker)
            )
            listed_versions += [self._listed(version) for version in page if version.number > above]
            if not marker or page[-1].number <= above:
                return tuple(listed_versions)

    def get(self, name: str, number: int) -> PublishedVersion | None:
        version = self._call("GetLayerVersion", lambda region: region.get(name, number), missing=True)
        return self._published_version(version, link=True) if version else None

    def grants(self, name: str, number: int) -> tuple[Grant, ...]:
        statements = self._call("GetLayerVersionPolicy", lambda region: region.policy(name, number), missing=True)
        return tuple(Grant(s.sid, s.principal, s.organization) for s in statements or ())

    def publish(self, publication: Publication) -> PublishedVersion:
        content = publication.zip.path.read_bytes()

        def act(region: RegionLayers) -> LayerVersion:
            return region.publish(
                publication.layer_name,
                self._aws.contents.add(content),
                publication.description,
                publication.license,
                publication.runtimes,
                publication.architectures,
            )

        return self._published_version(self._call("PublishLayerVersion", act))

    def grant(self, name: str, number: int, grant: Grant) -> None:
        statement = Statement(grant.statement_id, grant.principal, grant.organization)

        def act(region: RegionLayers) -> None:
            region.add_permission(name, number, statement, "lambda:GetLayerVersion")

        self._call("AddLayerVersionPermission", act)

    def revoke(self, name: str, number: int, statement_id: str) -> bool:
        def act(region: RegionLayers) -> bool:
            region.remove_permission(name, number, statement_id)
            return True

        return bool(self._call("RemoveLayerVersionPermission", act, missing=True))

    def download(self, published: PublishedVersion, path: Path) -> None:
        digest = published.location.removeprefix("sim:")
        content = self._call("Download", lambda _: self._aws.contents[digest], counted=False)
        path.write_bytes(content.read())

    def _call(self, operation: str, act: Callable[[RegionLayers], T], missing: bool = False, counted: bool = True) -> T:
        if counted:
            self._pace.take()
        self._watch(operation)
        try:
            return self._aws.call(self._region, operation, act, counted=counted)
        except AwsError as error:
            if missing and error.status == 404:
                return None  # type: ignore[return-value]
            raise _gateway_error(error, operation) from None
        except Broken as error:
            kind = Unreachable if error.fault is Fault.NO_CONNECTION else Unavailable
            raise kind(error.fault.value) from None
        finally:
            self._watch(operation)

    def _listed(self, version: LayerVersion) -> ListedVersion:
        return ListedVersion(
            layer_name=version.layer_name,
            number=version.number,
            arn=version.arn,
            description=version.description,
            created=self._created(version),
            runtimes=version.runtimes,
            architectures=version.architectures,
        )

    def _published_version(self, version: LayerVersion, link: bool = False) -> PublishedVersion:
        return PublishedVersion(
            **vars(self._listed(version)),
            sha256=version.sha256,
            size=version.size,
            location=f"sim:{version.sha256}" if link else "",
        )

    def _created(self, version: LayerVersion) -> str:
        return self._aws.wall_time(version.created).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _gateway_error(error: AwsError, operation: str) -> GatewayError:
    response: Any = {
        "Error": {"Code": error.code, "Message": error.message},
        "ResponseMetadata": {"HTTPStatusCode": error.status},
    }
    return translate_error(ClientError(response, operation))
