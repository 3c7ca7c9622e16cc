"""Whose credentials these are: nothing is touched with another account's than the matrix's."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound

from builder.errors import IncompleteError, InputError
from builder.matrix import Matrix
from publisher.aws.boto import CONFIG


def check_account(matrix: Matrix) -> None:
    """Ask STS who we are. InputError where that is nobody or another account than the matrix's."""
    import boto3

    region = matrix.regions[0]
    try:
        caller = boto3.session.Session(region_name=region).client("sts", config=CONFIG).get_caller_identity()
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise InputError(
            f"no AWS credentials: {error}", fix="set them as boto3 finds them (environment, profile, role)"
        ) from None
    except ClientError as error:
        details = error.response.get("Error", {})
        raise InputError(
            f"AWS refuses the credentials: {details.get('Code')}: {details.get('Message')}",
            where=f"STS in {region}",
            fix="renew them; nothing was touched",
        ) from None
    except BotoCoreError as error:
        raise IncompleteError(
            f"STS does not answer: {str(error).splitlines()[0]}",
            where=region,
            fix="nothing was touched; run the command again",
        ) from None
    if caller.get("Account") != matrix.account:
        raise InputError(
            f"these credentials are of account {caller.get('Account')}; the matrix is of {matrix.account}",
            where=str(caller.get("Arn", "STS")),
            fix="use the other account's credentials or matrix; nothing was touched",
        )
