"""Check that the credentials belong to the matrix's account before anything is written."""

from __future__ import annotations

from typing import Any

from builder.model.errors import IncompleteError, InputError
from builder.model.matrix import Matrix
from builder.model.regions import ALWAYS_ENABLED, partition_of
from publisher.aws.fanout import credentials_error
from publisher.aws.gateway import CredentialsRefused, CredentialsUnknown, GatewayError, RegionDisabled
from publisher.aws.lambda_client import CONFIG
from publisher.aws.services import translated
from publisher.aws.session import new_session

#: The most regions of the matrix whose STS is called.
MAX_STS_REGIONS = 3


def check_account(matrix: Matrix) -> None:
    """Check with STS that the credentials belong to the matrix's account. Raises InputError if not, or if there are
    none.
    """
    identity = _caller_identity(matrix)
    if identity.get("Account") != matrix.account:
        raise InputError(
            f"the credentials belong to account {identity.get('Account')}, the matrix is for account {matrix.account}",
            where=str(identity.get("Arn", "STS")),
            fix="use the other account's credentials or matrix; nothing was changed",
        )


def account(matrix: Matrix) -> str:
    """Return the account of the credentials. Raises InputError if there are none."""
    return str(_caller_identity(matrix).get("Account"))


def _caller_identity(matrix: Matrix) -> dict[str, Any]:
    """Call STS, and try other regions if one fails, because it may be down or not enabled in the account."""
    errors: dict[str, GatewayError] = {}
    for region in _sts_regions(matrix):
        try:
            with translated():
                client = new_session().client("sts", region_name=region, config=CONFIG)
                return dict(client.get_caller_identity())
        except GatewayError as error:
            if isinstance(error, CredentialsRefused) and not isinstance(error, CredentialsUnknown):
                raise credentials_error(error, f"STS in {region}") from None
            errors[region] = error
    region, last = next(reversed(errors.items()))
    if all(isinstance(error, CredentialsUnknown | RegionDisabled) for error in errors.values()):
        raise credentials_error(last, f"STS in {', '.join(errors)}")
    raise IncompleteError(
        f"STS does not respond: {last.message}",
        where=", ".join(errors),
        fix=f"{last.failure.fix('see the error')}; nothing was changed",
        failure_class=last.failure_class,
    )


def _sts_regions(matrix: Matrix) -> tuple[str, ...]:
    regions = matrix.regions[:MAX_STS_REGIONS]
    home = ALWAYS_ENABLED.get(partition_of(regions[0]))
    return tuple(dict.fromkeys((*regions, home))) if home else tuple(regions)
