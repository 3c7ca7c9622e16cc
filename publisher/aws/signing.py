"""Sign a zip once with AWS Signer, in the home region's staging bucket, and keep the signed bytes for later runs."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from builder.model.clock import Clock
from builder.model.errors import IncompleteError, InputError
from builder.model.file_access import sha256_of
from builder.model.matrix import Matrix
from builder.model.zip_damage import ZIP_DAMAGE
from publisher.aws.error_codes import status_of, unless_missing
from publisher.aws.gateway import RUN_AGAIN, Zip
from publisher.aws.response_parser import required
from publisher.aws.services import client_config, service_errors

POLL_SECONDS = 2.0
MAX_SIGNING_SECONDS = 300.0
#: The path prefix of the entry that Signer adds to a zip for Lambda.
SIGNATURE_PREFIX = "META-INF/aws_signer_signature"

_CONFIG = client_config(5)


class Signer:
    """Signs with the matrix's profile, through the home region's staging bucket, which must have versioning."""

    def __init__(self, matrix: Matrix, session: boto3.session.Session, clock: Clock) -> None:
        if matrix.signing is None or matrix.staging is None:
            raise InputError(
                "`signing` in the matrix needs `staging`: AWS Signer reads and writes S3 objects",
                fix="add `staging` to the matrix",
            )
        self._profile = matrix.signing.profile
        self._account = matrix.account
        self._bucket = matrix.staging.bucket_of(matrix.account, matrix.staging.home)
        untyped: Any = session
        self._s3 = untyped.client("s3", region_name=matrix.staging.home, config=_CONFIG)
        self._signer = untyped.client("signer", region_name=matrix.staging.home, config=_CONFIG)
        self._clock = clock

    def sign(self, zip_: Zip, folder: Path) -> tuple[Zip, str]:
        """Return the signed zip and the ARN of the profile's version. Raises InputError for a signed zip.

        Signing the same bytes again within hours returns the first job's result. Raises IncompleteError if it fails.
        """
        if is_signed(zip_.path):
            raise InputError("the zip is already signed", where=str(zip_.path), fix="build it again")
        with self._translate_errors("the zip cannot be signed"):
            return self._sign(zip_, folder)

    def find_stored(self, sha256: str, folder: Path) -> Zip | None:
        """Return the signed zip of an earlier run from the staging bucket; None if it is no longer there."""
        path = folder / f"{sha256}.zip"
        with self._translate_errors("the signed zip cannot be read"):
            try:
                self._s3.download_file(self._bucket, f"layers/{sha256}.zip", str(path), ExtraArgs=self._owner)
            except ClientError as error:
                if status_of(error) in (403, 404):
                    return None
                raise
        return Zip(path, sha256, path.stat().st_size) if sha256_of(path) == sha256 else None

    def _translate_errors(self, action: str) -> AbstractContextManager[None]:
        """Raise IncompleteError if a request failed, or was not sent because the run is stopping."""
        return service_errors(
            action,
            where=f"signing profile {self._profile}, s3://{self._bucket}",
            fix="create the profile and the buckets with `layers infra --part staging`",
            permanent=IncompleteError,
        )

    @property
    def _owner(self) -> dict[str, str]:
        return {"ExpectedBucketOwner": self._account}

    def _sign(self, zip_: Zip, folder: Path) -> tuple[Zip, str]:
        key = f"unsigned/{zip_.sha256}.zip"
        version = self._uploaded_version(key) or self._upload(key, zip_)
        job = self._signer.start_signing_job(
            source={"s3": {"bucketName": self._bucket, "key": key, "version": version}},
            destination={"s3": {"bucketName": self._bucket, "prefix": "signed/"}},
            profileName=self._profile,
            clientRequestToken=hashlib.sha256(f"{self._profile}:{zip_.sha256}:{version}".encode()).hexdigest(),
        )
        finished = self._wait(required(job, "jobId"))
        revoked = "its signature was revoked" if finished.get("revocationRecord") else None
        if finished["status"] == "Failed" or revoked:
            self._upload(key, zip_)  # a new S3 version: Signer would return this job for the same token
            raise _job_error(job["jobId"], revoked or finished.get("statusReason") or "no reason given")
        signed = required(finished, "signedObject", "s3", "key")
        path = folder / f"signed-{zip_.sha256}.zip"
        self._s3.download_file(self._bucket, signed, str(path), ExtraArgs=self._owner)
        if not is_signed(path) or _content(path) != _content(zip_.path):
            raise _job_error(job["jobId"], f"s3://{self._bucket}/{signed} is not this zip with a signature")
        sha256 = sha256_of(path)
        # Staging uses this object, and so does a later run that completes the release.
        self._s3.copy_object(
            Bucket=self._bucket,
            Key=f"layers/{sha256}.zip",
            CopySource={"Bucket": self._bucket, "Key": signed},
            ExpectedSourceBucketOwner=self._account,
            **self._owner,
        )
        profile = f"{self._profile}/{required(finished, 'profileVersion')}"
        return Zip(path, sha256, path.stat().st_size), profile

    def _uploaded_version(self, key: str) -> str | None:
        """Return the S3 version of a zip that an earlier run uploaded, to find its signing job again."""
        head = unless_missing(lambda: self._s3.head_object(Bucket=self._bucket, Key=key, **self._owner))
        return str(head.get("VersionId", "null")) if head else None

    def _upload(self, key: str, zip_: Zip) -> str:
        digest = base64.b64encode(bytes.fromhex(zip_.sha256)).decode()
        with zip_.path.open("rb") as body:
            put = self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ChecksumSHA256=digest, **self._owner)
        return str(put.get("VersionId", "null"))

    def _wait(self, job: str) -> dict[str, Any]:
        end = self._clock.monotonic() + MAX_SIGNING_SECONDS
        while True:
            state: dict[str, Any] = self._signer.describe_signing_job(jobId=job)
            if required(state, "status") in ("Succeeded", "Failed"):
                return state
            if self._clock.monotonic() > end:
                raise _job_error(job, f"no result within {MAX_SIGNING_SECONDS:.0f} s")
            self._clock.sleep(POLL_SECONDS)


def is_signed(path: Path) -> bool:
    """Whether a zip contains a signature of AWS Signer."""
    return any(name.startswith(SIGNATURE_PREFIX) for name, _, _ in _files(path))


def _content(path: Path) -> list[tuple[str, int, int]]:
    return [file for file in _files(path) if not file[0].startswith(SIGNATURE_PREFIX)]


def _files(path: Path) -> list[tuple[str, int, int]]:
    """Return name, CRC and size of each file of a zip; nothing if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sorted((each.filename, each.CRC, each.file_size) for each in archive.infolist() if not each.is_dir())
    except ZIP_DAMAGE:
        return []


def _job_error(job: str, reason: str) -> IncompleteError:
    return IncompleteError(f"the signing job failed: {reason}", where=job, fix=RUN_AGAIN)
