"""The port to Lambda, by boto3. Each request once (``retry`` repeats what may be), at the region's pace.

botocore's own retries are off: it would send a publish that hangs, resets or answers 500 up to five times, and each
may count up.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import botocore.config
import urllib3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from publisher.aws.body import Bodies, Body
from publisher.aws.gateway import (
    CREATED_FORMAT,
    CredentialsRefused,
    GatewayError,
    Grant,
    Held,
    Listed,
    Publication,
    Refused,
    StatementExists,
    Throttled,
    Unavailable,
    Unreachable,
)
from publisher.aws.pace import TokenBucket

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

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

_THROTTLES = {"TooManyRequestsException", "Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown"}
_CREDENTIALS = {
    "ExpiredToken", "ExpiredTokenException", "RequestExpired", "UnrecognizedClientException", "InvalidClientTokenId",
    "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "AuthFailure", "InvalidAccessKeyId",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException",
}  # fmt: skip


class BotoLambda:
    """Lambda's layers in one region."""

    def __init__(self, region: str, client: LambdaClient, bodies: Bodies, pace: TokenBucket) -> None:
        self._region = region
        self._client = client
        self._bodies = bodies
        self._pace = pace
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
            for layer in _list(page, "Layers"):
                name = _text(layer, "LayerName")
                if name in names:
                    found[name] = _listed(name, layer.get("LatestMatchingVersion"))
            marker = page.get("NextMarker")
            if not marker or len(found) == len(names):
                return found
        for name in names:
            if name not in found:
                newest = self._call(self._client.list_layer_versions, LayerName=name, MaxItems=1)
                for version in _list(newest, "LayerVersions")[:1]:
                    found[name] = _listed(name, version)
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
            for version in _list(page, "LayerVersions"):
                yield _listed(name, version)
            marker = page.get("NextMarker")
            if not marker:
                return

    def get(self, name: str, number: int) -> Held | None:
        answer = self._call(self._client.get_layer_version, LayerName=name, VersionNumber=number, missing={})
        return _held(name, answer) if answer else None

    def grants(self, name: str, number: int) -> tuple[Grant, ...]:
        answer = self._call(self._client.get_layer_version_policy, LayerName=name, VersionNumber=number, missing={})
        return _grants(answer) if answer else ()

    def publish(self, publication: Publication) -> Held:
        body = self._bodies.of(publication)
        with body.path.open("rb") as file, _sending(body, file):
            answer = self._call(
                self._client.publish_layer_version,
                LayerName=publication.layer_name,
                Content={"ZipFile": b""},  # the body comes from the disk, whole
            )
        return _held(publication.layer_name, answer)

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
        handle, name = tempfile.mkstemp(prefix=".download-", dir=to.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                actual = self._fetch(held.location, file)
            if actual != held.sha256:
                raise Unavailable(f"the download of {held.arn} has other bytes ({actual[:12]}…) than AWS says")
            Path(name).replace(to)
        finally:
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

    def _call(self, method: Callable[..., Any], *, missing: Any = None, **arguments: Any) -> Any:
        """One request. ``missing`` is the answer where AWS says 404; None where a 404 is an error."""
        self._pace.take()
        try:
            return method(**arguments)
        except ClientError as error:
            failure = _of_client_error(error)
            if missing is not None and _status(error) == 404:
                return missing
            raise failure from None
        except (NoCredentialsError, PartialCredentialsError, TokenRetrievalError, UnauthorizedSSOTokenError) as error:
            raise CredentialsRefused(str(error)) from None
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise Unreachable(_brief(error)) from None
        except (HTTPClientError, BotoCoreError) as error:
            raise Unavailable(_brief(error)) from None


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
    body, file = _SENDING.body
    params["body"] = file
    params["headers"]["X-Amz-Content-SHA256"] = body.sha256


# -- what AWS says: input like any other ------------------------------------------------------------------------------


def _listed(name: str, data: Any) -> Listed:
    if not isinstance(data, dict):
        raise Unavailable(f"AWS answered without a version of {name}")
    return Listed(
        layer_name=name,
        number=_number(data),
        arn=_text(data, "LayerVersionArn"),
        description=data.get("Description") or "",
        created=_created(data),
        runtimes=tuple(data.get("CompatibleRuntimes") or ()),
        architectures=tuple(data.get("CompatibleArchitectures") or ()),
    )


def _held(name: str, data: dict[str, Any]) -> Held:
    listed = _listed(name, data)
    content = data.get("Content")
    if not isinstance(content, dict):
        raise Unavailable(f"AWS answered without the content of {name}")
    return Held(
        **vars(listed),
        sha256=_hex(_text(content, "CodeSha256")),
        size=int(content.get("CodeSize") or 0),
        location=content.get("Location") or "",
    )


def _grants(data: dict[str, Any]) -> tuple[Grant, ...]:
    try:
        statements = json.loads(_text(data, "Policy"))["Statement"]
        return tuple(grant for statement in statements for grant in _grant(statement))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unavailable("AWS answered with a policy that cannot be read") from None


def _grant(statement: dict[str, Any]) -> Iterator[Grant]:
    actions = statement.get("Action")
    if statement.get("Effect") != "Allow" or "lambda:GetLayerVersion" not in (
        actions if isinstance(actions, list) else [actions]
    ):
        return
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        principal = principal.get("AWS")
    condition = statement.get("Condition") or {}
    organization = condition.get("StringEquals", {}).get("aws:PrincipalOrgID")
    if condition and not organization:
        return  # bound to something that the matrix does not speak of
    for who in principal if isinstance(principal, list) else [principal]:
        account = re.search(r":iam::(\d{12}):root$", str(who))
        yield Grant(str(statement.get("Sid", "")), account[1] if account else str(who), organization)


def _list(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key) or []
    if not isinstance(value, list):
        raise Unavailable(f"AWS answered with {key} that is no list")
    return value


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise Unavailable(f"AWS answered without {key}")
    return value


def _number(data: dict[str, Any]) -> int:
    value = data.get("Version")
    if not isinstance(value, int) or value < 1:
        raise Unavailable("AWS answered without a version number")
    return value


def _created(data: dict[str, Any]) -> str:
    value = _text(data, "CreatedDate")
    try:
        datetime.strptime(value, CREATED_FORMAT)
    except ValueError:
        raise Unavailable(f"AWS answered with a date that is none: {value[:40]!r}") from None
    return value


def _hex(text: str) -> str:
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 32:
        raise Unavailable(f"AWS answered with a CodeSha256 that is none: {text[:60]!r}")
    return digest.hex()


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _of_client_error(error: ClientError) -> GatewayError:
    details = error.response.get("Error", {})
    code = str(details.get("Code", ""))
    request_id = error.response.get("ResponseMetadata", {}).get("RequestId")
    message = f"{code}: {details.get('Message', '')}".strip(": ") or f"status {_status(error)}"
    if code in _THROTTLES or _status(error) == 429:
        kind: type[GatewayError] = Throttled
    elif code in _CREDENTIALS:
        kind = CredentialsRefused
    elif _status(error) >= 500 or _status(error) < 400:
        kind = Unavailable
    elif code == "ResourceConflictException" and error.operation_name == "AddLayerVersionPermission":
        kind = StatementExists
    else:
        kind = Refused
    return kind(message, request_id)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__.removesuffix('Error')}: {str(error).splitlines()[0][:200]}"


def _ca_bundle() -> str:
    """The certificates that botocore itself would use."""
    from botocore.httpsession import get_cert_path

    return os.environ.get("AWS_CA_BUNDLE") or str(get_cert_path(True))
