"""What the clients of S3, Signer, SNS and SSM share: their settings, and the error of a failed request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from botocore.config import Config

from builder.model.errors import FailureClass, IncompleteError, InputError
from publisher.aws.error_codes import BOTO_ERRORS, translate_error
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


@contextmanager
def translated() -> Iterator[None]:
    """Raise the gateway's error for a request in the block that fails."""
    try:
        yield
    except BOTO_ERRORS as error:
        raise translate_error(error) from None


@contextmanager
def service_errors(
    what: str, *, where: str, fix: str, permanent: type[InputError] | type[IncompleteError] = InputError
) -> Iterator[None]:
    """Raise IncompleteError for a request in the block that may succeed later, ``permanent`` for one that may not.

    ``fix``: what to do about a permanent failure without advice of its own.
    """
    try:
        with translated():
            yield
    except GatewayError as error:
        failure = error.failure
        kind = IncompleteError if failure.failure_class is FailureClass.TEMPORARY else permanent
        raise kind(
            f"{what}: {failure.text}", where=where, fix=failure.fix(fix), failure_class=failure.failure_class
        ) from None
