"""Add the used code storage to the advice of CodeStorageExceededException."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from publisher.aws.gateway import GatewayError, StorageExceeded

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_GIGABYTE = 1024**3


def with_usage(error: StorageExceeded, call: Callable[..., Any], client: LambdaClient, region: str) -> StorageExceeded:
    """Add the usage, and commands that list functions and layers, to the advice. Returns the error unchanged if AWS
    refuses.
    """
    lists = (
        f"list what is stored with `aws lambda list-functions --function-version ALL --region {region}` and "
        f"`aws lambda list-layers --region {region}`"
    )
    error.advice = f"{error.advice}; {lists}"
    try:
        settings = call(client.get_account_settings)
        used = settings["AccountUsage"]["TotalCodeSize"] / _GIGABYTE
        limit = settings["AccountLimit"]["TotalCodeSize"] / _GIGABYTE
    except (GatewayError, LookupError, TypeError):
        return error
    error.advice = f"{used:.1f} of {limit:.1f} GB of code storage in {region} are used: {error.advice}"
    return error
