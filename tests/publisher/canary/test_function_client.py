"""boto3's responses and errors, translated for a canary."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from publisher.aws.api_call import Caller
from publisher.aws.gateway import CredentialsRefused, GatewayError, Refused, StorageExceeded, Throttled, Unavailable
from publisher.aws.lambda_client import CONFIG
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.request_log import RequestLog
from publisher.aws.session import new_session
from publisher.canary.function_client import BotoFunctions, _error_of
from publisher.canary.function_port import InvalidError, NameTakenError, NotNowError, RoleError, RuntimeRefused, Spec

SPEC = Spec("f", "", "arn:aws:iam::123456789012:role/r", "python3.12", "arm64", "arn:aws:lambda:l:1", "h.h", b"zip")


@pytest.fixture
def stub() -> tuple[BotoFunctions, Stubber, RequestLog]:
    client = new_session("key", "secret").client("lambda", region_name="us-east-1", config=CONFIG)
    stubber, journal = Stubber(client), RequestLog()
    stubber.activate()
    return BotoFunctions(client, client, Caller("us-east-1", TokenBucket(1000), journal, _error_of)), stubber, journal


ASK: dict[str, Callable[[BotoFunctions], object]] = {
    "create_function": lambda functions: functions.create(SPEC),
    "invoke": lambda functions: functions.invoke("f", {"package": "demo"}),
    "delete_function": lambda functions: functions.delete("f"),
    "get_function_configuration": lambda functions: functions.find("f"),
    "get_layer_version": lambda functions: functions.layer("l", 1),
}
INVALID = "InvalidParameterValueException"


@pytest.mark.parametrize(
    ("operation", "code", "status", "message", "kind"),
    [
        ("create_function", "ResourceConflictException", 409, "Function already exist: f", NameTakenError),
        ("create_function", INVALID, 400, "The role defined for the function cannot be assumed by Lambda.", RoleError),
        ("create_function", INVALID, 400, "Layer version arn:aws:lambda:l:1 does not exist.", NotNowError),
        ("create_function", INVALID, 400, "Layers consume more than the available size", InvalidError),
        ("create_function", "ValidationException", 400, "1 validation error detected", InvalidError),
        ("create_function", INVALID, 400, "The runtime parameter of python3.10 is no longer supported", RuntimeRefused),
        (
            "create_function",
            "ValidationException",
            400,
            "'python3.14' at 'runtime' failed to satisfy",
            RuntimeRefused,
        ),
        ("create_function", INVALID, 400, "The architecture arm64 is not supported in this region.", RuntimeRefused),
        ("create_function", "AccessDeniedException", 403, "iam:PassRole", Refused),
        ("create_function", "CodeStorageExceededException", 400, "Code storage limit exceeded.", StorageExceeded),
        ("invoke", "ResourceConflictException", 409, "The function is Pending", NotNowError),
        ("invoke", "ResourceNotFoundException", 404, "Function not found", NotNowError),
        ("invoke", "TooManyRequestsException", 429, "Rate Exceeded.", Throttled),
        ("invoke", "ServiceException", 500, "", Unavailable),
        ("delete_function", "ResourceConflictException", 409, "The function is Pending", NotNowError),
        ("delete_function", "AccessDeniedException", 403, "lambda:DeleteFunction", Refused),
        ("get_function_configuration", "ExpiredTokenException", 403, "expired", CredentialsRefused),
    ],
)
def test_each_error_has_its_class_and_is_counted(
    stub: tuple[BotoFunctions, Stubber, RequestLog],
    operation: str,
    code: str,
    status: int,
    message: str,
    kind: type[GatewayError],
) -> None:
    functions, stubber, journal = stub
    stubber.add_client_error(operation, code, message, status)
    with pytest.raises(GatewayError) as caught:
        ASK[operation](functions)
    assert type(caught.value) is kind
    assert journal.operations == {operation: 1}
    assert journal.total == 1


@pytest.mark.parametrize("operation", ["delete_function", "get_function_configuration", "get_layer_version"])
def test_a_missing_function_or_layer_is_not_an_error(
    stub: tuple[BotoFunctions, Stubber, RequestLog], operation: str
) -> None:
    functions, stubber, _ = stub
    stubber.add_client_error(operation, "ResourceNotFoundException", "", 404)
    assert ASK[operation](functions) is None


@pytest.mark.parametrize("text", ["2026-11-23T20:40:15.000+0000", "2026-11-23T20:40:15.123456000Z"])
def test_both_forms_of_a_timestamp_are_read(stub: tuple[BotoFunctions, Stubber, RequestLog], text: str) -> None:
    functions, stubber, _ = stub
    stubber.add_response("get_function_configuration", {"LastModified": text, "State": "Pending"})
    found = functions.find("f")
    assert found is not None
    assert (found.state, found.modified.isoformat()[:19]) == ("Pending", "2026-11-23T20:40:15")


@pytest.mark.parametrize("answer", [{"LastModified": "yesterday"}, {"State": "Active"}])
def test_an_incomplete_response_is_unavailable(
    stub: tuple[BotoFunctions, Stubber, RequestLog], answer: dict[str, Any]
) -> None:
    functions, stubber, _ = stub
    stubber.add_response("get_function_configuration", answer)
    with pytest.raises(Unavailable):
        functions.find("f")


def test_a_truncated_payload_is_unavailable(stub: tuple[BotoFunctions, Stubber, RequestLog]) -> None:
    functions, stubber, _ = stub
    stubber.add_response("invoke", {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(b'{"a'), 100)})
    with pytest.raises(Unavailable):
        functions.invoke("f", {"package": "demo"})
