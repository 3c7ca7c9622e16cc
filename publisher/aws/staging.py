"""Staging: each zip leaves this machine once, to the home region's bucket; S3 itself copies it to the other regions'
buckets, and Lambda takes it from the bucket of its own region.

Objects are addressed by content (``layers/<sha256>.zip``), so one that is there already is not sent again.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import botocore.config
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from builder.model.matrix import Matrix
from builder.model.matrix_keys import Staging
from publisher.aws.error_codes import of_boto_error, status_of
from publisher.aws.gateway import GatewayError, Refused, Unavailable, Zip
from publisher.aws.once_per_key import Once

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

#: Puts and copies of the same content are safe to repeat, so botocore may.
_CONFIG = botocore.config.Config(
    retries={"total_max_attempts": 5, "mode": "standard"}, connect_timeout=6, user_agent_extra="strands-layers"
)


class Buckets:
    """The staging buckets of a matrix."""

    def __init__(self, matrix: Matrix, staging: Staging, session: boto3.session.Session) -> None:
        self._account = matrix.account
        self._staging = staging
        self._clients: Once[str, S3Client] = Once(
            lambda region: session.client("s3", region_name=region, config=_CONFIG)
        )
        self._place = Once(self._placed)

    def place(self, zip_: Zip, region: str) -> dict[str, str]:
        """See that the zip is in the region's bucket: the ``Content`` for Lambda. Raises GatewayError."""
        return self._place((zip_, region))

    def _placed(self, what: tuple[Zip, str]) -> dict[str, str]:
        zip_, region = what
        bucket, key = self._bucket(region), f"layers/{zip_.sha256}.zip"
        try:
            if not self._holds(region, bucket, key, zip_):
                if region == self._staging.home:
                    self._upload(zip_, bucket, key)
                else:
                    self.place(zip_, self._staging.home)
                    self._copy(region, bucket, key)
                if not self._holds(region, bucket, key, zip_):
                    raise Unavailable(f"s3://{bucket}/{key} does not appear after it was written")
        except Boto3Error as error:  # the transfer manager wraps what went wrong
            raise Unavailable(f"s3://{bucket}/{key}: {error}") from None
        except (ClientError, BotoCoreError) as error:
            raise _named(of_boto_error(error), f"s3://{bucket}/{key}") from None
        return {"S3Bucket": bucket, "S3Key": key}

    def _bucket(self, region: str) -> str:
        return self._staging.bucket_of(self._account, region)

    def _holds(self, region: str, bucket: str, key: str, zip_: Zip) -> bool:
        """Whether the object is there, whole. The expected owner keeps us out of a bucket that a stranger has."""
        try:
            head = self._clients(region).head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=self._account)
        except ClientError as error:
            if status_of(error) == 404 and error.response.get("Error", {}).get("Code") != "NoSuchBucket":
                return False
            raise
        return head["ContentLength"] == zip_.size

    def _upload(self, zip_: Zip, bucket: str, key: str) -> None:
        digest = base64.b64encode(bytes.fromhex(zip_.sha256)).decode()
        extra: dict[str, Any] = {
            "ChecksumAlgorithm": "SHA256",
            "ContentType": "application/zip",
            "ExpectedBucketOwner": self._account,
            "Metadata": {"sha256": digest},
        }
        self._clients(self._staging.home).upload_file(str(zip_.path), bucket, key, ExtraArgs=extra)

    def _copy(self, region: str, bucket: str, key: str) -> None:
        """S3 copies up to 5 GB in one request, between regions too; a layer is far below."""
        self._clients(region).copy_object(
            Bucket=bucket,
            Key=key,
            CopySource={"Bucket": self._bucket(self._staging.home), "Key": key},
            ExpectedBucketOwner=self._account,
            ExpectedSourceBucketOwner=self._account,
        )


def _named(error: GatewayError, where: str) -> GatewayError:
    hint = "; is the bucket there, and may this role write to it?" if isinstance(error, Refused) else ""
    return type(error)(f"{where}: {error.message}{hint}", error.request_id)
