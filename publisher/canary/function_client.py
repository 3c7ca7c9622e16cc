"""The port to functions, by boto3: each request once, at the region's pace; ``Patient`` repeats what may be."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp

from builder.model.clock import SYSTEM_CLOCK, Clock
from publisher.aws import responses
from publisher.aws.api_call import Caller
from publisher.aws.error_codes import is_missing, of_boto_error
from publisher.aws.gateway import GatewayError, Held, Refused, Unavailable
from publisher.aws.lambda_client import CONFIG
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.request_log import Journal
from publisher.aws.retry import Patience
from publisher.canary.function_port import (
    FUNCTION_MEMORY,
    FUNCTION_TIMEOUT,
    Function,
    Functions,
    InvalidError,
    Invoked,
    NameTakenError,
    NotNowError,
    RoleError,
    Spec,
)

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

T = TypeVar("T")

#: An invocation answers when the function does, and a little later where Lambda is slow to start it.
_INVOKING = CONFIG.merge(botocore.config.Config(read_timeout=FUNCTION_TIMEOUT + 20))
#: Invocations without an answer, before their region counts as silent.
_INVOCATIONS = 3


def connect(regions: Iterable[str], rate: float, journal: Journal | None = None) -> Mapping[str, Functions]:
    """The functions of each region, found as boto3 finds AWS."""
    import boto3

    session = boto3.session.Session()
    journal = journal or Journal()

    def make(region: str) -> Functions:
        client = partial(session.client, "lambda", region_name=region)
        caller = Caller(region, TokenBucket(rate), journal, _error_of)
        return Patient(BotoFunctions(client(config=CONFIG), client(config=_INVOKING), caller), SYSTEM_CLOCK)

    return {region: make(region) for region in regions}


class BotoFunctions:
    """Lambda's functions in one region. ``invoking`` is a client that waits long enough for a function's answer."""

    def __init__(self, client: LambdaClient, invoking: LambdaClient, call: Caller) -> None:
        self._client = client
        self._invoking = invoking
        self._call = call

    def layer(self, name: str, number: int) -> Held | None:
        response = self._call(self._client.get_layer_version, LayerName=name, VersionNumber=number, missing={})
        source = responses.LayerSource(self._client.meta.region_name, name, number=number)
        return responses.held(source, response) if response else None

    def find(self, name: str) -> Function | None:
        answer = self._call(self._client.get_function_configuration, FunctionName=name, missing={})
        if not answer:
            return None
        return Function(
            description=responses.text(answer, "Description", ""),
            state=responses.text(answer, "State", "Active"),
            reason=responses.text(answer, "StateReason", ""),
            modified=_time(responses.text(answer, "LastModified")),
        )

    def create(self, spec: Spec) -> None:
        self._call(
            self._client.create_function,
            FunctionName=spec.name,
            Description=spec.description,
            Role=spec.role,
            Runtime=spec.runtime,
            Architectures=[spec.architecture],
            Layers=[spec.layer],
            Handler=spec.handler,
            Code={"ZipFile": spec.code},
            Timeout=FUNCTION_TIMEOUT,
            MemorySize=FUNCTION_MEMORY,
        )

    def invoke(self, name: str, event: dict[str, str]) -> Invoked:
        def invoke() -> dict[str, Any]:  # and read the payload, which may break like any other answer
            answer = self._invoking.invoke(FunctionName=name, LogType="Tail", Payload=json.dumps(event).encode())
            log = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
            invoked = Invoked(answer["Payload"].read(), bool(answer.get("FunctionError")), log)
            return {"ResponseMetadata": answer["ResponseMetadata"], "Invoked": invoked}

        return self._call(invoke)["Invoked"]  # type: ignore[no-any-return]

    def delete(self, name: str) -> None:
        self._call(self._client.delete_function, FunctionName=name, missing={})


class Patient:
    """``Functions`` that repeats: all of it is safe to repeat, since a function's name is taken only once."""

    def __init__(self, inner: Functions, clock: Clock) -> None:
        self._inner = inner
        self._repeat = Patience(clock).repeat

    def layer(self, name: str, number: int) -> Held | None:
        return self._repeat(lambda: self._inner.layer(name, number))

    def find(self, name: str) -> Function | None:
        return self._repeat(lambda: self._inner.find(name))

    def create(self, spec: Spec) -> None:
        self._repeat(lambda: self._inner.create(spec))

    def invoke(self, name: str, event: dict[str, str]) -> Invoked:
        return self._repeat(lambda: self._inner.invoke(name, event), max_attempts=_INVOCATIONS)

    def delete(self, name: str) -> None:
        self._repeat(lambda: self._inner.delete(name))


def _error_of(error: ClientError | BotoCoreError | ResponseParserError) -> GatewayError:
    """The port's error for one of boto3's."""
    general = of_boto_error(error)
    if isinstance(error, ClientError) and error.operation_name in _KINDS:
        kind = _KINDS[error.operation_name](error)
        return kind(general.message, general.request_id) if kind else general
    return general


def _of_create(error: ClientError) -> type[GatewayError] | None:
    details = error.response.get("Error", {})
    code, message = details.get("Code"), str(details.get("Message"))
    if code == "ResourceConflictException":
        return NameTakenError
    if code not in ("InvalidParameterValueException", "ValidationException"):
        return None
    if "cannot be assumed" in message:
        return RoleError
    if "no longer supported" in message:  # a Python that is retired, which says nothing of the layer
        return Refused
    return NotNowError if "does not exist" in message else InvalidError  # the layer is there: it was asked for before


def _of_invoke(error: ClientError) -> type[GatewayError] | None:
    conflict = error.response.get("Error", {}).get("Code") == "ResourceConflictException"
    return NotNowError if conflict or is_missing(error) else None


def _of_delete(error: ClientError) -> type[GatewayError] | None:
    return NotNowError if error.response.get("Error", {}).get("Code") == "ResourceConflictException" else None


_KINDS: Mapping[str, Callable[[ClientError], type[GatewayError] | None]] = {
    "CreateFunction": _of_create,
    "Invoke": _of_invoke,
    "DeleteFunction": _of_delete,
}


def _time(text: str) -> datetime:
    try:
        return parse_timestamp(text)
    except (ValueError, OverflowError):
        raise Unavailable(f"AWS answered with a date that is none: {text[:40]!r}") from None
