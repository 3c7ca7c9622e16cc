"""Find what the matrix misses: regions and Pythons that Lambda offers, and Pythons whose support ends.

The offer comes from botocore's data, as of its release, or with ``--aws`` from AWS. These are hints only: each
team decides which regions it serves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from builder.model.errors import IncompleteError, InputError
from builder.model.matrix import Matrix
from builder.model.regions import partition_of
from builder.model.runtimes import RUNTIMES
from builder.model.target import python_order
from publisher.aws.resource_names import LAMBDA_REGIONS_PATH

#: A runtime is named this long before the end of its support.
ANNOUNCED_BEFORE = timedelta(days=365)
#: A runtime that does not exist: the error lists those that do.
_NO_RUNTIME = "python0.0"


@dataclass(frozen=True)
class Offer:
    """The regions and Pythons that Lambda offers in a partition."""

    regions: frozenset[str]
    pythons: frozenset[str]

    def __or__(self, other: Offer) -> Offer:
        return Offer(self.regions | other.regions, self.pythons | other.pythons)


@dataclass(frozen=True)
class MissingPython:
    """A Python that Lambda offers and the matrix does not have."""

    python: str
    supported: bool  #: whether this program can build for it; if not, it is new or a preview


@dataclass(frozen=True)
class EndingPython:
    """A Python of the matrix whose support has ended or ends within a year."""

    python: str
    deprecated: date  #: no security patches from this date on
    no_new_functions: date | None  #: Lambda refuses to create functions from this date on

    def describe(self, today: date) -> str:
        """Return the dates in words."""
        words = [f"deprecated {_since_or_from(self.deprecated, today)}"]
        if self.no_new_functions:
            words.append(f"Lambda creates no new functions {_since_or_from(self.no_new_functions, today)}")
        return ", ".join(words)


@dataclass(frozen=True)
class MatrixGaps:
    """The differences between the matrix and what Lambda offers."""

    partition: str
    regions: tuple[str, ...]
    pythons: tuple[MissingPython, ...]
    ending: tuple[EndingPython, ...]


def find_gaps(matrix: Matrix, offer: Offer, today: date) -> MatrixGaps:
    """Compare the matrix with the offer. Pure."""
    newest = max(RUNTIMES, key=python_order)
    current = {r.python for r in RUNTIMES.values() if r.deprecated is None or today < r.deprecated}
    newer = {python for python in offer.pythons if python_order(python) > python_order(newest)}
    missing = sorted(((current & offer.pythons) | newer) - set(matrix.python), key=python_order)
    ending = (
        EndingPython(runtime.python, runtime.deprecated, runtime.no_new_functions)
        for runtime in (RUNTIMES[python] for python in matrix.python)
        if runtime.deprecated is not None and runtime.deprecated - ANNOUNCED_BEFORE <= today
    )
    return MatrixGaps(
        partition_of(matrix.regions[0]),
        tuple(sorted(offer.regions - set(matrix.regions))),
        tuple(MissingPython(python, python in RUNTIMES) for python in missing),
        tuple(ending),
    )


def offer_in_botocore(partition: str) -> Offer:
    """Return Lambda's offer from botocore's data."""
    import botocore.session

    session = botocore.session.get_session()
    runtimes: list[str] = session.get_service_model("lambda").shape_for("Runtime").enum  # type: ignore[attr-defined]
    return Offer(frozenset(session.get_available_regions("lambda", partition)), _pythons(" ".join(runtimes)))


def offer_in_aws(region: str) -> Offer:
    """Read the offer from AWS: the regions from Systems Manager's public parameters, the runtimes from Lambda.

    Raises IncompleteError if AWS cannot be reached or refuses.
    """
    from publisher.aws.lambda_client import CONFIG
    from publisher.aws.services import service_errors
    from publisher.aws.session import new_session

    session = new_session()
    fix = "see the error; without --aws, botocore's data is used alone"
    with service_errors("what Lambda offers cannot be read", where=region, fix=fix, permanent=IncompleteError):
        pages = session.client("ssm", region_name=region, config=CONFIG).get_paginator("get_parameters_by_path")
        values = [each["Value"] for page in pages.paginate(Path=LAMBDA_REGIONS_PATH) for each in page["Parameters"]]
        pythons = _runtimes_of(session.client("lambda", region_name=region, config=CONFIG))
    return Offer(frozenset(value for value in values if _in_partition(value, partition_of(region))), pythons)


def _runtimes_of(client: Any) -> frozenset[str]:
    """Return the Pythons that Lambda's validation error for an unknown runtime lists. Lambda has no call for them."""
    from botocore.exceptions import ClientError

    try:
        client.list_layers(CompatibleRuntime=_NO_RUNTIME, MaxItems=1)
    except ClientError as error:
        details = error.response.get("Error", {})
        if details.get("Code") not in ("ValidationException", "InvalidParameterValueException"):
            raise
        return _pythons(str(details.get("Message", ""))) - {"0.0"}
    return frozenset()


def _pythons(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\bpython(\d{1,2}\.\d{1,3})\b", text))


def _in_partition(region: str, partition: str) -> bool:
    try:
        return partition_of(region) == partition
    except InputError:  # of a partition that botocore does not know yet
        return False


def _since_or_from(day: date, today: date) -> str:
    return f"since {day}" if day <= today else f"from {day}"
