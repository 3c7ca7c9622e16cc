"""Where moto does otherwise than AWS, and a user or a command of ours would be misled, moto is corrected here.

Each correction is small and named; ``tests/publisher/test_sandbox.py`` holds them against boto3 and the AWS CLI, and so
says when a new moto has moved something.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.awslambda import models
from moto.awslambda.exceptions import UnknownLayerException

from publisher.sandbox.store import Refusal, Store, read_stand_in

_LAYERS = re.compile(r"/20\d\d-\d\d-\d\d/layers(?:/(?P<name>.+?)/versions(?:/(?P<number>\d+)(?P<rest>/.*)?)?)?/?")
_LAYER_ARN = re.compile(
    r"arn:[\w-]+:lambda:(?P<region>[\w-]+):(?P<account>\d{12}):layer:(?P<name>[\w-]+)(?::(?P<number>\d+))?"
)
_PAGE = 50


def correct(store: Store, link: Callable[[str], str]) -> None:
    """Make moto do as AWS does; ``link`` gives the address where a zip of a sha256 can be fetched."""
    _zips_by_stand_in()
    _zips_from_buckets(store)
    _links_that_work(link)


def _zips_by_stand_in() -> None:
    original = models._zipfile_content

    def content(text: str | bytes) -> tuple[bytes, int, str, str]:
        named = read_stand_in(text)
        if named is None:
            return original(text)
        sha256, size = named
        return b"", size, base64.b64encode(bytes.fromhex(sha256)).decode(), sha256

    setattr(models, "_zipfile_content", content)  # noqa: B010 - moto's own, corrected on purpose


def _zips_from_buckets(store: Store) -> None:
    """A zip that Lambda takes from S3 is kept like one that came in the request."""

    def content(key: Any) -> tuple[bytes, int, str, str]:
        stored = store.keep(key.value)
        digest = base64.b64encode(bytes.fromhex(stored.sha256)).decode()
        return b"", stored.size, digest, stored.sha256

    setattr(models, "_s3_content", content)  # noqa: B010


def _links_that_work(link: Callable[[str], str]) -> None:
    """moto's ``Content.Location`` is ``s3://``; AWS's is a link to fetch the zip from."""
    original = models.LayerVersion.get_layer_version

    def get_layer_version(self: Any) -> dict[str, Any]:
        answer = original(self)
        answer["Content"]["Location"] = link(self.code_digest)
        return answer

    setattr(models.LayerVersion, "get_layer_version", get_layer_version)  # noqa: B010


def answer(method: str, path: str, query: str, body: bytes, backend: Any) -> dict[str, Any] | None:
    """AWS's answer to a request about layers where moto's would differ; None: moto may answer. Raises Refusal."""
    match = _LAYERS.fullmatch(unquote(path))
    if match is None:
        return None
    arguments = {key: values[0] for key, values in parse_qs(query).items()}
    name, number, rest = match["name"], match["number"], match["rest"]
    if method == "GET" and name is None:
        found = arguments.get("find") == "LayerVersion"
        return _by_arn(backend, arguments.get("Arn", "")) if found else _list_layers(backend, arguments)
    if method == "GET" and name and number is None:
        return _list_versions(backend, _layer_name(name), arguments)
    if method == "GET" and name and number and not rest:
        return _version(backend, _layer_name(name), number)
    if method == "POST" and rest and rest.startswith("/policy"):
        _refuse_used_statement(backend, _layer_name(name), number, body)
    if method == "POST" and name and number is None:
        _refuse_invalid(_layer_name(name), body)
    return None


def _layer_name(text: str) -> str:
    match = _LAYER_ARN.fullmatch(text)
    return match["name"] if match else text


def _by_arn(backend: Any, arn: str) -> dict[str, Any]:
    match = _LAYER_ARN.fullmatch(arn)
    if match is None or match["number"] is None:
        raise Refusal("ValidationException", f"Value '{arn}' at 'arn' failed to satisfy constraint")
    return _version(backend, match["name"], match["number"])


def _version(backend: Any, name: str, number: str) -> dict[str, Any]:
    try:
        version = backend.get_layer_version(name, number)
    except UnknownLayerException:
        raise Refusal("ResourceNotFoundException", "The resource you requested does not exist.", 404) from None
    return version.get_layer_version()  # type: ignore[no-any-return]


def _list_layers(backend: Any, arguments: dict[str, str]) -> dict[str, Any]:
    layers = []
    for layer in backend.list_layers():
        newest = max(backend.list_layer_versions(layer["LayerName"]), key=lambda v: v.version, default=None)
        if newest is not None and _fits(newest, arguments):
            layers.append({**layer, "LatestMatchingVersion": _as_listed(newest)})
    return _page("Layers", sorted(layers, key=lambda layer: str(layer["LayerName"])), arguments)


def _list_versions(backend: Any, name: str, arguments: dict[str, str]) -> dict[str, Any]:
    versions = sorted(backend.list_layer_versions(name), key=lambda version: -version.version)
    return _page("LayerVersions", [_as_listed(v) for v in versions if _fits(v, arguments)], arguments)


def _as_listed(version: Any) -> dict[str, Any]:
    """A version as lists show it: without its content."""
    shown = version.get_layer_version()
    return {key: value for key, value in shown.items() if key not in ("Content", "LayerArn")}


def _fits(version: Any, arguments: dict[str, str]) -> bool:
    runtime, architecture = arguments.get("CompatibleRuntime"), arguments.get("CompatibleArchitecture")
    return (runtime is None or runtime in version.compatible_runtimes) and (
        architecture is None or architecture in version.compatible_architectures
    )


def _page(key: str, items: list[dict[str, Any]], arguments: dict[str, str]) -> dict[str, Any]:
    size = min(int(arguments.get("MaxItems", _PAGE)), _PAGE)
    start = int(arguments.get("Marker") or 0)
    page: dict[str, Any] = {key: items[start : start + size]}
    if start + size < len(items):
        page["NextMarker"] = str(start + size)
    return page


def _refuse_used_statement(backend: Any, name: str, number: str, body: bytes) -> None:
    statement = json.loads(body or b"{}").get("StatementId")
    try:
        policy = json.loads(backend.get_layer_version_policy(name, int(number)))
        statements = json.loads(policy["Policy"])["Statement"]
    except Exception:  # noqa: BLE001 - no such layer or no policy: moto says so itself
        return
    if any(each.get("Sid") == statement for each in statements):
        raise Refusal(
            "ResourceConflictException",
            f"The statement id ({statement}) provided already exists. Please provide a new statement id, "
            "or remove the existing statement.",
            409,
        )


def _refuse_invalid(name: str, body: bytes) -> None:
    data = json.loads(body)
    limits = {"Description": 256, "LicenseInfo": 512}
    for key, limit in limits.items():
        if len(data.get(key) or "") > limit:
            field = key[0].lower() + key[1:]
            raise Refusal(
                "ValidationException",
                f"1 validation error detected: Value at '{field}' failed to satisfy constraint: "
                f"Member must have length less than or equal to {limit}",
            )
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,140}", name):
        raise Refusal(
            "ValidationException",
            f"1 validation error detected: Value '{name}' at 'layerName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern",
        )
