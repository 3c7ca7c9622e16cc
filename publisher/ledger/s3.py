"""The ledger in S3, for machines that share nothing: ``s3://bucket/prefix``, one object for each release.

Each write is conditional on what was read (``If-Match``, or ``If-None-Match`` for a new object). If another process
wrote in between, the change is applied again to what that process wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from botocore.exceptions import ClientError

from builder.model.errors import IncompleteError, InputError
from builder.model.file_access import MAX_FACTS_BYTES, MAX_SBOM_BYTES, within_limit
from builder.model.matrix import Matrix
from builder.model.retry import repeat
from publisher.aws.error_codes import is_conflicting_write, unless_missing
from publisher.aws.response_parser import required
from publisher.aws.services import client_config, service_errors
from publisher.aws.session import new_session
from publisher.ledger.folder import LEDGER_FILE, SBOMS, file_name, parse_record, record_bytes
from publisher.ledger.release import Release

_CONFIG = client_config(5, read_timeout_seconds=20)
#: Attempts of one change while other processes write the same record.
MAX_CONFLICTING_WRITES = 20
_RESTORE_FIX = "restore an older version of the object"


def bucket_and_prefix(place: str) -> tuple[str, str]:
    """Split ``s3://bucket/prefix``; the prefix ends with a slash, or is empty. Raises InputError without a bucket."""
    bucket, _, prefix = place[len("s3://") :].partition("/")
    if not bucket or not place.lower().startswith("s3://"):
        raise InputError(f"{place!r} has no bucket", fix="write it like this: --ledger s3://bucket/prefix")
    return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


class BucketLedger:
    """A ledger in a bucket."""

    def __init__(self, place: str, matrix: Matrix) -> None:
        self._place = place
        self._bucket, self._prefix = bucket_and_prefix(place)
        self._matrix = matrix
        session = new_session()
        region = session.region_name or (matrix.staging.home if matrix.staging else matrix.regions[0])
        self._s3: Any = session.client("s3", config=_CONFIG, region_name=region)

    @property
    def is_shared(self) -> bool:
        return True

    def releases(self) -> tuple[Release, ...]:
        with self._translated():
            keys = [key for key in self._list(self._prefix, Delimiter="/") if key.endswith(".json")]
            records = [self._read(key)[0] for key in keys]
        return tuple(sorted(records, key=lambda release: release.layer_version))

    def update(self, number: int, change: Callable[[Release | None], Release]) -> Release:
        key = f"{self._prefix}{file_name(number)}"
        with self._translated():
            try:
                return repeat(
                    lambda: self._change(key, change),
                    lambda error: isinstance(error, ClientError) and is_conflicting_write(error),
                    lambda attempts: attempts >= MAX_CONFLICTING_WRITES,
                    first_wait_seconds=0.1,
                    max_wait_seconds=3,
                )
            except ClientError as error:
                if not is_conflicting_write(error):
                    raise
        raise IncompleteError(
            f"other processes changed this record {MAX_CONFLICTING_WRITES} times while it was written",
            where=f"s3://{self._bucket}/{key}",
            fix="run the same command again",
        )

    def sboms(self) -> frozenset[str]:
        folder = f"{self._prefix}{SBOMS}/"
        with self._translated():
            return frozenset(key.removeprefix(folder) for key in self._list(folder) if key.endswith(".cdx.json"))

    def sbom(self, path: str) -> bytes:
        with self._translated():
            return self._get(f"{self._prefix}{SBOMS}/{path}", MAX_SBOM_BYTES)[0]

    def keep_sbom(self, path: str, data: bytes) -> None:
        with self._translated():
            self._put(f"{self._prefix}{SBOMS}/{path}", data, "application/vnd.cyclonedx+json")

    def _change(self, key: str, change: Callable[[Release | None], Release]) -> Release:
        stored = unless_missing(lambda: self._read(key))
        before, condition = (stored[0], {"IfMatch": stored[1]}) if stored else (None, {"IfNoneMatch": "*"})
        release = change(before)
        if release != before:
            self._put(key, record_bytes(release), "application/json", **condition)
        return release

    def _read(self, key: str) -> tuple[Release, str]:
        data, etag = self._get(key, MAX_FACTS_BYTES)
        stem = key.rsplit("/", 1)[-1].removesuffix(".json")
        return parse_record(data, stem, f"s3://{self._bucket}/{key}", self._matrix), etag

    def _get(self, key: str, max_bytes: int) -> tuple[bytes, str]:
        """Return the content and ETag of an object."""
        response = self._s3.get_object(Bucket=self._bucket, Key=key, ExpectedBucketOwner=self._matrix.account)
        where = f"s3://{self._bucket}/{key}"
        data = within_limit(response["Body"].read(max_bytes + 1), LEDGER_FILE, max_bytes, where, _RESTORE_FIX)
        return data, required(response, "ETag")

    def _put(self, key: str, data: bytes, content_type: str, **condition: str) -> None:
        self._s3.put_object(
            Bucket=self._bucket, Key=key, Body=data, ContentType=content_type, ChecksumAlgorithm="SHA256",
            ExpectedBucketOwner=self._matrix.account, **condition,
        )  # fmt: skip

    def _list(self, prefix: str, **options: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, ExpectedBucketOwner=self._matrix.account, **options
        )
        for page in pages:
            required(page, "Name")  # the XML of a proxy must not look like a ledger without releases
            yield from (item["Key"] for item in page.get("Contents", []))

    def _translated(self) -> AbstractContextManager[None]:
        fix = "check the bucket, its owner and your permissions"
        return service_errors("the ledger in S3 cannot be used", where=self._place, fix=fix)
