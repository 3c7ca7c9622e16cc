"""Download a document that the catalog and its readers need: a published index, attestations."""

from __future__ import annotations

from collections.abc import Mapping

from builder.model.errors import FailureClass, InputError
from builder.model.escape import without_credentials
from publisher.http.http_get import HttpFailure, PermanentHttpFailure, http_get

READ_TIMEOUT_SECONDS = 20
TOTAL_TIMEOUT_SECONDS = 120


def download(address: str, title: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the body at an http(s) address. Raises InputError if that fails; ``title`` names it in the message."""
    is_permanent = False
    try:
        response = http_get(
            address, headers or {}, read_timeout_seconds=READ_TIMEOUT_SECONDS, total_seconds=TOTAL_TIMEOUT_SECONDS
        )
        if response.status == 200:
            return response.body
        reason = f"HTTP status {response.status} {response.reason}".rstrip()
        is_permanent = 300 <= response.status < 500 and response.status not in (408, 425, 429)
    except HttpFailure as error:
        reason, is_permanent = str(error), isinstance(error, PermanentHttpFailure)
    raise InputError(
        f"{title} cannot be downloaded: {reason}",
        where=without_credentials(address),
        fix="check the address, the network and the proxy settings (HTTPS_PROXY), then run the command again",
        failure_class=FailureClass.PERMANENT if is_permanent else FailureClass.TEMPORARY,
    )
