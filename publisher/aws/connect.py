"""Connect to Lambda in every region of a matrix: boto3 with rate limit and retries."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from builder.model.matrix import QUOTA_PER_SECOND, Matrix
from builder.model.stop import Stop, StoppableClock
from publisher.aws.gateway import Lambda
from publisher.aws.lambda_client import CONFIG, BotoLambda
from publisher.aws.publish_request import Bodies
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.request_log import RequestLog
from publisher.aws.retry import RetryingLambda
from publisher.aws.session import new_session

if TYPE_CHECKING:
    import boto3

    from publisher.aws.staging import StagingBuckets


def connect_all(matrix: Matrix, journal: RequestLog | None = None, stop: Stop | None = None) -> Mapping[str, Lambda]:
    """Return a ``Lambda`` client for each region of the matrix. Each request is recorded in ``journal``.

    Once ``stop`` is set, no request is sent. boto3's settings apply: environment, profile, role, ``AWS_ENDPOINT_URL``.
    """
    rate, journal, stop = matrix.requests_per_second, journal or RequestLog(), stop or Stop()
    session = new_session(stop=stop)
    buckets = None
    if matrix.staging is not None:
        from publisher.aws.staging import StagingBuckets

        buckets = StagingBuckets(matrix, matrix.staging, session)
    bodies = Bodies(_temporary_folder())
    return {
        region: _connect(session, region, rate, bodies, buckets, journal, stop, matrix.account)
        for region in matrix.regions
    }


def reader(region: str) -> Lambda:
    """Return a ``Lambda`` that looks up layer versions in one region, of any account."""
    bodies = Bodies(_temporary_folder())
    return _connect(new_session(), region, QUOTA_PER_SECOND, bodies, None, RequestLog(), Stop())


def _connect(
    session: boto3.session.Session,
    region: str,
    rate: float,
    bodies: Bodies,
    buckets: StagingBuckets | None,
    journal: RequestLog,
    stop: Stop,
    account: str | None = None,
) -> Lambda:
    client = session.client("lambda", region_name=region, config=CONFIG)
    clock = StoppableClock(stop)
    bucket = TokenBucket(rate, clock, stop)
    return RetryingLambda(BotoLambda(region, client, bucket, bodies, buckets, journal, account), clock)


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="layers-requests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
