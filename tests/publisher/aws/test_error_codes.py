"""Every error of boto3 is temporary, permanent or a defect, and has advice if running again does not help."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    InvalidRegionError,
    LoginRefreshRequired,
    MissingDependencyException,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnsupportedSignatureVersionError,
)
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import FailureClass
from builder.model.progress import Quiet
from publisher.aws import gateway
from publisher.aws.error_codes import _RULES, translate_error
from publisher.aws.fanout import each_region
from publisher.aws.gateway import GatewayError
from publisher.aws.permission_advice import BODILESS_OPERATIONS
from tests import REPOSITORY
from tests.fakes.aws_calls import _IAM_REQUESTS, Call

TEMPORARY, PERMANENT, DEFECT = FailureClass
URL = "https://lambda.eu-west-1.amazonaws.com/"


def client_error(
    code: str, message: str = "", status: int = 400, operation: str = "PublishLayerVersion"
) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r-1"},
    }
    return ClientError(response, operation)


@pytest.mark.parametrize(
    ("code", "message", "status", "kind", "advice"),
    [
        ("TooManyRequestsException", "Rate exceeded", 429, "Throttled", None),
        ("SlowDown", "Please reduce your request rate.", 503, "Throttled", None),
        ("ServiceException", "", 500, "Unavailable", None),
        ("", "", 502, "Unavailable", None),
        ("ExpiredTokenException", "The security token is expired", 403, "CredentialsRefused", "sso"),
        ("RequestExpired", "Request has expired.", 400, "CredentialsRefused", "clock"),
        ("RequestTimeTooSkewed", "The difference between the request time", 403, "CredentialsRefused", "clock"),
        ("InvalidSignatureException", "Signature not yet current: x", 403, "CredentialsRefused", "clock"),
        ("InvalidSignatureException", "The request signature we calculated", 403, "CredentialsRefused", "secret"),
        ("UnrecognizedClientException", "The security token is invalid.", 403, "CredentialsUnknown", "access key"),
        ("OptInRequired", "You are not subscribed to this service", 403, "RegionDisabled", None),
        ("CodeStorageExceededException", "Code storage limit exceeded.", 400, "StorageExceeded", "Service Quotas"),
        ("RequestEntityTooLargeException", "Request must be smaller than", 413, "Refused", "staging"),
        ("413", "Request Entity Too Large", 413, "Refused", "staging"),
        ("AccessDeniedException", "not authorized to perform: lambda:X because no permissions boundary allows", 403,
         "Refused", "allow lambda:X in the permissions boundary"),
        ("AccessDeniedException", "not authorized to perform: lambda:X with an explicit deny in a policy",
         403, "Refused", "remove the statement that denies lambda:X"),
        ("AccessDenied", "not authorized to perform: s3:PutObject because no session policy allows it", 403,
         "Refused", "allow s3:PutObject in the session policy"),
        ("AccessDeniedException", "", 403, "Refused", "allow lambda:PublishLayerVersion"),
        ("", "<html>not found</html>", 404, "Unavailable", None),
        ("404", "", 404, "Unavailable", None),
        ("403", "", 403, "Unavailable", None),
        ("InvalidParameterValueException", "CompatibleArchitectures are not supported", 400, "FieldsRefused", None),
        ("ResourceNotFoundException", "", 404, "Refused", None),
        ("TooManyUpdates", "There are concurrent updates", 400, "Throttled", None),
        ("RequestTimeout", "Your socket connection to the server was not read", 400, "Unavailable", None),
        ("OperationAborted", "A conflicting conditional operation", 409, "Unavailable", None),
        ("PreconditionFailedException", "The Revision Id provided does not match", 412, "Unavailable", None),
        ("IDPCommunicationError", "", 400, "Unavailable", None),
        ("InvalidIdentityToken", "No OpenIDConnect provider found", 400, "CredentialsRefused", "OIDC provider"),
        ("KMSAccessDeniedException", "", 502, "Refused", "key policy"),
        ("KMS.DisabledException", "", 400, "Refused", "enable the KMS key"),
        ("PermanentRedirect", "The bucket is in another region", 301, "Refused", "another region"),
        ("ParameterLimitExceeded", "", 400, "Refused", "Service Quotas"),
        ("ParameterMaxVersionLimitExceeded", "", 400, "ParameterRefused", "label"),
        ("HierarchyTypeMismatchException", "", 400, "ParameterRefused", "delete it"),
        ("AuthorizationError", "not authorized to perform: SNS:Publish", 403, "Refused", "allow SNS:Publish"),
    ],
)  # fmt: skip
def test_an_error_code_has_a_class_and_advice(
    code: str, message: str, status: int, kind: str, advice: str | None
) -> None:
    error = translate_error(client_error(code, message, status))
    assert type(error) is getattr(gateway, kind)
    assert error.request_id == "r-1"
    assert code in error.message
    assert (advice or "") in (error.advice or "")
    assert (error.advice is None) is (advice is None)


def _any_parameters() -> dict[str, Any]:
    source = {"s3": {"bucketName": "b", "key": "k", "prefix": "p"}, "Bucket": "b", "Key": "k"}
    named: dict[str, Any] = {"source": source, "destination": source, "CopySource": source, "Content": {}}
    return defaultdict(str, named)


@pytest.mark.parametrize(("service", "operation"), sorted(_IAM_REQUESTS))
def test_a_denial_without_the_action_gets_the_action_as_iam_writes_it(service: str, operation: str) -> None:
    """The simulated IAM knows which actions each operation of the program needs."""
    bodiless = operation in BODILESS_OPERATIONS
    code, message = ("403", "Forbidden") if bodiless else ("AccessDenied", "Access Denied")
    error = translate_error(client_error(code, message, 403, operation))
    (named,) = re.findall(r"allow (\S+?),? ", error.advice or "")
    call = Call(service, operation, _any_parameters(), "eu-west-1", "123456789012")
    needed = {request.action for request in call.requests()} or {f"{service}:{operation}"}
    assert named in needed


@pytest.mark.parametrize(
    ("error", "kind", "failure_class"),
    [
        (EndpointConnectionError(endpoint_url=URL), "Unreachable", TEMPORARY),
        (ConnectTimeoutError(endpoint_url=URL), "Unreachable", TEMPORARY),
        (ProxyConnectionError(proxy_url=URL), "Unreachable", TEMPORARY),
        (ProxyConnectionError(proxy_url=URL, error=OSError("Tunnel connection failed: 407 Proxy Authentication")),
         "Unreachable", PERMANENT),
        (ReadTimeoutError(endpoint_url=URL), "Unavailable", TEMPORARY),
        (FlexibleChecksumError(error_msg="Expected checksum x did not match"), "Unavailable", TEMPORARY),
        (ResponseParserError("unable to parse response"), "Unavailable", TEMPORARY),
        (SSLError(endpoint_url=URL, error=OSError("EOF occurred in violation of protocol")), "Unavailable", TEMPORARY),
        (SSLError(endpoint_url=URL, error=OSError("certificate verify failed: self-signed")), "Unavailable", PERMANENT),
        (NoCredentialsError(), "CredentialsMissing", PERMANENT),
        (TokenRetrievalError(provider="sso", error_msg="Token has expired"), "CredentialsMissing", PERMANENT),
        (CredentialRetrievalError(provider="process", error_msg="exit 1"), "CredentialsMissing", PERMANENT),
        (SSOTokenLoadError(error_msg="no token"), "CredentialsMissing", PERMANENT),
        (InvalidRegionError(region_name="eu west"), "Refused", PERMANENT),
        (ConfigParseError(path="config"), "Refused", PERMANENT),
        (MissingDependencyException(msg="install botocore[crt]"), "Refused", PERMANENT),
        (UnsupportedSignatureVersionError(signature_version="v4a"), "Refused", PERMANENT),
        (LoginRefreshRequired(), "CredentialsMissing", PERMANENT),
        (ParamValidationError(report="Invalid length for parameter LayerName"), "Refused", DEFECT),
    ],
)  # fmt: skip
def test_an_exception_of_botocore_has_a_class(
    error: BotoCoreError | ResponseParserError, kind: str, failure_class: FailureClass
) -> None:
    found = translate_error(error)
    assert (type(found), found.failure.failure_class) == (getattr(gateway, kind), failure_class)
    assert type(error).__name__ in found.message


@given(
    st.text(max_size=40),
    st.text(max_size=300),
    st.integers(0, 599),
    st.sampled_from(["PublishLayerVersion", "ListLayers"]),
)
def test_any_response_has_a_class_and_one_line(code: str, message: str, status: int, operation: str) -> None:
    error = translate_error(client_error(code, message, status, operation))
    assert error.failure.failure_class in (TEMPORARY, PERMANENT)
    assert error.message
    assert not re.search(r"[\x00-\x1f\x7f]", error.message)
    if status >= 500 or status == 429:
        assert error.failure.failure_class is TEMPORARY or isinstance(error, gateway.Refused)
    if 400 <= status < 429:
        assert isinstance(error, gateway.Refused | gateway.StatementExists | gateway.Throttled | gateway.Unavailable)


@given(st.lists(st.sampled_from(["fine", "unknown", "expired", "disabled", "down"]), min_size=1, max_size=5))
def test_a_region_that_refuses_a_token_that_others_accept_is_not_enabled(states: list[str]) -> None:
    """Credentials that no region accepts end the run; others do not."""
    errors: dict[str, GatewayError] = {
        "unknown": gateway.CredentialsUnknown("UnrecognizedClientException"),
        "expired": gateway.CredentialsRefused("ExpiredTokenException"),
        "disabled": gateway.RegionDisabled("OptInRequired"),
        "down": gateway.Unreachable("EndpointConnectionError"),
    }
    regions = {f"region-{index}": state for index, state in enumerate(states)}

    def call(region: str) -> str:
        if regions[region] in errors:
            raise errors[regions[region]]
        return region

    if all(state in ("unknown", "expired") for state in states):
        with pytest.raises(Exception, match="AWS refuses the credentials"):
            each_region(tuple(regions), call, Quiet())
        return
    found, failures = each_region(tuple(regions), call, Quiet())
    assert set(found) == {region for region, state in regions.items() if state == "fine"}
    for region, failure in failures.items():
        assert (failure.failure_class is TEMPORARY) is (regions[region] == "down")
        enable = f"aws account enable-region --region-name {region}"
        assert (enable in str(failure.advice)) is (regions[region] in ("unknown", "disabled"))


def test_the_page_for_operators_has_a_row_for_each_failure_with_advice() -> None:
    page = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
    _, _, section = page.partition("## A failure that running again does not fix")
    missing = [
        rule.codes for rule in _RULES if rule.advice and not any(f"`{code}`" in section for code in rule.codes.split())
    ]
    assert not missing
