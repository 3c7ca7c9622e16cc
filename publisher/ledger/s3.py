"""The ledger in S3, for runners that share nothing: ``s3://bucket/prefix``, one object a release.

Every write is conditional on what was read (``If-Match``, or ``If-None-Match`` for a first one), so that of two
writers neither loses a line: the later one reads again and adds its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import botocore.config
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from builder.model.errors import InputError
from builder.model.matrix import Matrix
from publisher.aws.error_codes import status_of
from publisher.aws.session import new_session
from publisher.ledger.folder import SBOMS, file_name, parse_record, record_bytes
from publisher.ledger.release import Release

_CONFIG = botocore.config.Config(retries={"total_max_attempts": 5, "mode": "standard"}, connect_timeout=6)
#: Tries of one change against other writers of the same record.
TRIES = 20


def bucket_and_prefix(place: str) -> tuple[str, str]:
    """What ``s3://bucket/prefix`` names; the prefix ends with a slash, or is empty. InputError without a bucket."""
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    if not bucket:
        raise InputError(f"{place!r} names no bucket", fix="write it so: --ledger s3://bucket/prefix")
    return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


class _OvertakenError(Exception):
    """Somebody else wrote the record since we read it."""


class BucketLedger:
    """A ledger in a bucket."""

    def __init__(self, place: str, matrix: Matrix) -> None:
        self._place = place
        self._bucket, self._prefix = bucket_and_prefix(place)
        self._matrix = matrix
        self._s3: Any = new_session().client("s3", config=_CONFIG, region_name=_region(matrix))

    def releases(self) -> tuple[Release, ...]:
        try:
            found = [self._read(key) for key in self._keys()]
        except (ClientError, BotoCoreError) as error:
            raise self._unreachable(error) from None
        return tuple(sorted((release for release, _ in found), key=lambda release: release.layer_version))

    def update(self, number: int, change: Callable[[Release | None], Release]) -> Release:
        key = f"{self._prefix}{file_name(number)}"
        again = Retrying(
            retry=retry_if_exception_type(_OvertakenError),
            wait=wait_random_exponential(multiplier=0.1, max=3),
            stop=stop_after_attempt(TRIES),
            reraise=True,
        )
        try:
            return again(self._change, key, change)
        except _OvertakenError:
            raise InputError(
                "other writers change this record all the time", where=f"s3://{self._bucket}/{key}", fix="run again"
            ) from None
        except (ClientError, BotoCoreError) as error:
            raise self._unreachable(error) from None

    def sboms(self) -> frozenset[str]:
        folder = f"{self._prefix}{SBOMS}/"
        try:
            return frozenset(key.removeprefix(folder) for key in self._list(folder) if key.endswith(".cdx.json"))
        except (ClientError, BotoCoreError) as error:
            raise self._unreachable(error) from None

    def sbom(self, path: str) -> bytes:
        key = f"{self._prefix}{SBOMS}/{path}"
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key, ExpectedBucketOwner=self._matrix.account)
            return bytes(answer["Body"].read())
        except (ClientError, BotoCoreError) as error:
            raise self._unreachable(error) from None

    def keep_sbom(self, path: str, data: bytes) -> None:
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=f"{self._prefix}{SBOMS}/{path}",
                Body=data,
                ContentType="application/vnd.cyclonedx+json",
                ExpectedBucketOwner=self._matrix.account,
            )
        except (ClientError, BotoCoreError) as error:
            raise self._unreachable(error) from None

    def _change(self, key: str, change: Callable[[Release | None], Release]) -> Release:
        try:
            before, etag = self._read(key)
            condition = {"IfMatch": etag}
            release = change(before)
            if release == before:
                return release
        except ClientError as error:
            if status_of(error) != 404 or error.response.get("Error", {}).get("Code") == "NoSuchBucket":
                raise
            condition = {"IfNoneMatch": "*"}
            release = change(None)
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=record_bytes(release),
                ContentType="application/json",
                ExpectedBucketOwner=self._matrix.account,
                **condition,
            )
        except ClientError as error:
            if status_of(error) in (404, 409, 412):  # changed, being changed, or gone since we read it
                raise _OvertakenError from None
            raise
        return release

    def _read(self, key: str) -> tuple[Release, str]:
        answer = self._s3.get_object(Bucket=self._bucket, Key=key, ExpectedBucketOwner=self._matrix.account)
        stem = key.rsplit("/", 1)[-1].removesuffix(".json")
        return parse_record(answer["Body"].read(), stem, f"s3://{self._bucket}/{key}", self._matrix), answer["ETag"]

    def _keys(self) -> Iterator[str]:
        for key in self._list(self._prefix, Delimiter="/"):  # what lies deeper is no record
            if key.endswith(".json"):
                yield key

    def _list(self, prefix: str, **options: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, ExpectedBucketOwner=self._matrix.account, **options
        )
        for page in pages:
            yield from (item["Key"] for item in page.get("Contents", []))

    def _unreachable(self, error: Exception) -> InputError:
        return InputError(
            f"the ledger in S3 cannot be used: {error}",
            where=self._place,
            fix="is the bucket there and of the matrix's account, and may these credentials read and write it?",
        )


def _region(matrix: Matrix) -> str:
    return new_session().region_name or (matrix.staging.home if matrix.staging else matrix.regions[0])
