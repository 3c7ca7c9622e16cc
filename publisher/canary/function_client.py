"""Implement ``Functions`` with boto3. Each request is sent once; ``RetryingFunctions`` retries."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.config
from botocore.exceptions import ClientError
from botocore.utils import parse_timestamp

from builder.model.clock import SYSTEM_CLOCK, Clock
from publisher.aws import responses
from publisher.aws.api_call import Caller
from publisher.aws.error_codes import BotoError, is_missing, translate_error
from publisher.aws.gateway import GatewayError, PublishedVersion, Unavailable
from publisher.aws.lambda_client import CONFIG
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.request_log import RequestLog
from publisher.aws.retry_policy import RetryPolicy
from publisher.aws.session import new_session
from publisher.canary.function_port import (
    FUNCTION_MEMORY_MB,
    FUNCTION_TIMEOUT_SECONDS,
    Function,
    Functions,
    InvalidError,
    Invoked,
    NameTakenError,
    NotNowError,
    RoleError,
    RuntimeRefused,
    Spec,
)

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

T = TypeVar("T")

#: Read timeout of an invocation, whose response arrives only when the function ends.
_INVOKE_CONFIG = CONFIG.merge(botocore.config.Config(read_timeout=FUNCTION_TIMEOUT_SECONDS + 20))
_MAX_INVOKE_ATTEMPTS = 3


def connect(regions: Iterable[str], rate: float, journal: RequestLog | None = None) -> Mapping[str, Functions]:
    """Return the functions of each region. boto3's settings apply: environment, profile, ``AWS_ENDPOINT_URL``."""
    session = new_session()
    journal = journal or RequestLog()

    def make(region: str) -> Functions:
        client = partial(session.client, "lambda", region_name=region)
        caller = Caller(region, TokenBucket(rate), journal, _error_of)
        return RetryingFunctions(
            BotoFunctions(client(config=CONFIG), client(config=_INVOKE_CONFIG), caller), SYSTEM_CLOCK
        )

    return {region: make(region) for region in regions}


class BotoFunctions:
    """Lambda's functions in one region. ``invoking`` is a client with a read timeout for invocations."""

    def __init__(self, client: LambdaClient, invoking: LambdaClient, call: Caller) -> None:
        self._client = client
        self._invoking = invoking
        self._call = call

    def layer(self, name: str, number: int) -> PublishedVersion | None:
        response = self._call(self._client.get_layer_version, LayerName=name, VersionNumber=number, missing={})
        source = responses.LayerSource(self._client.meta.region_name, name, number=number)
        return responses.published_version(source, response) if response else None

    def find(self, name: str) -> Function | None:
        response = self._call(self._client.get_function_configuration, FunctionName=name, missing={})
        if not response:
            return None
        return Function(
            description=responses.text(response, "Description", ""),
            state=responses.text(response, "State", "Active"),
            reason=responses.text(response, "StateReason", ""),
            modified=_time(responses.text(response, "LastModified")),
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
            Timeout=FUNCTION_TIMEOUT_SECONDS,
            MemorySize=FUNCTION_MEMORY_MB,
        )

    def invoke(self, name: str, event: dict[str, str]) -> Invoked:
        def invoke() -> dict[str, Any]:  # with the payload, whose reading may fail like any response
            response = self._invoking.invoke(FunctionName=name, LogType="Tail", Payload=json.dumps(event).encode())
            log = base64.b64decode(response.get("LogResult", "")).decode("utf-8", "replace")
            invoked = Invoked(response["Payload"].read(), bool(response.get("FunctionError")), log)
            return {"ResponseMetadata": response["ResponseMetadata"], "Invoked": invoked}

        return self._call(invoke)["Invoked"]  # type: ignore[no-any-return]

    def delete(self, name: str) -> None:
        self._call(self._client.delete_function, FunctionName=name, missing={})


class RetryingFunctions:
    """``Functions`` with retries. Every request is safe to repeat: a function's name is unique."""

    def __init__(self, inner: Functions, clock: Clock) -> None:
        self._inner = inner
        self._repeat = RetryPolicy(clock).repeat

    def layer(self, name: str, number: int) -> PublishedVersion | None:
        return self._repeat(lambda: self._inner.layer(name, number))

    def find(self, name: str) -> Function | None:
        return self._repeat(lambda: self._inner.find(name))

    def create(self, spec: Spec) -> None:
        self._repeat(lambda: self._inner.create(spec))

    def invoke(self, name: str, event: dict[str, str]) -> Invoked:
        return self._repeat(lambda: self._inner.invoke(name, event), max_attempts=_MAX_INVOKE_ATTEMPTS)

    def delete(self, name: str) -> None:
        self._repeat(lambda: self._inner.delete(name))


#: Messages about a runtime that is retired, or a runtime or an architecture that the region does not offer.
_RUNTIME_REFUSED = re.compile(
    r"no longer supported|'(runtime|architectures?)' failed|(runtime|architectures?)\b.*\bnot (supported|available)",
    re.IGNORECASE,
)


def _error_of(error: BotoError) -> GatewayError:
    """Translate an exception of boto3 to an error of ``Functions``."""
    general = translate_error(error)
    kind = _kind_of(error) if isinstance(error, ClientError) else None
    return kind(general.message, general.request_id, general.advice) if kind else general


def _kind_of(error: ClientError) -> type[GatewayError] | None:
    """Return the class for an error that ``trial`` handles, else None."""
    details = error.response.get("Error", {})
    code, message = details.get("Code"), str(details.get("Message"))
    match error.operation_name, code:
        case "CreateFunction", "ResourceConflictException":
            return NameTakenError
        case "Invoke" | "DeleteFunction", "ResourceConflictException":
            return NotNowError
        case "Invoke", _:
            return NotNowError if is_missing(error) else None
        case "CreateFunction", "InvalidParameterValueException" | "ValidationException":
            if "cannot be assumed" in message:
                return RoleError
            if _RUNTIME_REFUSED.search(message):
                return RuntimeRefused
            return NotNowError if "does not exist" in message else InvalidError  # the layer exists: trial has read it
    return None


def _time(text: str) -> datetime:
    try:
        return parse_timestamp(text)
    except (ValueError, OverflowError):
        raise Unavailable(f"LastModified in the response of AWS is not a date: {text[:40]!a}") from None
