"""Implement the ``Lambda`` gateway with boto3. Each request is sent once; ``retry_policy`` repeats what is safe.

botocore's own retries are off: it would send a publish that times out or returns 500 up to five times, and each one
may create a version.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import urllib3

from builder.model.errors import InputError
from publisher.aws import responses
from publisher.aws.api_call import Caller
from publisher.aws.gateway import (
    GatewayError,
    Grant,
    ListedVersion,
    Publication,
    PublishedVersion,
    Refused,
    StorageExceeded,
    Unavailable,
    Unreachable,
)
from publisher.aws.publish_request import Bodies, Body
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.request_log import RequestLog
from publisher.aws.services import CONNECT_TIMEOUT_SECONDS, client_config
from publisher.aws.staging import StagingBuckets

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

#: The largest page of a list (API reference, MaxItems).
PAGE_SIZE = 50
#: Lambda unpacks and checks a layer before it responds.
READ_TIMEOUT_SECONDS = 60
_GIGABYTE = 1024**3

CONFIG = client_config(1, READ_TIMEOUT_SECONDS)


class BotoLambda:
    """The ``Lambda`` gateway of one region, with boto3."""

    def __init__(
        self,
        region: str,
        client: LambdaClient,
        pace: TokenBucket,
        bodies: Bodies,
        buckets: StagingBuckets | None = None,
        journal: RequestLog | None = None,
        account: str | None = None,
    ) -> None:
        """``account`` owns the layers; None if unknown. Responses about another account's layers are rejected."""
        self._region = region
        self._account = account
        self._client = client
        self._bodies = bodies
        self._buckets = buckets
        self._call = Caller(region, pace, journal or RequestLog())
        self._http = urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=_ca_bundle(), retries=False)
        client.meta.events.register("before-call.lambda.PublishLayerVersion", _send_from_disk)

    @property
    def region(self) -> str:
        return self._region

    def latest(self, names: Sequence[str]) -> Mapping[str, ListedVersion]:
        """See ``Lambda.latest``. One ``ListLayers`` page has fifty layers, which is enough for most accounts.

        With more layers, read pages while that can take fewer requests than one for each missing layer, then list the
        missing layers one by one.
        """
        newest_by_name: dict[str, ListedVersion] = {}
        marker: str | None = None
        for _ in range(max(1, len(names) // 2)):
            page = self._call(self._client.list_layers, MaxItems=PAGE_SIZE, **({"Marker": marker} if marker else {}))
            for layer in responses.items(page, "Layers"):
                name = responses.text(layer, "LayerName")
                if name in names:
                    newest_by_name[name] = responses.listed_version(
                        self._source(name), layer.get("LatestMatchingVersion")
                    )
            marker = page.get("NextMarker")
            if not marker or len(newest_by_name) == len(names):
                return newest_by_name
        for name in names:
            if name not in newest_by_name:
                newest = self._call(self._client.list_layer_versions, LayerName=name, MaxItems=1)
                for version in responses.items(newest, "LayerVersions")[:1]:
                    newest_by_name[name] = responses.listed_version(self._source(name), version)
        return newest_by_name

    def versions(self, name: str, above: int = 0) -> tuple[ListedVersion, ...]:
        return tuple(takewhile(lambda version: version.number > above, self._pages(name)))

    def _pages(self, name: str) -> Iterator[ListedVersion]:
        """Yield the versions of a layer, newest first.

        Raises Unavailable if a page repeats: the list would never end.
        """
        marker: str | None = None
        lowest = math.inf
        while True:
            more = {"Marker": marker} if marker else {}
            page = self._call(self._client.list_layer_versions, LayerName=name, MaxItems=PAGE_SIZE, **more)
            for data in responses.items(page, "LayerVersions"):
                version = responses.listed_version(self._source(name), data)
                if version.number >= lowest:
                    raise Unavailable(f"ListLayerVersions returns version {version.number} after {lowest}")
                lowest = version.number
                yield version
            following = page.get("NextMarker")
            if not following:
                return
            if following == marker:
                raise Unavailable("ListLayerVersions returns the same NextMarker again")
            marker = following

    def get(self, name: str, number: int) -> PublishedVersion | None:
        response = self._call(self._client.get_layer_version, LayerName=name, VersionNumber=number, missing={})
        return responses.published_version(self._source(name, number), response) if response else None

    def grants(self, name: str, number: int) -> tuple[Grant, ...]:
        response = self._call(self._client.get_layer_version_policy, LayerName=name, VersionNumber=number, missing={})
        return responses.grants(response) if response else ()

    def publish(self, publication: Publication) -> PublishedVersion:
        try:
            response = self._send(publication)
        except StorageExceeded as error:
            raise self._with_usage(error) from None
        return responses.published_version(self._source(publication.layer_name), response)

    def _send(self, publication: Publication) -> Any:
        """Send the request, with the zip in it or in a staging bucket; return the response."""
        call = partial(self._call, self._client.publish_layer_version, LayerName=publication.layer_name)
        if self._buckets is None:
            body = self._bodies.of(publication)
            with body.path.open("rb") as file, _request_body(body, file):
                return call(Content={"ZipFile": b""})  # _send_from_disk replaces the whole body
        try:
            content = self._buckets.stage(publication.zip, self._region)
        except Unavailable as error:  # S3 did not respond; Lambda got no request
            raise Unreachable(error.message, error.request_id) from None
        return call(Content=content, **publication.fields)

    def _with_usage(self, error: StorageExceeded) -> StorageExceeded:
        """Add commands that list functions and layers to the advice, and the used storage, unless AWS refuses that."""
        region = self._region
        error.advice = (
            f"{error.advice}; list what is stored with `aws lambda list-functions --function-version ALL --region "
            f"{region}` and `aws lambda list-layers --region {region}`"
        )
        try:
            settings = self._call(self._client.get_account_settings)
            used, limit = (settings[key]["TotalCodeSize"] / _GIGABYTE for key in ("AccountUsage", "AccountLimit"))
        except (GatewayError, LookupError, TypeError):
            return error
        error.advice = f"{used:.1f} of {limit:.1f} GB of code storage in {region} are used: {error.advice}"
        return error

    def _source(self, name: str, number: int | None = None) -> responses.LayerSource:
        return responses.LayerSource(self._region, name, self._account, number)

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

    def revoke(self, name: str, number: int, statement_id: str) -> bool:
        response = self._call(
            self._client.remove_layer_version_permission,
            LayerName=name,
            VersionNumber=number,
            StatementId=statement_id,
            missing={},
        )
        return bool(response)

    def download(self, published: PublishedVersion, path: Path) -> None:
        if not published.location.startswith(("https://", "http://")):
            raise Refused(f"the response of AWS has no link to download {published.arn}")
        name: str | None = None
        try:
            handle, name = tempfile.mkstemp(prefix=".download-", dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                actual = self._fetch(published.location, file)
            if actual != published.sha256:
                raise Unavailable(
                    f"the download of {published.arn} has sha256 {actual[:12]}…, not {published.sha256[:12]}…"
                )
            Path(name).replace(path)
        except OSError as error:
            raise InputError(
                f"the download cannot be written: {error.strerror or error}",
                where=str(path.parent),
                fix="free space for temporary files, or set TMPDIR to another folder",
            ) from None
        finally:
            if name is not None:
                Path(name).unlink(missing_ok=True)

    def _fetch(self, location: str, file: IO[bytes]) -> str:
        digest = hashlib.sha256()
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=READ_TIMEOUT_SECONDS)
        try:
            with self._http.request("GET", location, preload_content=False, timeout=timeout) as response:
                if response.status >= 500:
                    raise Unavailable(f"the download failed with status {response.status}")
                if response.status != 200:
                    raise Refused(f"the download failed with status {response.status}")
                for piece in response.stream(1 << 20):
                    digest.update(piece)
                    file.write(piece)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"the download failed: {type(error).__name__}") from None
        return digest.hexdigest()


# -- send a request body from a file -----------------------------------------------------------------------------------

_SENDING = threading.local()


@contextmanager
def _request_body(body: Body, file: IO[bytes]) -> Iterator[None]:
    """Set the request body of the publish that this thread sends."""
    _SENDING.body = (body, file)
    try:
        yield
    finally:
        _SENDING.body = None


def _send_from_disk(params: dict[str, Any], **_: Any) -> None:
    """Replace the body in memory by the file, and give SigV4 its hash. Handles botocore's ``before-call`` event."""
    if getattr(_SENDING, "body", None) is None:
        return
    body, file = _SENDING.body
    params["body"] = file
    params["headers"]["X-Amz-Content-SHA256"] = body.sha256


def _ca_bundle() -> str:
    """Return the CA bundle that botocore uses."""
    from botocore.httpsession import get_cert_path

    return os.environ.get("AWS_CA_BUNDLE") or str(get_cert_path(True))
