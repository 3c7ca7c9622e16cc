"""Call AWS in all regions in parallel: no region waits for another one, and a failing region stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from builder.model.errors import InputError
from builder.model.progress import Progress
from publisher.aws.error_codes import enable_region_advice
from publisher.aws.gateway import (
    CredentialsMissing,
    CredentialsRefused,
    CredentialsUnknown,
    Failure,
    GatewayError,
    RegionDisabled,
)


class InRegion(Protocol):
    """Something in one region, such as a cell. Hashable."""

    @property
    def region(self) -> str: ...


A = TypeVar("A")
R = TypeVar("R", bound=InRegion)
T = TypeVar("T")

#: Enough that the rate limit determines the speed, and not the latency.
MAX_PARALLEL_REQUESTS_PER_REGION = 3


def each_region(
    regions: Sequence[str], call: Callable[[str], T], progress: Progress
) -> tuple[dict[str, T], dict[str, Failure]]:
    """Call for every region in parallel; return the results, and the failure of each region that has none.

    Raises InputError if every region refuses the credentials. If only some do not know them, the account has not
    enabled those regions: that is their failure.
    """
    results: dict[str, T] = {}
    errors: dict[str, GatewayError] = {}
    if not regions:
        return results, {}
    with ThreadPoolExecutor(max_workers=len(regions), thread_name_prefix="region") as pool:
        futures = {region: pool.submit(call, region) for region in regions}
        for region, future in futures.items():
            try:
                results[region] = future.result()
                progress.step(region)
            except GatewayError as error:
                errors[region] = error
                progress.step(region, f"not available: {error.message}")
    refused = [region for region, error in errors.items() if isinstance(error, CredentialsRefused)]
    if len(refused) == len(regions):
        raise credentials_error(errors[refused[0]], refused[0])
    return results, {region: region_failure(region, error) for region, error in errors.items()}


def each_item(items: Iterable[R], call: Callable[[R], T], progress: Progress) -> tuple[dict[R, T], dict[str, Failure]]:
    """Call for each item, the regions in parallel and a few items of each at a time; as ``each_region`` otherwise.

    The results are in the items' order, without those of failed regions.
    """
    ordered = tuple(items)
    regions = tuple(dict.fromkeys(item.region for item in ordered))

    def call_region(region: str) -> list[tuple[R, T]]:
        return within_region(lambda item: (item, call(item)), (item for item in ordered if item.region == region))

    responses, failures = each_region(regions, call_region, progress)
    results = dict(pair for response in responses.values() for pair in response)
    return {item: results[item] for item in ordered if item in results}, failures


def region_failure(region: str, error: GatewayError) -> Failure:
    """Return the failure of a region, while others accept the same credentials."""
    if isinstance(error, CredentialsUnknown | RegionDisabled):
        advice = enable_region_advice(region)
        if isinstance(error, CredentialsUnknown):
            advice += "; if every region responds so, renew the credentials"
        error = RegionDisabled(error.message, error.request_id, advice)
    return error.failure


def credentials_error(error: GatewayError, region: str) -> InputError:
    """Return the error for credentials that AWS refuses everywhere."""
    missing = isinstance(error, CredentialsMissing)
    return InputError(
        f"{'there are no AWS credentials' if missing else 'AWS refuses the credentials'}: {error.message}",
        where=region,
        fix=f"{error.advice or 'renew them'}, then run the same command again",
    )


def within_region(call: Callable[[A], T], items: Iterable[A]) -> list[T]:
    """Call for each item of one region, a few in parallel; return the results in the items' order."""
    return in_parallel(call, items, MAX_PARALLEL_REQUESTS_PER_REGION)


def in_parallel(call: Callable[[A], T], items: Iterable[A], limit: int | None = None) -> list[T]:
    """Call for each item in parallel, at most ``limit`` at a time; return the results in the items' order."""
    items = list(items)
    with ThreadPoolExecutor(max_workers=limit or max(1, len(items)), thread_name_prefix="lane") as pool:
        return list(pool.map(call, items))
