"""Connections to every region of a matrix: boto3 behind pace and patience."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from builder.matrix import Matrix
from publisher.aws.body import Bodies
from publisher.aws.boto import CONFIG, BotoLambda
from publisher.aws.gateway import Lambda
from publisher.aws.pace import SYSTEM_CLOCK, TokenBucket
from publisher.aws.retry import Patient


def connect_all(matrix: Matrix) -> Mapping[str, Lambda]:
    """A ``Lambda`` for each region of the matrix. AWS is found as boto3 finds it."""
    import boto3

    session = boto3.session.Session()
    folder = Path(tempfile.mkdtemp(prefix="layers-requests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    bodies = Bodies(folder)
    buckets = None
    if matrix.staging is not None:
        from publisher.aws.staging import Buckets

        buckets = Buckets(matrix, matrix.staging, session)
    return {
        region: Patient(
            BotoLambda(
                region,
                session.client("lambda", region_name=region, config=CONFIG),
                TokenBucket(matrix.requests_per_second),
                bodies,
                buckets,
            ),
            SYSTEM_CLOCK,
        )
        for region in matrix.regions
    }
