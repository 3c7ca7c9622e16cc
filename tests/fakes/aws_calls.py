"""The IAM requests of boto3's calls, and a boto3 that denies what the policies of a role do not allow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from builder.model.regions import partition_of
from tests.fakes.iam import Request, Statement, allowed


@dataclass(frozen=True)
class Call:
    """One call of an operation in boto3."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    region: str
    account: str

    def requests(self) -> list[Request]:
        """Return the IAM requests of this call. An unknown operation is an error."""
        try:
            to_requests = _IAM_REQUESTS[self.service, self.operation]
        except KeyError:
            raise NotImplementedError(f"what {self.service}:{self.operation} asks of IAM") from None
        return list(to_requests(self))

    def request(self, action: str, resource: str, **context: Any) -> Request:
        owner = {"aws:ResourceAccount": self.account}
        return Request(action, resource, {"aws:RequestedRegion": self.region, **owner, **context})

    def arn(self, service: str, path: str) -> str:
        return f"arn:{partition_of(self.region)}:{service}:{self.region}:{self.account}:{path}"

    def object_arn(self, bucket: str, key: str | None = None) -> str:
        return f"arn:{partition_of(self.region)}:s3:::{bucket}" + (f"/{key}" if key else "")


def _layer(call: Call) -> str:
    name = str(call.parameters["LayerName"])  # a name or an ARN
    return name if name.startswith("arn:") else call.arn("lambda", f"layer:{name}")


def _layer_version(action: str) -> Callable[[Call], Iterator[Request]]:
    def to_requests(call: Call) -> Iterator[Request]:
        yield call.request(action, f"{_layer(call)}:{call.parameters['VersionNumber']}")

    return to_requests


def _nothing(_call: Call) -> Iterator[Request]:
    """Return no request: GetCallerIdentity is always allowed (API reference)."""
    return iter(())


def _no_resource(action: str) -> Callable[[Call], Iterator[Request]]:
    return lambda call: iter([call.request(action, "*")])


def _publish(call: Call) -> Iterator[Request]:
    yield call.request("lambda:PublishLayerVersion", _layer(call))
    content = call.parameters["Content"]
    if "S3Bucket" in content:  # Lambda reads the object with the caller's permissions
        yield call.request("s3:GetObject", call.object_arn(content["S3Bucket"], content["S3Key"]))


def _function(action: str) -> Callable[[Call], Iterator[Request]]:
    def to_requests(call: Call) -> Iterator[Request]:
        yield call.request(action, call.arn("lambda", f"function:{call.parameters['FunctionName']}"))

    return to_requests


def _create_function(call: Call) -> Iterator[Request]:
    given = call.parameters
    context: dict[str, Any] = {"lambda:Layer": tuple(given["Layers"])} if given.get("Layers") else {}
    if given.get("VpcConfig"):
        context["lambda:VpcIds"] = "vpc-1"
    function = call.arn("lambda", f"function:{given['FunctionName']}")
    yield call.request("lambda:CreateFunction", function, **context)
    yield call.request("iam:PassRole", given["Role"], **{"iam:PassedToService": "lambda.amazonaws.com"})
    for layer in given.get("Layers", []):
        yield call.request("lambda:GetLayerVersion", layer)
    if given.get("Tags"):
        yield call.request("lambda:TagResource", function)


def _object(action: str) -> Callable[[Call], Iterator[Request]]:
    def to_requests(call: Call) -> Iterator[Request]:
        yield call.request(action, call.object_arn(call.parameters["Bucket"], call.parameters["Key"]))

    return to_requests


def _copy(call: Call) -> Iterator[Request]:
    source = call.parameters["CopySource"]
    yield call.request("s3:GetObject", call.object_arn(source["Bucket"], source["Key"]))
    yield from _object("s3:PutObject")(call)


def _list_bucket(call: Call) -> Iterator[Request]:
    yield call.request("s3:ListBucket", call.object_arn(call.parameters["Bucket"]))


def _parameters(action: str) -> Callable[[Call], Iterator[Request]]:
    def to_requests(call: Call) -> Iterator[Request]:
        for name in call.parameters.get("Names") or [call.parameters["Name"]]:
            yield call.request(action, call.arn("ssm", f"parameter{name}"))

    return to_requests


def _public_parameters(call: Call) -> Iterator[Request]:
    """Return the request for parameters of AWS itself: their ARNs have no account."""
    arn = f"arn:{partition_of(call.region)}:ssm:{call.region}::parameter{call.parameters['Path']}"
    yield call.request("ssm:GetParametersByPath", arn)


def _topic(call: Call) -> Iterator[Request]:
    yield call.request("sns:Publish", call.parameters["TopicArn"])


def _sign(call: Call) -> Iterator[Request]:
    """Return the requests of Signer, which reads and writes objects with the caller's permissions."""
    yield call.request(
        "signer:StartSigningJob", call.arn("signer", f"/signing-profiles/{call.parameters['profileName']}")
    )
    source, destination = call.parameters["source"]["s3"], call.parameters["destination"]["s3"]
    yield call.request("s3:GetObjectVersion", call.object_arn(source["bucketName"], source["key"]))
    yield call.request("s3:PutObject", call.object_arn(destination["bucketName"], f"{destination['prefix']}job.zip"))


def _signing_job(call: Call) -> Iterator[Request]:
    yield call.request("signer:DescribeSigningJob", call.arn("signer", f"/signing-jobs/{call.parameters['jobId']}"))


_IAM_REQUESTS: Mapping[tuple[str, str], Callable[[Call], Iterator[Request]]] = {
    ("sts", "GetCallerIdentity"): _nothing,
    ("lambda", "ListLayers"): _no_resource("lambda:ListLayers"),
    ("lambda", "GetAccountSettings"): _no_resource("lambda:GetAccountSettings"),
    ("lambda", "ListLayerVersions"): _no_resource("lambda:ListLayerVersions"),
    ("lambda", "PublishLayerVersion"): _publish,
    ("lambda", "CreateFunction"): _create_function,
    ("lambda", "Invoke"): _function("lambda:InvokeFunction"),
    **{
        ("lambda", operation): _layer_version(f"lambda:{operation}")
        for operation in (
            "GetLayerVersion", "GetLayerVersionPolicy", "AddLayerVersionPermission", "RemoveLayerVersionPermission",
        )
    },
    **{
        ("lambda", operation): _function(f"lambda:{operation}")
        for operation in ("GetFunction", "GetFunctionConfiguration", "DeleteFunction")
    },
    ("sns", "Publish"): _topic,
    ("signer", "StartSigningJob"): _sign,
    ("signer", "DescribeSigningJob"): _signing_job,
    ("s3", "HeadObject"): _object("s3:GetObject"),
    ("s3", "GetObject"): _object("s3:GetObject"),
    ("s3", "CopyObject"): _copy,
    ("s3", "AbortMultipartUpload"): _object("s3:AbortMultipartUpload"),
    ("s3", "ListObjectsV2"): _list_bucket,
    **{
        ("s3", operation): _object("s3:PutObject")
        for operation in ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
    },
    ("ssm", "GetParametersByPath"): _public_parameters,
    **{
        ("ssm", operation): _parameters(f"ssm:{operation}")
        for operation in ("GetParameters", "PutParameter", "DeleteParameters")
    },
}  # fmt: skip


@dataclass
class Role:
    """Credentials of a role, with the requests and denials. ``lost``: operations whose response is lost."""

    statements: Sequence[Statement]
    account: str
    lost: set[str] = field(default_factory=set)
    made: list[Request] = field(default_factory=list)
    refused: list[Request] = field(default_factory=list)

    def may(self, requests: Sequence[Request]) -> bool:
        denied = [request for request in requests if not allowed(self.statements, request)]
        self.made += requests
        self.refused += denied
        return not denied

    @property
    def actions(self) -> set[str]:
        """Return every action that was requested and allowed."""
        return {request.action for request in self.made} - {request.action for request in self.refused}


@contextmanager
def acting_as(role: Role) -> Iterator[Role]:
    """Give every boto3 client of this process the credentials of this role."""
    send = BaseClient._make_api_call  # type: ignore[attr-defined]

    def make_api_call(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        service, region = client.meta.service_model.service_name, client.meta.region_name
        call = Call(service, operation, parameters, region, role.account)
        if not role.may(call.requests()):
            raise _denied(service, operation)
        if operation in role.lost:
            raise _error(operation, "BadDigest", 400)
        try:
            return send(client, operation, parameters)
        except ClientError as error:
            missing = error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
            if service == "s3" and missing and not role.may(list(_list_bucket(call))):
                raise _denied(service, operation) from None  # without ListBucket, a missing object is AccessDenied
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", make_api_call)
        yield role


def _denied(service: str, operation: str) -> ClientError:
    return _error(operation, "AccessDenied" if service == "s3" else "AccessDeniedException", 403)


def _error(operation: str, code: str, status: int) -> ClientError:
    details = {"Code": code, "Message": re.sub(r"(?<!^)(?=[A-Z])", " ", code)}
    return ClientError({"Error": details, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)  # type: ignore[typeddict-item]
