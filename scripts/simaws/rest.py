"""Lambda's REST API for the simulation: execute requests, and format the responses."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import IO, Any
from urllib.parse import unquote

from scripts.simaws.aws import SimulatedAws
from scripts.simaws.buckets import Buckets
from scripts.simaws.contents import Content
from scripts.simaws.layers import LayerVersion, RegionLayers, Statement
from scripts.simaws.limits import MAX_PAGE_ITEMS, MAX_REQUEST_BYTES, AwsError

#: Seconds for which a download link is valid.
LINK_SECONDS = 600.0

_LAYERS = r"/2018-10-31/layers/?"
_VERSIONS = r"/2018-10-31/layers/(?P<name>[^/]+)/versions/?"
_VERSION = _VERSIONS.rstrip("/?") + r"/(?P<number>-?\d+)"


@dataclass(frozen=True)
class Request:
    """A request with a valid signature."""

    method: str
    path: str
    query: Mapping[str, str]
    body: IO[bytes]
    body_size: int
    body_sha256: str
    account: str  #: the caller's
    base: str  #: the base URL of download links


class Rest:
    """Executes requests. A body that was read before is recognized by its hash."""

    def __init__(self, aws: SimulatedAws) -> None:
        self._aws = aws
        self.buckets = Buckets(aws.contents, aws.clock)
        self._bodies: dict[str, tuple[dict[str, Any], Content]] = {}
        self._reading = threading.Lock()

    def respond(self, region: str, request: Request) -> tuple[int, Any]:
        """Execute a request in a region; return the status and the JSON. 404 if there is no such operation."""
        for method, pattern, name, status, act in ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                values: dict[str, Any] = {key: unquote(value) for key, value in match.groupdict().items()}
                if name == "PublishLayerVersion":
                    values["parsed"] = self._read(request)  # slow work happens before the gate
                return status, self._aws.call(region, name, partial(self._act, act, request, values))
        raise AwsError(404, "UnknownOperationException", f"{request.method} {request.path}")

    def _act(self, act: Callable[..., Any], request: Request, values: Mapping[str, Any], region: RegionLayers) -> Any:
        """Execute an operation. Other accounts may only read layer versions."""
        if request.account != region.account and act is not Rest._get_layer_version:
            raise AwsError(403, "AccessDeniedException", "not authorized to perform this operation")
        return act(self, region, request, **values)

    def _list_layers(self, region: RegionLayers, request: Request) -> Any:
        page, marker = region.list_layers(*_paging(request.query))
        layers = [
            {
                "LayerName": version.layer_name,
                "LayerArn": region.arn(version.layer_name),
                "LatestMatchingVersion": self._listed(version),
            }
            for version in page
        ]
        return {"Layers": layers, "NextMarker": marker}

    def _list_layer_versions(self, region: RegionLayers, request: Request, name: str) -> Any:
        versions, marker = region.list_versions(name, *_paging(request.query))
        return {"LayerVersions": [self._listed(version) for version in versions], "NextMarker": marker}

    def _get_layer_version(self, region: RegionLayers, request: Request, name: str, number: str) -> Any:
        version = region.get(name, int(number))
        allowed = {"*", request.account, f"arn:aws:iam::{request.account}:root"}
        if request.account != region.account and not any(
            s.principal in allowed and s.organization is None for s in region.statements(version)
        ):
            raise AwsError(403, "AccessDeniedException", f"not authorized to perform: {version.arn}")
        return self._version_json(version, request.base)

    def _publish_layer_version(
        self, region: RegionLayers, request: Request, name: str, parsed: tuple[dict[str, Any], Content] | AwsError
    ) -> Any:
        if isinstance(parsed, AwsError):
            raise parsed
        body, content = parsed
        version = region.publish(
            name,
            content,
            body.get("Description", ""),
            body.get("LicenseInfo", ""),
            body.get("CompatibleRuntimes", []),
            body.get("CompatibleArchitectures", []),
        )
        return self._version_json(version, request.base)

    def _get_layer_version_policy(self, region: RegionLayers, _request: Request, name: str, number: str) -> Any:
        statements = region.policy(name, int(number))
        arn = region.get(name, int(number)).arn
        statement_list = [_statement(statement, arn) for statement in statements]
        policy = {"Version": "2012-10-17", "Id": "default", "Statement": statement_list}
        return {"Policy": json.dumps(policy), "RevisionId": "00000000-0000-0000-0000-000000000000"}

    def _add_layer_version_permission(self, region: RegionLayers, request: Request, name: str, number: str) -> Any:
        body = _json(request.body.read())
        statement = Statement(
            str(body.get("StatementId", "")), str(body.get("Principal", "")), body.get("OrganizationId")
        )
        version = region.add_permission(name, int(number), statement, str(body.get("Action", "")))
        return {"Statement": json.dumps(_statement(statement, version.arn)), "RevisionId": "0"}

    def _remove_layer_version_permission(
        self, region: RegionLayers, _request: Request, name: str, number: str, sid: str
    ) -> None:
        region.remove_permission(name, int(number), sid)

    def _delete_layer_version(self, region: RegionLayers, _request: Request, name: str, number: str) -> None:
        region.delete(name, int(number))

    def _read(self, request: Request) -> tuple[dict[str, Any], Content] | AwsError:
        """Return the fields and the zip of a publish, or its error, which the client gets only after the gate.

        Bodies are read one at a time, and equal bodies only once.
        """
        if request.body_size > MAX_REQUEST_BYTES:
            message = f"Request must be smaller than {MAX_REQUEST_BYTES} bytes"
            return AwsError(413, "RequestEntityTooLargeException", message)
        with self._reading:
            if request.body_sha256 not in self._bodies:
                try:
                    body = _json(request.body.read())
                    self._bodies[request.body_sha256] = body, self._content(body.pop("Content", None))
                except AwsError as error:
                    return error
            return self._bodies[request.body_sha256]

    def _content(self, specification: Any) -> Content:
        try:
            if "S3Bucket" in specification:
                return self.buckets.content(specification["S3Bucket"], specification["S3Key"])
            return self._aws.contents.add(base64.b64decode(specification["ZipFile"], validate=True))
        except (KeyError, TypeError, binascii.Error):
            raise AwsError(400, "InvalidRequestContentException", "Could not parse request body") from None

    def _listed(self, version: LayerVersion) -> dict[str, Any]:
        return {
            "LayerVersionArn": version.arn,
            "Version": version.number,
            "Description": version.description,
            "CreatedDate": self._aws.wall_time(version.created).strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "CompatibleRuntimes": list(version.runtimes),
            "CompatibleArchitectures": list(version.architectures),
            "LicenseInfo": version.license,
        }

    def _version_json(self, version: LayerVersion, base: str) -> dict[str, Any]:
        until = self._aws.clock.monotonic() + LINK_SECONDS
        link = f"{base}/content/{version.arn.split(':')[3]}/{version.sha256}?until={until:.3f}"
        digest = base64.b64encode(bytes.fromhex(version.sha256)).decode()
        content = {"CodeSha256": digest, "CodeSize": version.size, "Location": link}
        return {**self._listed(version), "LayerArn": version.arn.rpartition(":")[0], "Content": content}


#: Method, path, name, status of a success, and what executes it.
ROUTES: tuple[tuple[str, str, str, int, Callable[..., Any]], ...] = (
    ("GET", _LAYERS, "ListLayers", 200, Rest._list_layers),
    ("GET", _VERSIONS, "ListLayerVersions", 200, Rest._list_layer_versions),
    ("POST", _VERSIONS, "PublishLayerVersion", 201, Rest._publish_layer_version),
    ("GET", _VERSION, "GetLayerVersion", 200, Rest._get_layer_version),
    ("DELETE", _VERSION, "DeleteLayerVersion", 204, Rest._delete_layer_version),
    ("GET", _VERSION + "/policy", "GetLayerVersionPolicy", 200, Rest._get_layer_version_policy),
    ("POST", _VERSION + "/policy", "AddLayerVersionPermission", 201, Rest._add_layer_version_permission),
    ("DELETE", _VERSION + "/policy/(?P<sid>[^/]+)", "RemoveLayerVersionPermission", 204,
     Rest._remove_layer_version_permission),
)  # fmt: skip


def _paging(query: Mapping[str, str]) -> tuple[str | None, int]:
    return query.get("Marker"), int(query.get("MaxItems", MAX_PAGE_ITEMS))


def _statement(statement: Statement, arn: str) -> dict[str, Any]:
    who = statement.principal
    principal: Any = {"AWS": f"arn:aws:iam::{who}:root"} if who.isdigit() else who
    condition = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": statement.organization}}}
    return {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": "lambda:GetLayerVersion",
        "Resource": arn,
        **(condition if statement.organization else {}),
    }


def _json(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise AwsError(400, "InvalidRequestContentException", "Could not parse request body into json")
    return value
