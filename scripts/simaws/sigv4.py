"""Check a request's signature (Signature Version 4) as AWS does, with the hash of the received body."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

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
    canonical = "\n".join(
        (
            method,
            quote(path, safe="/~"),
            "&".join(sorted(f"{_quote(k)}={_quote(v)}" for k, v in parse_qsl(query, keep_blank_values=True))),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in match["headers"].split(";")),
            "",
            match["headers"],
            body_sha256,
        )
    )
    scope = f"{match['date']}/{match['region']}/{match['service']}/aws4_request"
    text = "\n".join(
        ("AWS4-HMAC-SHA256", headers.get("x-amz-date", ""), scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = f"AWS4{credential.secret}".encode()
    for part in scope.split("/"):
        key = _sign(key, part)
    if not hmac.compare_digest(_sign(key, text).hex(), match["signature"]):
        raise AwsError(403, "InvalidSignatureException", "The request signature we calculated does not match yours.")
    return SignedCaller(credential.account, match["region"], match["service"])


def _sign(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _quote(text: str) -> str:
    return quote(text, safe="-_.~")
