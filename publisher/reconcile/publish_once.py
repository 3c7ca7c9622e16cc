"""Publish one layer version exactly once, and change its permission, although AWS has no idempotency token and may lag.

The plan has the expected number; after the publish the number and the bytes are compared. A request without a response
is never simply sent again: first the version with the expected number is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from builder.model.clock import Clock
from builder.model.errors import FailureClass
from builder.model.matrix_keys import Permission
from publisher.aws.gateway import (
    Failure,
    FieldsRefused,
    Grant,
    Interrupted,
    Lambda,
    Publication,
    PublishedVersion,
    StatementExists,
    Unavailable,
    Unreachable,
    VersionMissing,
)
from publisher.reconcile.plan import DELETED_ADVICE
from publisher.reconcile.read_lag import READ_BACKOFF_SECONDS, wait_until
from publisher.reconcile.state import is_granted

#: The most times that a publish is sent if no version appears each time.
MAX_PUBLISH_ATTEMPTS = 3


class PublishError(Exception):
    """A version cannot be published at its number, or its policy cannot be changed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure

    @property
    def message(self) -> str:
        """The failure as a sentence."""
        return self.failure.text


class OvertakenError(PublishError):
    """Another process is publishing the layer. ``unexpected`` is our version, at another number than expected."""

    def __init__(self, message: str, unexpected: PublishedVersion | None) -> None:
        super().__init__(Failure(f"{message}: another process is publishing this layer"))
        self.unexpected = unexpected


def publish_at(gateway: Lambda, publication: Publication, number: int, clock: Clock) -> PublishedVersion:
    """Publish a version, and check that it has this number and these bytes.

    Raises OvertakenError if it does not, and the gateway's errors if AWS does not respond.
    """
    lost_response: Unavailable | None = None
    for _ in range(MAX_PUBLISH_ATTEMPTS):
        try:
            published = gateway.publish(publication)
        except FieldsRefused as error:
            return publish_at(gateway, _drop_fields(publication, error), number, clock)
        except Unreachable:
            raise
        except Unavailable as error:
            lost_response = error
            try:
                existing = _look_up(gateway, publication.layer_name, number, clock)
            except Interrupted:
                raise Interrupted(
                    f"the publish request had no response ({error.message}), so layer version {number} may exist: "
                    "the next run looks it up"
                ) from None
            if existing is None:
                continue
            published = existing
        return _check_published(gateway, published, publication, number)
    raise Unavailable(
        f"no response to {MAX_PUBLISH_ATTEMPTS} publish requests, and no layer version {number}: {lost_response}",
        lost_response.request_id if lost_response else None,
    )


def grant_at(
    gateway: Lambda,
    name: str,
    number: int,
    permission: Permission,
    clock: Clock,
    confirmed: Callable[[], object] = lambda: None,
) -> float:
    """Grant the matrix's permission, and wait until the policy shows it. Returns the seconds that it waited; raises
    PublishError if the policy does not show the grant.

    ``confirmed`` is called as soon as AWS confirms the permission, to record it: the process may be stopped or killed
    before it has read the policy.
    """
    grant = Grant(statement_id(permission), permission.principal, permission.organization)
    existed, waited = False, 0.0
    try:
        waited = _add_permission(gateway, name, number, grant, clock)
    except StatementExists:
        existed = True
        failure = Failure(
            f"ResourceConflictException: statement {grant.statement_id!r} of the policy grants something else",
            FailureClass.PERMANENT,
            "remove it: aws lambda remove-layer-version-permission --statement-id "
            f"{grant.statement_id} --layer-name {name} --version-number {number} --region {gateway.region}",
        )
    else:
        failure = Failure("the permission was added, but the policy does not show it yet")
        confirmed()
    seconds = seconds_until_granted(gateway, name, number, permission, clock)
    if seconds is None:
        raise PublishError(failure)
    if existed:
        confirmed()
    return waited + seconds


def _add_permission(gateway: Lambda, name: str, number: int, grant: Grant, clock: Clock) -> float:
    """Add a permission, and wait while AWS does not find the layer version yet. Returns the seconds that it waited."""
    missing: VersionMissing | None = None

    def is_added() -> bool:
        nonlocal missing
        try:
            gateway.grant(name, number, grant)
        except VersionMissing as error:
            missing = error
            return False
        return True

    waited = wait_until(is_added, clock)
    if waited is None and missing:
        raise PublishError(replace(missing.failure, advice=DELETED_ADVICE))
    return waited or 0.0


def seconds_until_granted(
    gateway: Lambda, name: str, number: int, permission: Permission, clock: Clock
) -> float | None:
    """Wait until the policy shows the matrix's permission; return for how long. None if it does not show it."""
    return wait_until(lambda: is_granted(gateway.grants(name, number), permission), clock)


def revoke_at(
    gateway: Lambda,
    name: str,
    number: int,
    permission: Permission,
    clock: Clock,
    confirmed: Callable[[], object] = lambda: None,
) -> bool:
    """Revoke every permission of a version, and wait until the policy shows none. Raises PublishError if it shows one.

    The matrix's own statement is revoked before the policy is read, because that may not show a new statement yet.
    ``confirmed`` is called as soon as AWS confirms that. Returns whether there was a permission.
    """
    revoked = gateway.revoke(name, number, statement_id(permission))
    confirmed()
    for wait in READ_BACKOFF_SECONDS:
        remaining = gateway.grants(name, number)
        if not remaining:
            return revoked
        for grant in remaining:
            revoked |= gateway.revoke(name, number, grant.statement_id)
        clock.sleep(wait)
    if remaining := gateway.grants(name, number):
        raise PublishError(Failure(f"the permission was revoked, but the policy still shows {remaining[0].principal}"))
    return revoked


def statement_id(permission: Permission) -> str:
    """Return the id of the matrix's policy statement: up to 100 letters, digits, - and _, the same in every run."""
    if permission.organization:
        return f"organization-{permission.organization}"
    return "public" if permission.principal == "*" else f"account-{permission.principal}"


def _drop_fields(publication: Publication, error: FieldsRefused) -> Publication:
    """Remove the optional fields that a region refuses. Raises the error again if none is left to remove."""
    smaller = replace(
        publication,
        runtimes=() if "compatibleruntimes" in error.fields else publication.runtimes,
        architectures=() if "compatiblearchitectures" in error.fields else publication.architectures,
    )
    if smaller == publication:
        raise error
    return smaller


def _look_up(gateway: Lambda, name: str, number: int, clock: Clock) -> PublishedVersion | None:
    for wait in READ_BACKOFF_SECONDS:
        clock.sleep(wait)
        published = gateway.get(name, number)
        if published is not None:
            return published
    return None


def _check_published(
    gateway: Lambda, published: PublishedVersion, publication: Publication, number: int
) -> PublishedVersion:
    if published.number != number:
        raise OvertakenError(f"expected layer version {number} but AWS assigned {published.number}", published)
    if published.sha256 != publication.zip.sha256:
        # Found after a lost response: this run's version may have the next number.
        following = gateway.get(publication.layer_name, number + 1)
        own_version = following if following and following.sha256 == publication.zip.sha256 else None
        raise OvertakenError(
            f"layer version {number} holds other bytes ({published.sha256[:12]}…) than this run sent "
            f"({publication.zip.sha256[:12]}…)",
            own_version,
        )
    return published
