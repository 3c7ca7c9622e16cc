"""One lock for the commands that write to AWS: a lease in the staging bucket of the home region.

It is taken with a conditional write. The object says who holds it and until when, by S3's own clock. It is renewed
while the command runs and returned at its end; a process that dies loses it when it expires. Without staging there is
no lock: every command then checks the number, the record and the policy again right before and after it acts.
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

import botocore.config
from botocore.exceptions import BotoCoreError, ClientError

from builder.model.errors import IncompleteError, InputError
from builder.model.escape import shorten
from builder.model.matrix import Matrix
from builder.model.matrix_keys import Staging
from builder.model.stop import Stop
from publisher.aws.error_codes import status_of
from publisher.aws.session import new_session

#: How long a lease is valid without a renewal, and how often it is renewed.
LEASE_SECONDS = 600.0
RENEWAL_SECONDS = 120.0
#: How often a command that waits for the lease reads it.
POLL_SECONDS = 5.0

_CONFIG = botocore.config.Config(retries={"total_max_attempts": 3, "mode": "standard"}, connect_timeout=6)


MAX_LEASE_BYTES = 4096


def _date_of(response: Any) -> datetime:
    """Return S3's time of a response, or this machine's if S3 sends none."""
    try:
        date = parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, TypeError, ValueError):
        return datetime.now(timezone.utc)
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class _Held:
    owner: str
    until: datetime
    etag: str
    now: datetime  #: S3's clock at the reading


@contextmanager
def lease(
    matrix: Matrix,
    stop: Stop | None = None,
    *,
    wait_seconds: float = 0.0,
    holds: float = LEASE_SECONDS,
    renewed: float = RENEWAL_SECONDS,
) -> Iterator[None]:
    """Hold the matrix's lease for the block; does nothing if the matrix has no staging.

    IncompleteError if another run holds it for longer than ``wait_seconds``, InputError if the bucket cannot be used.
    ``stop`` is set if another run takes the lease, because this one could not renew it in time.
    """
    if matrix.staging is None:
        yield
        return
    stop = stop or Stop()
    taken = _Lease(matrix, matrix.staging, holds)
    try:
        taken.take(stop, wait_seconds)
    except (ClientError, BotoCoreError) as error:
        raise InputError(
            f"the lease cannot be taken: {error}",
            where=f"s3://{taken.bucket}/{taken.key}",
            fix="is the staging bucket there, and may these credentials read and write it?",
        ) from None
    ended = threading.Event()
    renewing = threading.Thread(target=taken.keep, args=(ended, renewed, stop), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        taken.give_back()


class _Lease:
    def __init__(self, matrix: Matrix, staging: Staging, holds: float) -> None:
        self.bucket = staging.bucket_of(matrix.account, staging.home)
        self.key = f"leases/{matrix.package}.json"
        self._account = matrix.account
        self._holds = timedelta(seconds=holds)
        self._owner = f"{os.environ.get('GITHUB_RUN_ID') or socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._etag = ""
        self._s3: Any = new_session().client("s3", region_name=staging.home, config=_CONFIG)

    def take(self, stop: Stop, wait_seconds: float) -> None:
        """Take it once it is free or has expired."""
        end = time.monotonic() + wait_seconds
        while True:
            try:
                return self._take()
            except IncompleteError:
                if time.monotonic() >= end or stop.wait(POLL_SECONDS):
                    raise

    def _take(self) -> None:
        try:
            held = self._read()
        except ClientError as error:
            if status_of(error) != 404 or error.response.get("Error", {}).get("Code") == "NoSuchBucket":
                raise
            self._write({"IfNoneMatch": "*"}, datetime.now().astimezone())
            held = self._read()
        if held.owner != self._owner:
            if held.until > held.now:
                raise self._taken(held)
            self._write({"IfMatch": held.etag}, held.now)
            return
        self._write({"IfMatch": held.etag}, held.now)  # once more, now that S3's clock is known

    def keep(self, ended: threading.Event, every: float, stop: Stop) -> None:
        """Renew it until the run ends; ask the run to stop if another one has taken it."""
        while not ended.wait(every):
            try:
                self._write({"IfMatch": self._etag}, self._read().now)
            except IncompleteError:
                stop("another run has taken the lease, which this one could not renew in time")
                return
            except (ClientError, BotoCoreError):
                continue  # it is valid for some more renewals

    def give_back(self) -> None:
        """Let it expire at once, if it is still ours."""
        try:
            held = self._read()
            if held.owner == self._owner:
                self._holds = timedelta(0)
                self._write({"IfMatch": held.etag}, held.now)
        except (ClientError, BotoCoreError, IncompleteError):
            return  # it expires by itself

    def _read(self) -> _Held:
        answer = self._s3.get_object(Bucket=self.bucket, Key=self.key, ExpectedBucketOwner=self._account)
        now = _date_of(answer)
        try:
            data = json.loads(answer["Body"].read(MAX_LEASE_BYTES))
            until = datetime.fromisoformat(data["until"])
            until = until if until.tzinfo else until.replace(tzinfo=timezone.utc)
            # No writer holds a lease for longer than this; a date in the far future must not block everybody.
            until = min(until, answer["LastModified"] + timedelta(seconds=LEASE_SECONDS))
            return _Held(shorten(str(data["owner"]), 100), until, answer["ETag"], now)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return _Held("an invalid lease", now, answer["ETag"], now)

    def _write(self, condition: dict[str, str], now: datetime) -> None:
        body = json.dumps({"owner": self._owner, "until": (now + self._holds).isoformat()}).encode()
        try:
            answer = self._s3.put_object(
                Bucket=self.bucket, Key=self.key, Body=body, ExpectedBucketOwner=self._account, **condition
            )
        except ClientError as error:
            if status_of(error) in (404, 409, 412):
                raise self._taken(None) from None
            raise
        self._etag = answer["ETag"]

    def _taken(self, held: _Held | None) -> IncompleteError:
        who = f"{held.owner}, until {held.until:%H:%M:%S %Z} unless it is renewed" if held else "just now"
        return IncompleteError(
            f"another run is publishing these layers ({who})",
            where=f"s3://{self.bucket}/{self.key}",
            fix="wait for it, then run the same command again; nothing was touched",
        )
