"""What boto3's exceptions mean for us: did AWS act or not, and will another try do better."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from publisher.aws.gateway import (
    CredentialsRefused,
    GatewayError,
    Refused,
    StatementExists,
    Throttled,
    Unavailable,
    Unreachable,
)

_THROTTLES = {"TooManyRequestsException", "Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown"}
_CREDENTIALS = {
    "ExpiredToken", "ExpiredTokenException", "RequestExpired", "UnrecognizedClientException", "InvalidClientTokenId",
    "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "AuthFailure", "InvalidAccessKeyId",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException",
}  # fmt: skip
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, TokenRetrievalError, UnauthorizedSSOTokenError)


def of_boto_error(error: ClientError | BotoCoreError | ResponseParserError) -> GatewayError:
    """The port's error for one of boto3's."""
    if isinstance(error, ClientError):
        return _of_answer(error)
    if isinstance(error, _NO_CREDENTIALS):
        return CredentialsRefused(str(error))
    kind = Unreachable if isinstance(error, EndpointConnectionError | ConnectTimeoutError) else Unavailable
    text = (str(error).splitlines() or [""])[0][:200]
    return kind(f"{type(error).__name__.removesuffix('Error')}: {text}")


def is_missing(error: ClientError) -> bool:
    """Whether AWS says that there is no such thing. Not every 404 does: a proxy has its own."""
    code = error.response.get("Error", {}).get("Code")
    return status_of(error) == 404 and code == "ResourceNotFoundException"


def status_of(error: ClientError) -> int:
    """The HTTP status of AWS's answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _of_answer(error: ClientError) -> GatewayError:
    details = error.response.get("Error", {})
    code, status = str(details.get("Code", "")), status_of(error)
    message = f"{code}: {details.get('Message', '')}".strip(": ") or f"status {status}"
    kind: type[GatewayError] = Refused
    if code in _THROTTLES or status == 429:
        kind = Throttled
    elif code in _CREDENTIALS:
        kind = CredentialsRefused
    elif status >= 500 or status < 400:
        kind = Unavailable
    elif code == "ResourceConflictException" and error.operation_name == "AddLayerVersionPermission":
        kind = StatementExists
    return kind(message, error.response.get("ResponseMetadata", {}).get("RequestId"))
