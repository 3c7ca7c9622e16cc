"""An IAM role of a template: who may assume it, and its policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from publisher.infra.statements import Statement


def iam_role(
    name: str,
    description: str,
    principal: Mapping[str, Any],
    policies: Mapping[str, Sequence[Statement]],
    *,
    action: str = "sts:AssumeRole",
    condition: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a role that ``principal`` may assume. ``policies``: the statements of each inline policy, by its name."""
    trust = {"Effect": "Allow", "Action": action, "Principal": principal}
    documents = {
        policy: {"Version": "2012-10-17", "Statement": list(statements)} for policy, statements in policies.items()
    }
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": name,
            "Description": f"{description}; created by layers infra",
            **(properties or {}),
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{**trust, **({"Condition": condition} if condition else {})}],
            },
            **(
                {"Policies": [{"PolicyName": policy, "PolicyDocument": each} for policy, each in documents.items()]}
                if documents
                else {}
            ),
        },
    }
