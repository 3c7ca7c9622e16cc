"""One lock for all commands that write to AWS or to the ledger: a lease in the staging bucket of the home region.

A conditional write takes it. The object names its owner and when it expires, by S3's clock. The command renews it while
it runs and lets it expire at its end; the lease of a process that died expires. Without staging there is no lock: each
command then checks the number, the record and the policy right before and after it writes.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from builder.model.errors import IncompleteError
from builder.model.escape import shorten
from builder.model.matrix import Matrix
from builder.model.matrix_keys import Staging
from builder.model.stop import Stop
from publisher.aws.error_codes import BOTO_ERRORS, is_conflicting_write, unless_missing
from publisher.aws.response_parser import required
from publisher.aws.services import client_config, service_errors
from publisher.aws.session import new_session

#: How long a lease is valid without a renewal, and how often it is renewed.
LEASE_SECONDS = 600.0
RENEWAL_SECONDS = 120.0
#: How often a command that waits for the lease reads it.
POLL_SECONDS = 5.0

MAX_LEASE_BYTES = 4096

_CONFIG = client_config(3, read_timeout_seconds=20)


def _date_of(response: Any) -> datetime:
    """Return S3's time of a response, or this machine's if S3 sends none."""
    try:
        date = parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, TypeError, ValueError):
        return datetime.now(timezone.utc)
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class _LeaseRecord:
    """A lease as the object in S3 describes it."""

    owner: str
    until: datetime
    etag: str
    now: datetime  #: S3's clock when it was read


@contextmanager
def lease(
    matrix: Matrix,
    stop: Stop | None = None,
    *,
    wait_seconds: float = 0.0,
    duration_seconds: float = LEASE_SECONDS,
    renewal_seconds: float = RENEWAL_SECONDS,
) -> Iterator[None]:
    """Hold the matrix's lease for the block; does nothing if the matrix has no staging.

    Raises IncompleteError if another command holds it for longer than ``wait_seconds``, InputError if S3 cannot be
    used. ``stop`` is set if another command takes the lease, because this one could not renew it in time.
    """
    if matrix.staging is None:
        yield
        return
    stop = stop or Stop()
    acquired = _Lease(matrix, matrix.staging, duration_seconds)
    fix = "create the bucket with `layers infra --part staging`, and let these credentials read and write it"
    try:
        with service_errors("the lease cannot be taken", where=f"s3://{acquired.bucket}/{acquired.key}", fix=fix):
            acquired.take(stop, wait_seconds)
    except KeyboardInterrupt:
        acquired.expire()
        raise
    ended = threading.Event()
    renewing = threading.Thread(target=acquired.keep, args=(ended, renewal_seconds, stop), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        acquired.expire()


class _Lease:
    def __init__(self, matrix: Matrix, staging: Staging, duration_seconds: float) -> None:
        self.bucket = staging.bucket_of(matrix.account, staging.home)
        self.key = f"leases/{matrix.package}.json"
        self._account = matrix.account
        self._duration = timedelta(seconds=duration_seconds)
        self._owner = f"{os.environ.get('GITHUB_RUN_ID') or socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._etag = ""
        self._s3: Any = new_session().client("s3", region_name=staging.home, config=_CONFIG)

    def take(self, stop: Stop, wait_seconds: float) -> None:
        """Take the lease as soon as it is free or has expired."""
        end = time.monotonic() + wait_seconds
        while True:
            try:
                return self._take()
            except IncompleteError:
                if time.monotonic() >= end or stop.wait(POLL_SECONDS):
                    raise

    def _take(self) -> None:
        record = unless_missing(self._read)
        if record is None:
            self._write({"IfNoneMatch": "*"}, datetime.now().astimezone())
            record = self._read()
        if record.owner != self._owner and record.until > record.now:
            raise self._error(record)
        self._write({"IfMatch": record.etag}, record.now)  # a new lease once more, now that S3's clock is known

    def keep(self, ended: threading.Event, every: float, stop: Stop) -> None:
        """Renew the lease until the command ends; request a stop if another command has taken it."""
        renewed = time.monotonic()
        while not ended.wait(every):
            try:
                self._write({"IfMatch": self._etag}, self._read().now)
                renewed = time.monotonic()
            except IncompleteError:
                stop("another command has taken the lease, which this one could not renew in time")
                return
            except BOTO_ERRORS as error:  # it stays valid for several renewals
                if time.monotonic() - renewed > self._duration.total_seconds():
                    stop(f"the lease has expired, because it could not be renewed: {error}")
                    return

    def expire(self) -> None:
        """Let the lease expire now, if this command still holds it."""
        try:
            record = self._read()
            if record.owner == self._owner:
                self._duration = timedelta(0)
                self._write({"IfMatch": record.etag}, record.now)
        except (*BOTO_ERRORS, IncompleteError):
            return  # it expires without this

    def _read(self) -> _LeaseRecord:
        response = self._s3.get_object(Bucket=self.bucket, Key=self.key, ExpectedBucketOwner=self._account)
        now = _date_of(response)
        try:
            data = json.loads(response["Body"].read(MAX_LEASE_BYTES))
            until = datetime.fromisoformat(data["until"])
            until = until if until.tzinfo else until.replace(tzinfo=timezone.utc)
            # No command holds a lease for longer: a date in the far future must not block all others.
            until = min(until, response["LastModified"] + timedelta(seconds=LEASE_SECONDS))
            return _LeaseRecord(shorten(str(data["owner"]), 100), until, response["ETag"], now)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return _LeaseRecord("an invalid lease", now, response.get("ETag", ""), now)

    def _write(self, condition: dict[str, str], now: datetime) -> None:
        body = json.dumps({"owner": self._owner, "until": (now + self._duration).isoformat()}).encode()
        try:
            response = self._s3.put_object(
                Bucket=self.bucket, Key=self.key, Body=body, ChecksumAlgorithm="SHA256",
                ExpectedBucketOwner=self._account, **condition,
            )  # fmt: skip
        except ClientError as error:
            if not is_conflicting_write(error):
                raise
            record = self._read()
            if record.owner != self._owner:
                raise self._error(record) from None
            self._etag = record.etag  # this command wrote it: boto3 sent the request again after a lost response
        else:
            self._etag = required(response, "ETag")

    def _error(self, record: _LeaseRecord) -> IncompleteError:
        return IncompleteError(
            f"another command is changing these layers: {record.owner} holds the lease until "
            f"{record.until:%H:%M:%S %Z}, unless it renews it",
            where=f"s3://{self.bucket}/{self.key}",
            fix="wait until it ends, then run the same command again; nothing was changed",
        )
