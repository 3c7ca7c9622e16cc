"""Check a request's signature (Signature Version 4) as AWS does, with the hash of the received body."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from scripts.simaws.limits import AwsError

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, *"
    r"SignedHeaders=(?P<headers>[^,]+), *Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Credential:
    """An access key: its secret and its owner."""

    secret: str
    account: str


@dataclass(frozen=True)
class SignedCaller:
    """The signer of a request, with the service and region of the signature."""

    account: str
    region: str
    service: str


def check_signature(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body_sha256: str,
    credentials: Mapping[str, Credential],
) -> SignedCaller:
    """Return the caller of a request; 403 if the signature is invalid. ``headers`` have lower-case names."""
    match = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if match is None:
        raise AwsError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    credential = credentials.get(match["key"])
    if credential is None:
        raise AwsError(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    if headers.get("x-amz-content-sha256", body_sha256) != body_sha256:
        raise AwsError(403, "InvalidSignatureException", "The body's hash is not the one in X-Amz-Content-SHA256.")
    signed = {name: headers.get(name, "") for name in match["headers"].split(";")}
    request = AWSRequest(method, f"http://{headers.get('host')}{path}?{query}", signed)
    request.context["timestamp"] = headers.get("x-amz-date", "")
    auth = _Auth(Credentials(match["key"], credential.secret), match["service"], match["region"])
    auth.body_sha256 = body_sha256
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if not hmac.compare_digest(expected, match["signature"]):
        raise AwsError(403, "InvalidSignatureException", "The request signature we calculated does not match yours.")
    return SignedCaller(credential.account, match["region"], match["service"])


class _Auth(SigV4Auth):
    """botocore's signature, with the hash of a body that is not in memory."""

    body_sha256 = ""

    def payload(self, _request: AWSRequest) -> str:
        return self.body_sha256
