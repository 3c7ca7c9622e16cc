"""Whose credentials these are: nothing is touched with another account's than the matrix's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound
from botocore.parsers import ResponseParserError

from builder.model.errors import IncompleteError, InputError
from builder.model.matrix import Matrix
from publisher.aws.lambda_client import CONFIG

#: Regions whose STS is asked before we give up: one that is down must not hold all the others back.
ASKED = 3


def check_account(matrix: Matrix) -> None:
    """Ask STS who we are. InputError where that is nobody or another account than the matrix's."""
    caller = _caller(matrix)
    if caller.get("Account") != matrix.account:
        raise InputError(
            f"these credentials are of account {caller.get('Account')}; the matrix is of {matrix.account}",
            where=str(caller.get("Arn", "STS")),
            fix="use the other account's credentials or matrix; nothing was touched",
        )


def account(matrix: Matrix) -> str:
    """The account of these credentials. InputError where they are nobody's."""
    return str(_caller(matrix).get("Account"))


def _caller(matrix: Matrix) -> Mapping[str, Any]:
    import boto3

    silent = ""
    regions = matrix.regions[:ASKED]
    for region in regions:
        try:
            session = boto3.session.Session()
            return session.client("sts", region_name=region, config=CONFIG).get_caller_identity()
        except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
            raise InputError(
                f"there are no AWS credentials: {error}",
                fix="set them as boto3 finds them (environment, profile, role); nothing was touched",
            ) from None
        except ClientError as error:
            details = error.response.get("Error", {})
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if status < 500 and status != 429:
                raise InputError(
                    f"AWS refuses the credentials: {details.get('Code')}: {details.get('Message')}",
                    where=f"STS in {region}",
                    fix="renew them; nothing was touched",
                ) from None
            silent = str(error)
        except (BotoCoreError, ResponseParserError) as error:
            silent = str(error).splitlines()[0]
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # botocore's parsers take what they get for what is documented.
            silent = f"something else answers in its place ({type(error).__name__})"
    raise IncompleteError(
        f"STS does not answer: {silent}", where=", ".join(regions), fix="nothing was touched; run the command again"
    )
