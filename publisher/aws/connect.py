"""Connect to Lambda in every region of a matrix: boto3 with rate limit and retries."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from builder.model.clock import SYSTEM_CLOCK
from builder.model.matrix import QUOTA_PER_SECOND, Matrix
from builder.model.stop import Stop, StoppableClock
from publisher.aws.gateway import Lambda
from publisher.aws.lambda_client import CONFIG, BotoLambda
from publisher.aws.publish_request import Bodies
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.request_log import RequestLog
from publisher.aws.retry_policy import RetryingLambda
from publisher.aws.session import new_session
from publisher.aws.staging import StagingBuckets


def connect_all(matrix: Matrix, journal: RequestLog | None = None, stop: Stop | None = None) -> Mapping[str, Lambda]:
    """Return a ``Lambda`` client for each region of the matrix. Each request is recorded in ``journal``.

    Once ``stop`` is set, no request is sent. boto3's settings apply: environment, profile, role, ``AWS_ENDPOINT_URL``.
    """
    stop = stop or Stop()
    session, clock = new_session(stop=stop), StoppableClock(stop)
    buckets = StagingBuckets(matrix, matrix.staging, session) if matrix.staging else None
    bodies = Bodies(_temporary_folder())

    def connect(region: str) -> Lambda:
        client = session.client("lambda", region_name=region, config=CONFIG)
        pace = TokenBucket(matrix.requests_per_second, clock, stop)
        return RetryingLambda(BotoLambda(region, client, pace, bodies, buckets, journal, matrix.account), clock)

    return {region: connect(region) for region in matrix.regions}


def reader(region: str) -> Lambda:
    """Return a ``Lambda`` that looks up layer versions in one region, of any account."""
    client = new_session().client("lambda", region_name=region, config=CONFIG)
    pace, bodies = TokenBucket(QUOTA_PER_SECOND), Bodies(_temporary_folder())
    return RetryingLambda(BotoLambda(region, client, pace, bodies), SYSTEM_CLOCK)


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="layers-requests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
