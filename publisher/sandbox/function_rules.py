"""Correct moto's functions where moto refuses, keeps or returns something other than AWS.

Each correction is small and named, as in ``moto_corrections``; ``tests/publisher/sandbox/test_functions.py`` tests
them. What an invocation does is in ``invocation``.
"""

from __future__ import annotations

import base64
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.awslambda import models
from moto.awslambda.exceptions import UnknownFunctionException

from builder.model.runtimes import UNZIPPED_LIMIT_BYTES
from publisher.sandbox.moto_corrections import LAYER_ARN, runtimes
from publisher.sandbox.zip_store import Refusal, Store, check_zip, invalid_parameter

_MAX_LAYERS = 5


@dataclass(frozen=True)
class SandboxFunction:
    """The facts of a function that an invocation needs. Its zips are in the store, by sha256."""

    name: str
    arn: str
    region: str
    runtime: str
    architecture: str  #: Lambda's name for it
    handler: str
    variables: Mapping[str, str]
    timeout: int
    memory: int
    code: str
    layers: tuple[str, ...]


def correct(store: Store, link: Callable[[str], str]) -> None:
    """Correct moto's functions. ``link`` returns the address where the zip of a sha256 can be downloaded."""
    _create_in_two_steps()
    _keep_deleted_layers()
    _downloadable_code(store, link)


def _create_in_two_steps() -> None:
    """Return ``Pending`` from CreateFunction, as AWS does; moto returns ``Active``. Also correct the times."""
    original = models.LambdaFunction.get_configuration

    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:
        shown: dict[str, Any] = original(self, on_create)
        if on_create:
            shown["State"], shown["StateReasonCode"] = "Pending", "Creating"
            shown["StateReason"] = "The function is being created."
        shown["LastModified"] = re.sub(r"(\.\d{3})\d*Z$", r"\1+0000", str(shown["LastModified"]))
        return shown

    setattr(models.LambdaFunction, "get_configuration", get_configuration)  # noqa: B010 - patches moto on purpose


def _keep_deleted_layers() -> None:
    """Keep the layers of a function after their versions are deleted."""
    original = models.LambdaFunction._get_layers_data

    def get_layers_data(self: Any, arns: list[str]) -> Any:
        layers = original(self, arns)
        backend = models.lambda_backends[self.account_id][self.region]
        self.layer_digests = tuple(str(getattr(backend.layers_versions_by_arn(arn), "code_digest", "")) for arn in arns)
        return layers

    setattr(models.LambdaFunction, "_get_layers_data", get_layers_data)  # noqa: B010


def _downloadable_code(store: Store, link: Callable[[str], str]) -> None:
    """Return a download link for the code that works, unlike moto's."""
    original = models.LambdaFunction.get_code

    def get_code(self: Any) -> dict[str, Any]:
        response: dict[str, Any] = original(self)
        if self.package_type == "Zip":
            response["Code"] = {"RepositoryType": "S3", "Location": link(_code_of(self, store))}
        return response

    setattr(models.LambdaFunction, "get_code", get_code)  # noqa: B010


def refuse_creation(body: bytes, backend: Any, store: Store) -> None:
    """Raise Refusal for a function that AWS would refuse and moto would accept."""
    try:
        specification = json.loads(body)
        text = specification.get("Code", {}).get("ZipFile")
        code = base64.b64decode(text, validate=True) if text else b""
    except (ValueError, TypeError, AttributeError):
        raise Refusal("InvalidRequestContentException", "Could not parse request body into json") from None
    if code:
        check_zip(code)
    runtime = specification.get("Runtime")
    if runtime is not None and runtime not in runtimes():
        raise invalid_parameter(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(sorted(runtimes()))}] or be a valid ARN"
        )
    _refuse_layers(specification.get("Layers") or [], backend, store)


def _refuse_layers(arns: Sequence[str], backend: Any, store: Store) -> None:
    if len(arns) > _MAX_LAYERS:
        raise invalid_parameter(f"Cannot reference more than {_MAX_LAYERS} layers.")
    size = 0
    names: dict[str, str] = {}
    for arn in arns:
        match = LAYER_ARN.fullmatch(arn)
        if match is None or match["number"] is None:
            raise Refusal("ValidationException", f"Value '[{arn}]' at 'layers' failed to satisfy constraint")
        if match["region"] != backend.region_name:
            expected = f"Layers are expected to be in region {backend.region_name}."
            raise invalid_parameter(f"Layers are not in the same region as the function. {expected}")
        if match["account"] != backend.account_id:
            message = f"not authorized to perform: lambda:GetLayerVersion on resource: {arn}"
            raise Refusal("AccessDeniedException", message, 403)
        version = backend.layers_versions_by_arn(arn)
        if version is None:
            raise invalid_parameter(f"Layer version {arn} does not exist.")
        if other := names.get(match["name"]):
            raise invalid_parameter(
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{other} and {arn} are versions of the same layer."
            )
        names[match["name"]] = arn
        size += _unzipped_size(store, version.code_digest)
    if size > UNZIPPED_LIMIT_BYTES:
        raise invalid_parameter(f"Layers consume more than the available size of {UNZIPPED_LIMIT_BYTES} bytes")


def _unzipped_size(store: Store, sha256: str) -> int:
    with zipfile.ZipFile(store.path(sha256)) as archive:
        return sum(info.file_size for info in archive.infolist())


def find(name: str, qualifier: str | None, backend: Any, store: Store) -> SandboxFunction:
    """Return the function of a name or ARN. Raises Refusal if there is none."""
    try:
        function = backend.get_function(name, qualifier)
    except UnknownFunctionException as error:
        raise Refusal("ResourceNotFoundException", error.message, 404) from None
    return SandboxFunction(
        name=function.function_name,
        arn=function.function_arn,
        region=function.region,
        runtime=str(function.run_time),
        architecture=function.architectures[0],
        handler=str(function.handler),
        variables=dict(function.environment_vars),
        timeout=int(function.timeout),
        memory=int(function.memory_size),
        code=_code_of(function, store),
        layers=tuple(getattr(function, "layer_digests", ())),
    )


def _code_of(function: Any, store: Store) -> str:
    """Put a function's zip into the store; return its sha256."""
    return store.keep(function.code_bytes).sha256 if function.code_bytes else str(function.code_digest)
