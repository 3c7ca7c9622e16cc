"""Create the resources that publishing needs in a matrix's account: buckets, roles, a topic, a signing profile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from builder.model.matrix import Matrix
from builder.model.regions import partition_of
from publisher.aws.resource_names import canary_role
from publisher.aws.session import new_session

#: The description by which the sandbox recognizes the roles that it created itself.
_ROLE_DESCRIPTION = "created by the sandbox"


def create_account_resources(address: str, matrix: Matrix) -> None:
    """Create the resources of ``layers infra`` that publishing needs."""
    regions = {partition_of(region): region for region in matrix.regions}
    make_roles(address, {region: [canary_role(matrix)] for region in regions.values()})
    if matrix.announce is not None:
        topic = matrix.announce.topic
        _client(address, "sns", topic.split(":")[3]).create_topic(Name=topic.rpartition(":")[2])
    make_buckets(address, {region: name for region in matrix.regions if (name := matrix.bucket(region))})
    make_signing_profile(address, matrix)


def make_signing_profile(address: str, matrix: Matrix) -> None:
    """Create the signing profile of ``signing:``, and enable versioning of the home region's bucket for it."""
    if matrix.signing is None or matrix.staging is None:
        return
    region = matrix.staging.home
    _client(address, "s3", region).put_bucket_versioning(
        Bucket=matrix.bucket(region), VersioningConfiguration={"Status": "Enabled"}
    )
    _client(address, "signer", region).put_signing_profile(
        profileName=matrix.signing.profile, platformId="AWSLambda-SHA384-ECDSA"
    )


def make_buckets(address: str, names: Mapping[str, str]) -> None:
    """Create these buckets. ``names``: by region."""
    for region, name in names.items():
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        _client(address, "s3", region).create_bucket(Bucket=name, **place)


def make_roles(address: str, names: Mapping[str, Sequence[str]]) -> None:
    """Create roles that Lambda may assume. ``names``: by one region of each partition; each has its own IAM."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    for region, roles in names.items():
        for role in roles:
            _client(address, "iam", region).create_role(
                RoleName=role, Description=_ROLE_DESCRIPTION, AssumeRolePolicyDocument=policy
            )


@cache
def _session() -> Any:
    return new_session("sandbox", "sandbox")


def _client(address: str, service: str, region: str) -> Any:
    return _session().client(service, region_name=region, endpoint_url=address)


@cache
def allow_role_replacement() -> None:
    """Let ``CreateRole`` replace a role that the sandbox created itself, as the stack of ``layers infra`` does."""
    from moto.iam.models import IAMBackend

    original = IAMBackend.create_role

    def create_role(self: Any, role_name: str, *arguments: Any, **name: Any) -> Any:
        for key, role in list(self.roles.items()):
            if role.name == role_name and role.description == _ROLE_DESCRIPTION:
                del self.roles[key]
        return original(self, role_name, *arguments, **name)

    setattr(IAMBackend, "create_role", create_role)  # noqa: B010 - patches moto on purpose
