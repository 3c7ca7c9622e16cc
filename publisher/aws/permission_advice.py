"""Say how to allow a request that AWS denied: which action, for which role, and who can do it."""

from __future__ import annotations

import re

#: The responses of HTTP's HEAD have no body, and so no error code: only the status.
BODILESS_OPERATIONS = frozenset({"HeadBucket", "HeadObject"})

#: The IAM actions of operations that are not of Lambda, or whose action has another name (Service Authorization
#: Reference). Without ListBucket, S3 denies the request for an object that does not exist.
_ACTIONS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "AssumeRole": "sts:AssumeRole",
    "AssumeRoleWithWebIdentity": "sts:AssumeRoleWithWebIdentity",
    "CompleteMultipartUpload": "s3:PutObject",
    "CopyObject": "s3:PutObject, and s3:GetObject of the source,",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteParameters": "ssm:DeleteParameters",
    "DescribeSigningJob": "signer:DescribeSigningJob",
    "GetCallerIdentity": "sts:GetCallerIdentity",
    "GetObject": "s3:GetObject and s3:ListBucket",
    "GetParameters": "ssm:GetParameters",
    "GetParametersByPath": "ssm:GetParametersByPath",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "Invoke": "lambda:InvokeFunction",
    "ListObjectsV2": "s3:ListBucket",
    "Publish": "sns:Publish",
    "PutObject": "s3:PutObject",
    "PutParameter": "ssm:PutParameter",
    "StartSigningJob": "signer:StartSigningJob",
    "UploadPart": "s3:PutObject",
}


def permission_advice(words: str, operation: str) -> str:
    """Return how to allow what AWS denied with these words."""
    named = re.search(r"perform: ([\w-]+:\w+)", words)
    action = named[1] if named else _ACTIONS.get(operation, f"lambda:{operation}")
    caller = next(iter(re.findall(r"User: (arn:\S+)", words)), "these credentials")
    if "service control policy" in words or "resource control policy" in words:
        policy = "service" if "service control policy" in words else "resource"
        return (
            f"a {policy} control policy of the organization denies {action}: its administrator can allow it, or "
            "remove the region from the matrix"
        )
    if limit := re.search("permissions boundary|session policy|VPC endpoint policy", words):
        return f"allow {action} in the {limit[0]} for {caller}"
    if "explicit deny" in words:
        return f"remove the statement that denies {action} to {caller}"
    other = ", or use a bucket of the matrix's account" if action.startswith("s3:") and not named else ""
    return f"allow {action} to {caller}{other}: `layers infra` prints the policy of each role"
