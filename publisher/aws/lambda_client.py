"""The port to Lambda, by boto3. Each request once (``retry`` repeats what may be), at the region's pace.

botocore's own retries are off: it would send a publish that hangs, resets or answers 500 up to five times, and each
may count up.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import botocore.config
import urllib3

from builder.model.errors import InputError
from publisher.aws import responses
from publisher.aws.api_call import Caller
from publisher.aws.gateway import Grant, Held, Listed, Publication, Refused, Unavailable, Unreachable
from publisher.aws.publish_request import Bodies, Body
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.request_log import Journal

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from publisher.aws.staging import Buckets

#: The largest page of a list (API reference, MaxItems).
PAGE = 50
CONNECT_TIMEOUT = 6
#: Seconds without a byte before an answer counts as lost. Lambda unpacks and checks a layer before it answers.
READ_TIMEOUT = 60

CONFIG = botocore.config.Config(
    retries={"total_max_attempts": 1, "mode": "standard"},
    connect_timeout=CONNECT_TIMEOUT,
    read_timeout=READ_TIMEOUT,
    max_pool_connections=16,
    user_agent_extra="strands-layers",
)


class BotoLambda:
    """Lambda's layers in one region."""

    def __init__(
        self,
        region: str,
        client: LambdaClient,
        pace: TokenBucket,
        bodies: Bodies,
        buckets: Buckets | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._region = region
        self._client = client
        self._bodies = bodies
        self._buckets = buckets
        self._call = Caller(region, pace, journal or Journal())
        self._http = urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=_ca_bundle(), retries=False)
        client.meta.events.register("before-call.lambda.PublishLayerVersion", _send_from_disk)

    @property
    def region(self) -> str:
        return self._region

    def latest(self, names: Sequence[str]) -> Mapping[str, Listed]:
        """One ``ListLayers`` page holds fifty layers, so one answers for most accounts.

        In an account with many more, pages are read for as long as that may cost less than to ask for the missing
        layers one by one, and then those are.
        """
        found: dict[str, Listed] = {}
        marker: str | None = None
        for _ in range(max(1, len(names) // 2)):
            page = self._call(self._client.list_layers, MaxItems=PAGE, **({"Marker": marker} if marker else {}))
            for layer in responses.items(page, "Layers"):
                name = responses.text(layer, "LayerName")
                if name in names:
                    found[name] = responses.listed(name, layer.get("LatestMatchingVersion"))
            marker = page.get("NextMarker")
            if not marker or len(found) == len(names):
                return found
        for name in names:
            if name not in found:
                newest = self._call(self._client.list_layer_versions, LayerName=name, MaxItems=1)
                for version in responses.items(newest, "LayerVersions")[:1]:
                    found[name] = responses.listed(name, version)
        return found

    def versions(self, name: str, above: int = 0) -> tuple[Listed, ...]:
        seen: list[Listed] = []
        for version in self._pages(name):
            if version.number <= above:
                break
            seen.append(version)
        return tuple(seen)

    def _pages(self, name: str) -> Iterator[Listed]:
        marker: str | None = None
        while True:
            more = {"Marker": marker} if marker else {}
            page = self._call(self._client.list_layer_versions, LayerName=name, MaxItems=PAGE, **more)
            for version in responses.items(page, "LayerVersions"):
                yield responses.listed(name, version)
            marker = page.get("NextMarker")
            if not marker:
                return

    def get(self, name: str, number: int) -> Held | None:
        answer = self._call(self._client.get_layer_version, LayerName=name, VersionNumber=number, missing={})
        return responses.held(name, answer) if answer else None

    def grants(self, name: str, number: int) -> tuple[Grant, ...]:
        answer = self._call(self._client.get_layer_version_policy, LayerName=name, VersionNumber=number, missing={})
        return responses.grants(answer) if answer else ()

    def publish(self, publication: Publication) -> Held:
        if self._buckets is None:
            return self._publish_directly(publication)
        try:
            content = self._buckets.place(publication.zip, self._region)
        except Unavailable as error:  # S3 did not answer; Lambda was not asked
            raise Unreachable(error.message, error.request_id) from None
        answer = self._call(
            self._client.publish_layer_version,
            LayerName=publication.layer_name,
            Description=publication.description,
            LicenseInfo=publication.license,
            CompatibleRuntimes=list(publication.runtimes),
            CompatibleArchitectures=list(publication.architectures),
            Content=content,
        )
        return responses.held(publication.layer_name, answer)

    def _publish_directly(self, publication: Publication) -> Held:
        body = self._bodies.of(publication)
        with body.path.open("rb") as file, _sending(body, file):
            answer = self._call(
                self._client.publish_layer_version,
                LayerName=publication.layer_name,
                Content={"ZipFile": b""},  # the body comes from the disk, whole
            )
        return responses.held(publication.layer_name, answer)

    def grant(self, name: str, number: int, grant: Grant) -> None:
        organization = {"OrganizationId": grant.organization} if grant.organization else {}
        self._call(
            self._client.add_layer_version_permission,
            LayerName=name,
            VersionNumber=number,
            StatementId=grant.statement_id,
            Action="lambda:GetLayerVersion",
            Principal=grant.principal,
            **organization,
        )

    def revoke(self, name: str, number: int, statement_id: str) -> None:
        self._call(
            self._client.remove_layer_version_permission,
            LayerName=name,
            VersionNumber=number,
            StatementId=statement_id,
            missing={},
        )

    def download(self, held: Held, to: Path) -> None:
        if not held.location.startswith(("https://", "http://")):
            raise Refused(f"AWS gives no link to download {held.arn}")
        name: str | None = None
        try:
            handle, name = tempfile.mkstemp(prefix=".download-", dir=to.parent)
            with os.fdopen(handle, "wb") as file:
                actual = self._fetch(held.location, file)
            if actual != held.sha256:
                raise Unavailable(f"the download of {held.arn} has other bytes ({actual[:12]}…) than AWS says")
            Path(name).replace(to)
        except OSError as error:
            raise InputError(
                f"the download cannot be written: {error.strerror or error}",
                where=str(to.parent),
                fix="make room for temporary files (TMPDIR names the folder)",
            ) from None
        finally:
            if name is not None:
                Path(name).unlink(missing_ok=True)

    def _fetch(self, location: str, file: IO[bytes]) -> str:
        digest = hashlib.sha256()
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
        try:
            with self._http.request("GET", location, preload_content=False, timeout=timeout) as answer:
                if answer.status >= 500:
                    raise Unavailable(f"the download answers {answer.status}")
                if answer.status != 200:
                    raise Refused(f"the download answers {answer.status}")
                for piece in answer.stream(1 << 20):
                    digest.update(piece)
                    file.write(piece)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"the download broke: {type(error).__name__}") from None
        return digest.hexdigest()


# -- a request body from the disk -------------------------------------------------------------------------------------

_SENDING = threading.local()


@contextmanager
def _sending(body: Body, file: IO[bytes]) -> Iterator[None]:
    """Says which body the publish that this thread sends now shall have."""
    _SENDING.body = (body, file)
    try:
        yield
    finally:
        _SENDING.body = None


def _send_from_disk(params: dict[str, Any], **_: Any) -> None:
    """botocore's ``before-call``: the file instead of a body in memory, and its hash, which SigV4 takes as it is."""
    if getattr(_SENDING, "body", None) is None:
        return
    body, file = _SENDING.body
    params["body"] = file
    params["headers"]["X-Amz-Content-SHA256"] = body.sha256


def _ca_bundle() -> str:
    """The certificates that botocore itself would use."""
    from botocore.httpsession import get_cert_path

    return os.environ.get("AWS_CA_BUNDLE") or str(get_cert_path(True))
