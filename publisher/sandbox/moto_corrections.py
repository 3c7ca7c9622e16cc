"""Corrections of moto, where it differs from AWS in a way that would mislead a user or a command.

Each correction is small and named. The sandbox's tests check them with boto3 and the AWS CLI, and so notice when a new
moto changes something.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

from moto import backends
from moto.awslambda import models
from moto.awslambda.exceptions import UnknownLayerException
from moto.awslambda.policy import Policy
from moto.awslambda.utils import make_layer_ver_arn

from publisher.sandbox.signing_jobs import signature_of
from publisher.sandbox.zip_store import Refusal, Store, invalid_parameter, read_stand_in

_LAYERS = re.compile(r"/20\d\d-\d\d-\d\d/layers(?:/(?P<name>.+?)/versions(?:/(?P<number>\d+)(?P<rest>/.*)?)?)?/?")
LAYER_ARN = re.compile(
    r"arn:[\w-]+:lambda:(?P<region>[\w-]+):(?P<account>\d{12}):layer:(?P<name>[\w-]+)(?::(?P<number>\d+))?"
)
_PAGE = 50


def correct(store: Store, link: Callable[[str], str]) -> None:
    """Correct moto. ``link`` returns the address where the zip of a sha256 can be downloaded."""
    _list_services_once()
    _accept_stand_ins()
    _keep_zips_from_buckets(store)
    _describe_content(store, link)
    _statements_as_aws_writes_them()


def _list_services_once() -> None:
    """List moto's folders once, not for each request: that takes longer than most requests."""
    names = frozenset(backends.list_of_moto_modules())
    setattr(backends, "list_of_moto_modules", lambda: names)  # noqa: B010


def _accept_stand_ins() -> None:
    original: Callable[[str | bytes], tuple[bytes, int, str, str]] = models._zipfile_content

    def content(text: str | bytes) -> tuple[bytes, int, str, str]:
        stand_in = read_stand_in(text)
        if stand_in is None:
            return original(text)
        sha256, size = stand_in
        return b"", size, base64.b64encode(bytes.fromhex(sha256)).decode(), sha256

    setattr(models, "_zipfile_content", content)  # noqa: B010 - patches moto on purpose


def _keep_zips_from_buckets(store: Store) -> None:
    """Keep a zip that Lambda reads from S3 like one that came in the request."""

    def content(key: Any) -> tuple[bytes, int, str, str]:
        stored = store.keep(key.value)
        digest = base64.b64encode(bytes.fromhex(stored.sha256)).decode()
        return b"", stored.size, digest, stored.sha256

    setattr(models, "_s3_content", content)  # noqa: B010


def _describe_content(store: Store, link: Callable[[str], str]) -> None:
    """Return a download link in ``Content.Location``, where moto has ``s3://``, and who signed the zip."""
    original = models.LayerVersion.get_layer_version

    def get_layer_version(self: Any) -> dict[str, Any]:
        response: dict[str, Any] = original(self)
        response["Content"] |= {"Location": link(self.code_digest), **signature_of(store.path(self.code_digest))}
        return response

    setattr(models.LayerVersion, "get_layer_version", get_layer_version)  # noqa: B010


def _statements_as_aws_writes_them() -> None:
    """Write policies as AWS does: a condition for ``OrganizationId``, and the root ARN for an account's number."""
    original = Policy.decode_policy

    def decode_policy(self: Any, statement: dict[str, Any]) -> Any:
        if isinstance(self.parent, models.LayerVersion):
            if organization := statement.pop("OrganizationId", None):
                statement["PrincipalOrgID"] = organization
            if (principal := statement.get("Principal", "")).isdecimal():
                statement["Principal"] = f"arn:{self.parent.arn.split(':')[1]}:iam::{principal}:root"
        return original(self, statement)

    setattr(Policy, "decode_policy", decode_policy)  # noqa: B010


def layers_response(method: str, path: str, query: str, body: bytes, backend: Any) -> dict[str, Any] | None:
    """Return AWS's response to a request about layers where moto's would differ, else None. Raises Refusal."""
    match = _LAYERS.fullmatch(unquote(path))
    if match is None:
        return None
    arguments = {key: values[0] for key, values in parse_qs(query).items()}
    name, number, rest = match["name"] and _layer_name(match["name"]), match["number"], match["rest"]
    if method == "GET" and name is None:
        by_arn = arguments.get("find") == "LayerVersion"
        return _find_by_arn(backend, arguments.get("Arn", "")) if by_arn else _list_layers(backend, arguments)
    if method == "GET" and name and number is None:
        return _list_versions(backend, name, arguments)
    if number is not None and int(number) < 1:
        raise invalid_parameter("Layer Version Cannot be less than 1")
    if method == "GET" and name and number and not rest:
        return _version(backend, name, number)
    if method == "DELETE" and name and number and not rest:
        return _delete(backend, name, number)
    if name and rest and rest.startswith("/policy"):
        policy = _policy_of(backend, name, number)
        if method == "GET":
            return _policy(policy)
        if method == "POST":
            _refuse_statement(policy, body)
    if method == "POST" and name and number is None:
        _refuse_invalid(name, body)
    return None


def _layer_name(text: str) -> str:
    match = LAYER_ARN.fullmatch(text)
    return match["name"] if match else text


def _find_by_arn(backend: Any, arn: str) -> dict[str, Any]:
    match = LAYER_ARN.fullmatch(arn)
    if match is None or match["number"] is None:
        raise Refusal("ValidationException", f"Value '{arn}' at 'arn' failed to satisfy constraint")
    return _version(backend, match["name"], match["number"])


def _version(backend: Any, name: str, number: str) -> dict[str, Any]:
    try:
        version = backend.get_layer_version(name, number)
    except UnknownLayerException:
        raise Refusal("ResourceNotFoundException", "The resource you requested does not exist.", 404) from None
    return version.get_layer_version()  # type: ignore[no-any-return]


def _delete(backend: Any, name: str, number: str) -> dict[str, Any] | None:
    """Accept the deletion of a version that does not exist; moto deletes one that does."""
    try:
        backend.get_layer_version(name, number)
    except UnknownLayerException:
        return {}
    return None


def _list_layers(backend: Any, arguments: dict[str, str]) -> dict[str, Any]:
    """List each layer that has a matching version, with the newest of these."""
    layers = []
    for layer in backend.list_layers():
        matching = [
            version for version in backend.list_layer_versions(layer["LayerName"]) if _matches(version, arguments)
        ]
        if matching:
            newest = max(matching, key=lambda version: version.version)
            layers.append({**layer, "LatestMatchingVersion": _listing_entry(newest)})
    return _page("Layers", sorted(layers, key=lambda layer: str(layer["LayerName"])), arguments)


def _list_versions(backend: Any, name: str, arguments: dict[str, str]) -> dict[str, Any]:
    versions = sorted(backend.list_layer_versions(name), key=lambda version: -version.version)
    return _page("LayerVersions", [_listing_entry(v) for v in versions if _matches(v, arguments)], arguments)


def _listing_entry(version: Any) -> dict[str, Any]:
    """Return a version as lists have it: without its content."""
    shown = version.get_layer_version()
    return {key: value for key, value in shown.items() if key not in ("Content", "LayerArn")}


def _matches(version: Any, arguments: dict[str, str]) -> bool:
    runtime, architecture = arguments.get("CompatibleRuntime"), arguments.get("CompatibleArchitecture")
    return (runtime is None or runtime in version.compatible_runtimes) and (
        architecture is None or architecture in version.compatible_architectures
    )


def _page(key: str, items: list[dict[str, Any]], arguments: dict[str, str]) -> dict[str, Any]:
    size = int(arguments.get("MaxItems", _PAGE))
    if not 1 <= size <= _PAGE:
        bound = "greater than or equal to 1" if size < 1 else f"less than or equal to {_PAGE}"
        raise _invalid("maxItems", str(size), f"Member must have value {bound}")
    start = int(arguments.get("Marker") or 0)
    page: dict[str, Any] = {key: items[start : start + size]}
    if start + size < len(items):
        page["NextMarker"] = str(start + size)
    return page


def _policy_of(backend: Any, name: str, number: str) -> Any:
    try:
        return backend.get_layer_version(name, number).policy
    except UnknownLayerException:
        arn = make_layer_ver_arn(backend.region_name, backend.account_id, name, number)
        raise Refusal("ResourceNotFoundException", f"Layer version {arn} does not exist.", 404) from None


def _policy(policy: Any) -> dict[str, Any]:
    if not policy.statements:
        raise Refusal("ResourceNotFoundException", "No policy is associated with the given resource.", 404)
    return json.loads(policy.wire_format())  # type: ignore[no-any-return]


def _refuse_statement(policy: Any, body: bytes) -> None:
    data = json.loads(body or b"{}")
    if (action := data.get("Action")) != "lambda:GetLayerVersion":
        raise _invalid("action", action, "Member must satisfy regular expression pattern: lambda:GetLayerVersion")
    statement = data.get("StatementId")
    if any(each.get("Sid") == statement for each in policy.statements):
        raise Refusal(
            "ResourceConflictException",
            f"The statement id ({statement}) provided already exists. Please provide a new statement id, "
            "or remove the existing statement.",
            409,
        )


def _refuse_invalid(name: str, body: bytes) -> None:
    data = json.loads(body)
    for key, limit in {"Description": 256, "LicenseInfo": 512}.items():
        if len(value := data.get(key) or "") > limit:
            raise _invalid(key, value, f"Member must have length less than or equal to {limit}")
    for key, allowed in {"CompatibleRuntimes": runtimes(), "CompatibleArchitectures": {"x86_64", "arm64"}}.items():
        if set(values := data.get(key) or []) - allowed:
            choices = ", ".join(sorted(allowed))
            raise _invalid(key, f"[{', '.join(values)}]", f"Member must satisfy enum value set: [{choices}]")
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,140}", name):
        raise _invalid("layerName", name, "Member must satisfy regular expression pattern: [a-zA-Z0-9-_]{1,140}")


def _invalid(key: str, value: object, constraint: str) -> Refusal:
    """Return AWS's error for a field that violates the service model."""
    field = key[0].lower() + key[1:]
    return Refusal(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}",
    )


@cache
def runtimes() -> frozenset[str]:
    """Return the runtimes in the SDK's service model of Lambda."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("lambda")
    return frozenset(model.shape_for("Runtime").metadata["enum"])
