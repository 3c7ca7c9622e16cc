"""Asking every region at once, so that none waits for another and one that is down holds nobody back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from builder.model.errors import InputError
from builder.model.progress import Progress
from publisher.aws.gateway import CredentialsRefused, GatewayError

A = TypeVar("A")
T = TypeVar("T")

#: Calls under way at once in a region: enough that the quota is the limit, and not the latency.
LANES = 3


def each_region(
    regions: Sequence[str], ask: Callable[[str], T], progress: Progress
) -> tuple[dict[str, T], dict[str, str]]:
    """Ask every region at once: the answers, and the regions that gave none with the reason.

    InputError where every region refuses the credentials. Where only some do (a region that the account has not
    enabled says so in these words), those are silent.
    """
    answers: dict[str, T] = {}
    silent: dict[str, str] = {}
    refused: dict[str, CredentialsRefused] = {}
    if not regions:
        return answers, silent
    with ThreadPoolExecutor(max_workers=len(regions), thread_name_prefix="region") as pool:
        futures = {region: pool.submit(ask, region) for region in regions}
        for region, future in futures.items():
            try:
                answers[region] = future.result()
                progress.step(region)
            except GatewayError as error:
                silent[region] = error.message
                if isinstance(error, CredentialsRefused):
                    refused[region] = error
                progress.step(region, f"no answer, deferred: {error.message}")
    if len(refused) == len(regions):
        region, first = next(iter(refused.items()))
        raise credentials_error(first, region)
    return answers, silent


def credentials_error(error: CredentialsRefused, region: str) -> InputError:
    """What a user is told when AWS refuses the credentials."""
    return InputError(
        f"AWS refuses the credentials: {error.message}",
        where=region,
        fix="renew them and run the same command again; it does what is left",
    )


def in_lanes(call: Callable[[A], T], items: Iterable[A]) -> list[T]:
    """Call for each item of one region, a few at once; the answers in the items' order."""
    with ThreadPoolExecutor(max_workers=LANES, thread_name_prefix="lane") as pool:
        return list(pool.map(call, items))
