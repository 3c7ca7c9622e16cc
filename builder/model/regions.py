"""AWS regions and partitions, from the data that botocore ships (read as JSON: importing botocore is slow)."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, cast

from builder.model.errors import InputError

#: A region of each partition that every account has enabled.
ALWAYS_ENABLED = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
#: The regions of the partition ``aws`` that every account has enabled.
_ENABLED_BY_DEFAULT = {
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
    "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3",
    "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
}  # fmt: skip


@cache
def _partitions() -> list[dict[str, Any]]:
    text = files("botocore").joinpath("data").joinpath("partitions.json").read_text("utf-8")
    return cast("list[dict[str, Any]]", json.loads(text)["partitions"])


@cache
def known_regions() -> frozenset[str]:
    """Return every region of every partition, without pseudo-regions (``aws-global``)."""
    return frozenset(
        region
        for partition in _partitions()
        for region in partition["regions"]
        if re.match(partition["regionRegex"], region)
    )


def partition_of(region: str) -> str:
    """Return the partition of a region, the second field of its ARNs: ``aws``, ``aws-cn``, ``aws-us-gov``, …."""
    for partition in _partitions():
        if region in partition["regions"] or re.match(partition["regionRegex"], region):  # a region may be newer
            return str(partition["id"])
    raise InputError(f"{region!r} is not an AWS region", fix=did_you_mean(region, known_regions()))


def is_enabled_by_default(region: str) -> bool:
    """Return whether every account of the partition may use the region without opting in."""
    return region in _ENABLED_BY_DEFAULT or partition_of(region) != "aws"


def did_you_mean(word: str, choices: frozenset[str] | list[str]) -> str | None:
    """Return a hint with the most similar of ``choices``, or None if none is similar."""
    swapped = [choice for choice in sorted(choices) if sorted(choice) == sorted(word.lower())]  # us-esat-1
    near = swapped or get_close_matches(word.lower(), sorted(choices), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else None
