"""Stage zips in S3: upload each once, to the home region's bucket. S3 copies it to the buckets of the other regions;
Lambda reads it from the bucket of its own region.

The key of an object is its content (``layers/<sha256>.zip``), so an object that exists is not uploaded again.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import boto3
from boto3.exceptions import Boto3Error

from builder.model.matrix import Matrix
from builder.model.matrix_keys import Staging
from publisher.aws.error_codes import BOTO_ERRORS, translate_error, unless_missing
from publisher.aws.gateway import Refused, Unavailable, Zip
from publisher.aws.once_per_key import Once
from publisher.aws.response_parser import required
from publisher.aws.services import client_config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Uploads and copies of the same content are safe to repeat.
_CONFIG = client_config(5)
CREATE_BUCKETS = "create the buckets with `layers infra --part staging`, and let this role write to them"


class StagingBuckets:
    """The staging buckets of a matrix."""

    def __init__(self, matrix: Matrix, staging: Staging, session: boto3.session.Session) -> None:
        self._account = matrix.account
        self._staging = staging
        self._clients: Once[str, S3Client] = Once(
            lambda region: session.client("s3", region_name=region, config=_CONFIG)
        )
        self._stage_once = Once(self._stage)

    def stage(self, zip_: Zip, region: str) -> dict[str, str]:
        """Put the zip into the region's bucket, and return the ``Content`` for Lambda. Raises GatewayError."""
        return self._stage_once((zip_, region))

    def _stage(self, zip_and_region: tuple[Zip, str]) -> dict[str, str]:
        zip_, region = zip_and_region
        bucket, key = self._bucket(region), f"layers/{zip_.sha256}.zip"
        try:
            if not self._has_object(region, bucket, key, zip_):
                if region == self._staging.home:
                    self._upload(zip_, bucket, key)
                else:
                    self.stage(zip_, self._staging.home)
                    self._copy(region, bucket, key)
                if not self._has_object(region, bucket, key, zip_):
                    raise Unavailable(f"s3://{bucket}/{key} is missing after the upload")
        except (*BOTO_ERRORS, Boto3Error) as error:
            cause = error.__context__ if isinstance(error, Boto3Error) else error  # s3transfer wraps what failed
            failed = translate_error(cause) if isinstance(cause, BOTO_ERRORS) else Unavailable(str(error))
            advice = failed.advice or (CREATE_BUCKETS if isinstance(failed, Refused) else None)
            raise type(failed)(f"s3://{bucket}/{key}: {failed.message}", failed.request_id, advice) from None
        return {"S3Bucket": bucket, "S3Key": key}

    def _bucket(self, region: str) -> str:
        return self._staging.bucket_of(self._account, region)

    def _has_object(self, region: str, bucket: str, key: str, zip_: Zip) -> bool:
        """Return whether the object exists with its size. The expected owner excludes a bucket of another account."""
        client = self._clients(region)
        head = unless_missing(lambda: client.head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=self._account))
        return head is not None and bool(required(head, "ContentLength") == zip_.size)

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
        """Copy the object from the home region. One request copies up to 5 GB."""
        self._clients(region).copy_object(
            Bucket=bucket,
            Key=key,
            CopySource={"Bucket": self._bucket(self._staging.home), "Key": key},
            ExpectedBucketOwner=self._account,
            ExpectedSourceBucketOwner=self._account,
        )
