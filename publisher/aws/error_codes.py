"""Translate boto3's exceptions: whether AWS acted, whether a retry can help, and what to do if it cannot.

The codes come from the Lambda and STS API references ("Common errors") and from AWS's front-end endpoints.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from builder.model.errors import FailureClass
from builder.model.escape import shorten
from publisher.aws.gateway import (
    CredentialsMissing,
    CredentialsRefused,
    CredentialsUnknown,
    FieldsRefused,
    GatewayError,
    ParameterRefused,
    Refused,
    RegionDisabled,
    StatementExists,
    StorageExceeded,
    Throttled,
    Unavailable,
    Unreachable,
    VersionMissing,
)
from publisher.aws.permission_advice import BODILESS_OPERATIONS, permission_advice

T = TypeVar("T")

_NO_CREDENTIALS = (
    boto.NoCredentialsError, boto.PartialCredentialsError, boto.TokenRetrievalError, boto.CredentialRetrievalError,
    boto.RefreshWithMFAUnsupportedError, boto.SSOError, boto.LoginError, boto.NoAuthTokenError,
)  # fmt: skip
#: No request was sent. SSLError is not among them: TLS can fail while the response is read.
_NOT_CONNECTED = (boto.ConnectTimeoutError, boto.EndpointConnectionError, boto.ProxyConnectionError)
#: A request may have been sent. botocore's other errors come from settings that it cannot use: nothing was sent.
_REQUEST_FAILED = (
    boto.AwsChunkedWrapperError, boto.ChecksumError, boto.ConnectionError, boto.FlexibleChecksumError,
    boto.HTTPClientError, boto.IncompleteReadError, boto.MetadataRetrievalError, boto.UnseekableStreamError,
    ResponseParserError,
)  # fmt: skip
_INVALID = {"InvalidParameterValueException", "ValidationException", "InvalidRequestContentException"}
_ACCESS_DENIED = {
    "AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException",
    "UnauthorizedOperation", "NotAuthorized",
}  # fmt: skip
_PERMANENT_CONNECTION_ERRORS = {
    "certificate.verify.failed": "certificate verify failed: set AWS_CA_BUNDLE to the certificates of your proxy",
    "tunnel connection failed: 40[37]": "the proxy refuses the connection: check HTTPS_PROXY and its user and password",
}
_MAX_MESSAGE_CHARACTERS = 400
_NOT_FROM_AWS = "without an error code of AWS: check the proxy (HTTPS_PROXY) and AWS_ENDPOINT_URL"

#: Every exception of boto3 for a request that failed.
BotoError: TypeAlias = ClientError | BotoCoreError | ResponseParserError
BOTO_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
CORRECT_SETTINGS = "correct the AWS settings: the environment (AWS_*), or the AWS config file"
SET_CREDENTIALS = "set credentials where boto3 finds them: environment, profile or role"
RENEW_CREDENTIALS = "renew the credentials (`aws sso login`, a new role session, or a new workflow run)"


@dataclass(frozen=True)
class _Rule:
    """Error codes, separated by spaces, and the gateway error for them. ``words``: a pattern that the message must
    match too, where the code alone is ambiguous.
    """

    codes: str
    kind: type[GatewayError]
    advice: str | None = None
    words: str = ""


#: The first matching rule applies.
_RULES = (
    _Rule(
        "TooManyRequestsException Throttling ThrottlingException ThrottledException RequestThrottled "
        "RequestThrottledException RequestLimitExceeded SlowDown TooManyUpdates KMSThrottling "
        "KMSThrottlingException",
        Throttled,
    ),
    _Rule(  # 4xx, but the same request may succeed later
        "RequestTimeout RequestTimeoutException OperationAborted ConditionalRequestConflict "
        "PreconditionFailedException ConcurrentModificationException IDPCommunicationError",
        Unavailable,
    ),
    _Rule(
        "RequestTimeTooSkewed RequestInTheFuture",
        CredentialsRefused,
        "clock skew: set the clock of this machine (NTP)",
    ),
    _Rule(
        "SignatureDoesNotMatch InvalidSignatureException RequestExpired AuthFailure",
        CredentialsRefused,
        "clock skew: set the clock of this machine (NTP)",
        r"signature (expired|not yet current)|request has expired|request expired|too skewed|not within the valid time",
    ),
    _Rule(
        "ExpiredToken ExpiredTokenException RequestExpired TokenRefreshRequired",
        CredentialsRefused,
        RENEW_CREDENTIALS,
    ),
    _Rule(
        "InvalidIdentityToken InvalidIdentityTokenException IDPRejectedClaim IDPRejectedClaimException",
        CredentialsRefused,
        "check the account's OIDC provider and the trust policy of the role (`layers infra` prints both)",
    ),
    _Rule(
        "UnrecognizedClientException InvalidClientTokenId AuthFailure InvalidAccessKeyId",
        CredentialsUnknown,
        "check the access key and the session token",
    ),
    _Rule(
        "InvalidSignatureException SignatureDoesNotMatch IncompleteSignature IncompleteSignatureException "
        "MissingAuthenticationToken MissingAuthenticationTokenException InvalidToken",
        CredentialsRefused,
        "check the secret access key",
    ),
    _Rule("RegionDisabledException OptInRequired RegionNotEnabled", RegionDisabled),
    _Rule(
        "CodeStorageExceededException",
        StorageExceeded,
        "delete unused function and layer versions, or request more code storage (Service Quotas: Lambda, L-2ACBD22F)",
    ),
    _Rule(
        "PolicyLengthExceededException",
        Refused,
        "remove statements that are not needed from the policy of this layer version",
    ),
    _Rule(
        "413 RequestEntityTooLargeException RequestTooLargeException",
        Refused,
        "set `staging` in the matrix, or make the layer smaller",
    ),
    _Rule(  # Lambda's KMS errors have status 502
        "KMSAccessDenied KMSAccessDeniedException KMSDisabled KMSDisabledException KMSInvalidState "
        "KMSInvalidStateException KMSNotFound KMSNotFoundException KMS.DisabledException "
        "KMS.KMSInvalidStateException KMS.NotFoundException",
        Refused,
        "enable the KMS key, or allow these credentials to use it in its key policy",
    ),
    _Rule(
        "301 PermanentRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException",
        Refused,
        "the bucket is in another region: name a bucket of this region, or set AWS_REGION to the region of the bucket",
    ),
    _Rule(
        "ParameterLimitExceeded",
        Refused,
        "delete parameters that are not needed, or request a higher quota (Service Quotas: AWS Systems Manager)",
    ),
    _Rule(
        "HierarchyTypeMismatchException ParameterPatternMismatchException",
        ParameterRefused,
        "it was created with another type or pattern: delete it (`aws ssm delete-parameter`), or change the prefix",
    ),
    _Rule(
        "ParameterMaxVersionLimitExceeded",
        ParameterRefused,
        "the oldest version of the parameter has a label: move the label (`aws ssm label-parameter-version`)",
    ),
    _Rule(
        "ServiceLimitExceededException ServiceQuotaExceededException",
        Refused,
        "request a higher quota (Service Quotas), or delete what is not needed",
    ),
    _Rule(
        "AccountProblem AccountSuspended NotSignedUp",
        Refused,
        "the account is suspended or not signed up: ask its owner to contact AWS Support",
    ),
)


def translate_error(error: BotoError) -> GatewayError:
    """Translate an exception of boto3 to the gateway's error."""
    if isinstance(error, ClientError):
        return _response_error(error)
    name, text = type(error).__name__, shorten(str(error))
    if isinstance(error, boto.ProxyConnectionError):  # its text does not have the reason
        text = f"{text} ({shorten(str(error.kwargs.get('error')))})"
    message = text if text.startswith(name) else f"{name}: {text}"
    if isinstance(error, _NO_CREDENTIALS):
        unset = isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError)
        return CredentialsMissing(message, advice=SET_CREDENTIALS if unset else RENEW_CREDENTIALS)
    if isinstance(error, boto.ParamValidationError):
        refused = Refused(message)
        refused.failure_class = FailureClass.DEFECT
        return refused
    if not isinstance(error, _REQUEST_FAILED):
        return Refused(message, advice=CORRECT_SETTINGS)
    failed = (Unreachable if isinstance(error, _NOT_CONNECTED) else Unavailable)(message)
    for words, advice in _PERMANENT_CONNECTION_ERRORS.items():
        if re.search(words, message, re.IGNORECASE):
            failed.advice, failed.failure_class = advice, FailureClass.PERMANENT
    return failed


def enable_region_advice(region: str) -> str:
    """Return the advice for a region that the account has not enabled."""
    return (
        f"enable {region} in the account (`aws account enable-region --region-name {region}`) or remove it from the "
        "matrix; session tokens of the global STS endpoint are not valid there (AWS_STS_REGIONAL_ENDPOINTS=regional)"
    )


def is_missing(error: ClientError) -> bool:
    """Return whether AWS reports that the resource does not exist. A 404 without AWS's code comes from a proxy."""
    code = error.response.get("Error", {}).get("Code")
    return status_of(error) == 404 and code == "ResourceNotFoundException"


def is_missing_object(error: ClientError) -> bool:
    """Return whether S3 reports that an object does not exist. A 404 of HTTP's HEAD has no code."""
    code = error.response.get("Error", {}).get("Code")
    return status_of(error) == 404 and (code == "NoSuchKey" or error.operation_name in BODILESS_OPERATIONS)


def unless_missing(call: Callable[[], T]) -> T | None:
    """Return the result of a call to S3; None if the object does not exist."""
    try:
        return call()
    except ClientError as error:
        if is_missing_object(error):
            return None
        raise


def is_conflicting_write(error: ClientError) -> bool:
    """Return whether S3 refuses a conditional write because another process writes, wrote or deleted the object."""
    return status_of(error) in (409, 412) or is_missing_object(error)


def status_of(error: ClientError) -> int:
    """Return the HTTP status of the response."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _response_error(error: ClientError) -> GatewayError:
    details = error.response.get("Error", {})
    code, words, status = str(details.get("Code", "")), str(details.get("Message", "")), status_of(error)
    message = shorten(f"{code}: {words}".strip(": "), _MAX_MESSAGE_CHARACTERS) or f"status {status}"
    request_id = error.response.get("ResponseMetadata", {}).get("RequestId")
    if status == 429:
        return Throttled(message, request_id)
    for rule in _RULES:
        if code in rule.codes.split() and re.search(rule.words, words, re.IGNORECASE):
            return rule.kind(message, request_id, advice=rule.advice)
    if code in _ACCESS_DENIED:
        return Refused(message, request_id, advice=permission_advice(words, error.operation_name))
    if status >= 500 or status < 400:
        return Unavailable(message, request_id)
    if code in ("", str(status)):
        if error.operation_name not in BODILESS_OPERATIONS:
            return Unavailable(f"{message} ({_NOT_FROM_AWS})", request_id)
        advice = {400: RENEW_CREDENTIALS, 403: permission_advice("", error.operation_name)}.get(status)
        return Refused(message, request_id, advice=advice)
    if code == "ResourceConflictException" and error.operation_name == "AddLayerVersionPermission":
        return StatementExists(message, request_id)
    if is_missing(error) and error.operation_name == "AddLayerVersionPermission":
        return VersionMissing(message, request_id)
    fields = frozenset(re.findall(r"compatible(?:runtimes|architectures)", words.lower()))
    if code in _INVALID and error.operation_name == "PublishLayerVersion" and fields:
        return FieldsRefused(message, request_id, fields=fields)
    return Refused(message, request_id)
