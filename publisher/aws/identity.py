"""Check whose credentials these are: nothing is written with the credentials of another account than the matrix's."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
from botocore.parsers import ResponseParserError

from builder.model.errors import IncompleteError, InputError
from builder.model.matrix import Matrix
from builder.model.regions import partition_of
from publisher.aws.error_codes import SET_CREDENTIALS, of_boto_error
from publisher.aws.fanout import credentials_error
from publisher.aws.gateway import CredentialsRefused, CredentialsUnknown, GatewayError, RegionDisabled, Unavailable
from publisher.aws.lambda_client import CONFIG
from publisher.aws.session import new_session

#: Regions of the matrix whose STS is called at most.
MAX_STS_REGIONS = 3
#: The region of each partition that every account has enabled.
ALWAYS_ENABLED = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


def check_account(matrix: Matrix) -> None:
    """Check the account of the credentials with STS. InputError if there are none, or they are another account's."""
    identity = _caller_identity(matrix)
    if identity.get("Account") != matrix.account:
        raise InputError(
            f"these credentials are of account {identity.get('Account')}; the matrix is of {matrix.account}",
            where=str(identity.get("Arn", "STS")),
            fix="use the other account's credentials or matrix; nothing was changed",
        )


def account(matrix: Matrix) -> str:
    """Return the account of the credentials. InputError if there are none."""
    return str(_caller_identity(matrix).get("Account"))


def _caller_identity(matrix: Matrix) -> dict[str, Any]:
    """Call STS in one region after the other: the account may not have enabled the first, or it may be down."""
    errors: dict[str, GatewayError] = {}
    for region in _sts_regions(matrix):
        try:
            return _get_caller_identity(region)
        except (CredentialsUnknown, RegionDisabled, Unavailable) as error:
            errors[region] = error
        except GatewayError as error:
            if isinstance(error, CredentialsRefused):
                raise credentials_error(error, f"STS in {region}") from None
            errors[region] = error
    region, last = next(reversed(errors.items()))
    if all(isinstance(error, CredentialsUnknown | RegionDisabled) for error in errors.values()):
        raise credentials_error(last, f"STS in {', '.join(errors)}")
    raise IncompleteError(
        f"STS does not respond: {last.message}",
        where=", ".join(errors),
        fix=last.advice or "nothing was changed; run the command again",
        failure_class=last.failure_class,
    )


def _sts_regions(matrix: Matrix) -> tuple[str, ...]:
    regions = matrix.regions[:MAX_STS_REGIONS]
    home = ALWAYS_ENABLED.get(partition_of(regions[0]))
    return tuple(dict.fromkeys((*regions, home))) if home else tuple(regions)


def _get_caller_identity(region: str) -> dict[str, Any]:
    try:
        client = new_session().client("sts", region_name=region, config=CONFIG)
        identity: dict[str, Any] = dict(client.get_caller_identity())
        return identity
    except ProfileNotFound as error:
        raise InputError(f"there are no AWS credentials: {error}", fix=SET_CREDENTIALS) from None
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        raise of_boto_error(error) from None
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        # botocore's parsers do not check what they parse.
        raise Unavailable(f"the response is not one of STS ({type(error).__name__})") from None
