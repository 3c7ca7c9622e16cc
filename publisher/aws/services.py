"""What the clients of S3, Signer, SNS and SSM share: their settings, and the error of a failed request."""

from __future__ import annotations

from typing import Literal

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from builder.model.errors import FailureClass, IncompleteError, InputError
from publisher.aws.error_codes import translate_error
from publisher.aws.gateway import GatewayError

CONNECT_TIMEOUT_SECONDS = 6


def client_config(
    max_attempts: int, read_timeout_seconds: int = 60, mode: Literal["standard", "adaptive"] = "standard"
) -> Config:
    """Return the settings of a client. They replace the retries in the user's AWS settings."""
    return Config(
        retries={"total_max_attempts": max_attempts, "mode": mode},
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=read_timeout_seconds,
        max_pool_connections=16,
        user_agent_extra="strands-layers",
    )


def service_error(
    error: ClientError | BotoCoreError | ResponseParserError | GatewayError,
    what: str,
    *,
    where: str,
    fix: str,
    permanent: type[InputError] | type[IncompleteError] = InputError,
) -> InputError | IncompleteError:
    """Return the error for a request that failed: IncompleteError if a later one may succeed, else ``permanent``.

    ``fix``: what to do about a permanent failure without advice of its own.
    """
    failure = (error if isinstance(error, GatewayError) else translate_error(error)).failure
    kind = IncompleteError if failure.failure_class is FailureClass.TEMPORARY else permanent
    return kind(f"{what}: {failure.text}", where=where, fix=failure.fix(fix), failure_class=failure.failure_class)
