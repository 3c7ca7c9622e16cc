"""Retry requests to AWS that are safe to repeat, with backoff and jitter.

Each ``PublishLayerVersion`` creates a version, so it is repeated only if AWS certainly did nothing: the request was
throttled, or there was no connection. After any other failure ``reconcile.publish_once`` first reads what AWS has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from builder.model.clock import Clock
from builder.model.retry import repeat
from publisher.aws.gateway import (
    Grant,
    Lambda,
    ListedVersion,
    Publication,
    PublishedVersion,
    Refused,
    StatementExists,
    Throttled,
    Unavailable,
    Unreachable,
)

T = TypeVar("T")

#: A request that is throttled for this long fails: another program uses up the account's request quota.
MAX_THROTTLED_SECONDS = 120.0
#: Attempts without a response until a region counts as unreachable.
MAX_ATTEMPTS = 5


class RetryPolicy:
    """Retries calls."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def repeat(
        self, call: Callable[[], T], without_response: type[Unavailable] = Unavailable, max_attempts: int = MAX_ATTEMPTS
    ) -> T:
        """Retry a throttled call for minutes, and a call without a response a few times."""
        end = self._clock.monotonic() + MAX_THROTTLED_SECONDS
        until_admitted = partial(
            repeat,
            call,
            lambda error: isinstance(error, Throttled),
            lambda _: self._clock.monotonic() >= end,
            first_wait_seconds=0.5,
            max_wait_seconds=8,
            sleep=self._clock.sleep,
        )
        return repeat(
            until_admitted,
            lambda error: isinstance(error, without_response),
            lambda attempts: attempts >= max_attempts,
            first_wait_seconds=0.5,
            max_wait_seconds=6,
            sleep=self._clock.sleep,
        )


class RetryingLambda:
    """A ``Lambda`` that retries requests that are safe to repeat."""

    def __init__(self, inner: Lambda, clock: Clock) -> None:
        self._inner = inner
        self._repeat = RetryPolicy(clock).repeat

    @property
    def region(self) -> str:
        return self._inner.region

    def latest(self, names: Sequence[str]) -> Mapping[str, ListedVersion]:
        return self._repeat(lambda: self._inner.latest(names))

    def versions(self, name: str, above: int = 0) -> tuple[ListedVersion, ...]:
        return self._repeat(lambda: self._inner.versions(name, above))

    def get(self, name: str, number: int) -> PublishedVersion | None:
        return self._repeat(lambda: self._inner.get(name, number))

    def grants(self, name: str, number: int) -> tuple[Grant, ...]:
        return self._repeat(lambda: self._inner.grants(name, number))

    def publish(self, publication: Publication) -> PublishedVersion:
        return self._repeat(lambda: self._inner.publish(publication), without_response=Unreachable)

    def grant(self, name: str, number: int, grant: Grant) -> None:
        sent_before = False

        def add() -> None:
            nonlocal sent_before
            try:
                self._inner.grant(name, number, grant)
            except StatementExists:
                if not sent_before:  # otherwise an earlier attempt, whose response was lost, added it
                    raise
            except Unavailable:
                sent_before = True
                raise

        self._repeat(add)

    def revoke(self, name: str, number: int, statement_id: str) -> bool:
        return self._repeat(lambda: self._inner.revoke(name, number, statement_id))

    def download(self, published: PublishedVersion, path: Path) -> None:
        """Download a zip. If the link is refused it has expired: get a new one."""

        def fetch() -> None:
            try:
                self._inner.download(published, path)
            except Refused as error:
                reread = self._inner.get(published.layer_name, published.number)
                if reread is None:
                    raise
                if reread.location == published.location:
                    raise Unavailable(error.message, error.request_id) from None
                self._inner.download(reread, path)

        self._repeat(fetch)
