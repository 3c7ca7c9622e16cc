"""Signing jobs of the embedded AWS; moto has none. A wrong profile, bucket, version or token is refused.

The signed zip is the zip with one more entry. Its content differs for each job, as a real signature does.
"""

from __future__ import annotations

import io
import json
import re
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from moto.s3.models import s3_backends
from moto.signer.models import signer_backends

from builder.model.regions import partition_of
from publisher.sandbox.zip_store import Refusal

_JOB = re.compile(r"/signing-jobs/([0-9a-f-]{36})/?")
_SIGNATURE = "META-INF/aws_signer_signature_v1.0.SF"
#: How many responses of DescribeSigningJob report a new job as in progress.
PENDING_RESPONSES = 1


@dataclass
class _SigningJob:
    job_id: str
    request: dict[str, Any]
    profile_version: str
    key: str
    described: int = 0


@cache
def signature_of(path: Path) -> Mapping[str, str]:
    """Return Lambda's facts about the signature of a stored zip: the ARNs of the profile's version and of the job.

    Cached, because each response about a layer version needs it, a stored zip never changes, and a real layer has
    5,000 files.
    """
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(_SIGNATURE)) if _SIGNATURE in archive.namelist() else {}


class SigningJobs:
    """The jobs of one embedded AWS."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._jobs: dict[str, _SigningJob] = {}
        self._by_token: dict[str, _SigningJob] = {}

    def respond(self, method: str, path: str, region: str, body: bytes) -> dict[str, Any] | None:
        """Return the response to a request about signing jobs, else None. Raises Refusal."""
        if method == "POST" and path.rstrip("/") == "/signing-jobs":
            return self._start(json.loads(body), region)
        if method == "GET" and (match := _JOB.fullmatch(path)):
            return self._describe(match[1])
        return None

    def _start(self, request: dict[str, Any], region: str) -> dict[str, Any]:
        token = request["clientRequestToken"]
        job = self._by_token.get(token)
        if job is None:
            job = self._by_token[token] = self._sign(request, region)
            self._jobs[job.job_id] = job
        elif job.request != request:
            raise Refusal("ConflictException", "The request token was used for another request.", 409)
        return {"jobId": job.job_id, "jobOwner": self._account}

    def _sign(self, request: dict[str, Any], region: str) -> _SigningJob:
        profiles = signer_backends[self._account][region].signing_profiles
        profile = profiles.get(request["profileName"])
        if profile is None or profile.status != "Active":
            raise Refusal("ResourceNotFoundException", f"Signing profile {request['profileName']} not found.", 404)
        source, destination = request["source"]["s3"], request["destination"]["s3"]
        backend = s3_backends[self._account][partition_of(region)]
        bucket = backend.buckets.get(source["bucketName"])
        if bucket is None or not bucket.is_versioned:
            raise Refusal("ValidationException", f"Bucket {source['bucketName']} does not exist or keeps no versions.")
        source_object = backend.get_object(source["bucketName"], source["key"], version_id=source["version"])
        if source_object is None:
            raise Refusal("ValidationException", f"{source['key']} has no version {source['version']}.")
        job_id = str(uuid.uuid4())
        signer = f"arn:{partition_of(region)}:signer:{region}:{self._account}:"
        signature = {
            "SigningProfileVersionArn": f"{signer}/signing-profiles/{profile.name}/{profile.profile_version}",
            "SigningJobArn": f"{signer}/signing-jobs/{job_id}",
        }
        data = io.BytesIO(source_object.value)
        with zipfile.ZipFile(data, "a") as archive:
            archive.writestr(_SIGNATURE, json.dumps(signature))
        key = f"{destination.get('prefix', '')}{job_id}.zip"
        backend.put_object(destination["bucketName"], key, data.getvalue())
        return _SigningJob(job_id, request, profile.profile_version, key)

    def _describe(self, job_id: str) -> dict[str, Any]:
        job = self._jobs.get(job_id)
        if job is None:
            raise Refusal("ResourceNotFoundException", f"Signing job {job_id} not found.", 404)
        job.described += 1
        shown = {
            "jobId": job_id,
            "source": job.request["source"],
            "platformId": "AWSLambda-SHA384-ECDSA",
            "profileName": job.request["profileName"],
            "profileVersion": job.profile_version,
            "jobOwner": self._account,
        }
        if job.described <= PENDING_RESPONSES:
            return {**shown, "status": "InProgress"}
        bucket = job.request["destination"]["s3"]["bucketName"]
        return {**shown, "status": "Succeeded", "signedObject": {"s3": {"bucketName": bucket, "key": job.key}}}
