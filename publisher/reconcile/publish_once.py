"""Publishing one layer version exactly once, though AWS has no idempotency token and may fail after it has acted.

The position is known before (the plan), the number and the bytes are compared after. A call whose answer was lost is
never simply sent again: we look at the number it would have got, for as long as AWS may need to show it.
"""

from __future__ import annotations

from dataclasses import replace

from builder.model.clock import Clock
from builder.model.errors import FailureClass
from builder.model.matrix_keys import Permission
from publisher.aws.gateway import (
    Failure,
    FieldsRefused,
    Grant,
    Held,
    Lambda,
    Publication,
    StatementExists,
    Unavailable,
    Unreachable,
)
from publisher.reconcile.state import is_granted

#: Waits, in seconds, between the looks for a version whose publish had no answer. AWS promises no time.
LOOKS = (0.5, 1.0, 2.0, 4.0, 8.0)
#: How often a publish is sent at most, when each time no trace of it appeared.
SENDS = 3
#: Waits between the readings of a policy that does not show a grant just made.
READINGS = (0.2, 0.5, 1.0, 2.0, 4.0)


class PublishError(Exception):
    """The layer version cannot be published at its number. ``surplus`` is a version that should not exist."""

    def __init__(self, failure: Failure, surplus: Held | None = None) -> None:
        super().__init__(failure.text)
        self.failure = failure
        self.surplus = surplus

    @property
    def message(self) -> str:
        """What went wrong."""
        return self.failure.text


def publish_at(gateway: Lambda, publication: Publication, number: int, clock: Clock) -> Held:
    """Publish, and prove that the version has this number and these bytes.

    Raises PublishError where it has not, and the gateway's errors where AWS does not say.
    """
    lost: Unavailable | None = None
    for _ in range(SENDS):
        try:
            held = gateway.publish(publication)
        except FieldsRefused as error:
            return publish_at(gateway, _without(publication, error), number, clock)
        except Unreachable:
            raise
        except Unavailable as error:
            lost = error
            found = _look(gateway, publication.layer_name, number, clock)
            if found is None:
                continue
            held = found
        return _proved(held, publication, number)
    raise Unavailable(
        f"published {SENDS} times without an answer or a trace: {lost}", lost.request_id if lost else None
    )


def grant_at(gateway: Lambda, name: str, number: int, permission: Permission, clock: Clock) -> None:
    """Give the matrix's permission, and read the policy back. Raises PublishError where it does not show."""
    grant = Grant(_statement_id(permission), permission.principal, permission.organization)
    try:
        gateway.grant(name, number, grant)
    except StatementExists:
        if not is_granted(gateway.grants(name, number), permission):
            raise PublishError(
                Failure(
                    f"ResourceConflictException: statement {grant.statement_id!r} of the policy grants something else",
                    FailureClass.PERMANENT,
                    "remove it: aws lambda remove-layer-version-permission --statement-id "
                    f"{grant.statement_id} --layer-name {name} --version-number {number} --region {gateway.region}",
                )
            ) from None
        return
    for wait in (*READINGS, None):
        if is_granted(gateway.grants(name, number), permission):
            return
        if wait is not None:
            clock.sleep(wait)
    raise PublishError(Failure("the permission was added, but the policy does not show it yet"))


def _look(gateway: Lambda, name: str, number: int, clock: Clock) -> Held | None:
    for wait in LOOKS:
        clock.sleep(wait)
        held = gateway.get(name, number)
        if held is not None:
            return held
    return None


def _proved(held: Held, publication: Publication, number: int) -> Held:
    if held.number != number:
        raise PublishError(
            Failure(
                f"expected layer version {number} but AWS assigned {held.number}: another publisher works on this layer"
            ),
            surplus=held,
        )
    if held.sha256 != publication.zip.sha256:
        raise PublishError(
            Failure(
                f"layer version {number} has CodeSha256 {held.sha256[:12]}…, but the upload has "
                f"{publication.zip.sha256[:12]}…: another publisher works on this layer"
            )
        )
    return held


def _without(publication: Publication, error: FieldsRefused) -> Publication:
    """Leave out the optional fields that a region refuses: the layer works without them. Raise if none is left."""
    smaller = replace(
        publication,
        runtimes=() if "compatibleruntimes" in error.fields else publication.runtimes,
        architectures=() if "compatiblearchitectures" in error.fields else publication.architectures,
    )
    if smaller == publication:
        raise error
    return smaller


def _statement_id(permission: Permission) -> str:
    """At most 100 characters of letters, digits, - and _; the same in every run, so that none is added twice."""
    if permission.organization:
        return f"organization-{permission.organization}"
    return "public" if permission.principal == "*" else f"account-{permission.principal}"
