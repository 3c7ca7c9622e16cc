"""Reports of ``layers watch`` about the matrix: missing regions and Pythons, and dates of its runtimes."""

from __future__ import annotations

from datetime import date, datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import FailureClass, IncompleteError
from builder.model.regions import partition_of
from builder.model.runtimes import RUNTIMES
from publisher.watch.matrix_gaps import EndingPython, MissingPython, Offer, find_gaps, offer_in_aws, offer_in_botocore
from tests.conftest import Sandbox
from tests.fakes.aws_front import AwsRequest, Refusal, front
from tests.fakes.command import Layers
from tests.fakes.package_index import PackageIndex
from tests.publisher.reconcile.plan_cases import small_matrix

TODAY = date(2026, 11, 25)
NO_SUCH_RUNTIME = (
    "1 validation error detected: Value 'python0.0' at 'compatibleRuntime' failed to satisfy constraint: Member must "
    "satisfy enum value set: [java17, python3.14, nodejs22.x, python3.16, provided.al2023]"
)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_regions_of_a_partition_and_pythons_come_from_botocore(partition: str) -> None:
    offer = offer_in_botocore(partition)
    assert {partition_of(region) for region in offer.regions} == {partition}
    assert {"3.12", "3.13", "3.14"} <= offer.pythons


def test_regions_and_pythons_that_the_matrix_misses_are_named() -> None:
    matrix = small_matrix(python=["3.12"], regions=["us-east-1"])
    offer = Offer(frozenset({"us-east-1", "eu-west-1"}), frozenset({"2.7", "3.9", "3.10", "3.12", "3.13", "3.99"}))
    gaps = find_gaps(matrix, offer, TODAY)
    assert (gaps.partition, gaps.regions) == ("aws", ("eu-west-1",))
    # 3.10 is deprecated, so it is not reported; this program does not know 3.99.
    assert gaps.pythons == (MissingPython("3.13", supported=True), MissingPython("3.99", supported=False))


@pytest.mark.parametrize(
    ("today", "words"),
    [
        (date(2025, 10, 30), None),
        (date(2026, 1, 1), "deprecated from 2026-10-31, Lambda creates no new functions from 2027-02-01"),
        (date(2026, 12, 1), "deprecated since 2026-10-31, Lambda creates no new functions from 2027-02-01"),
        (date(2027, 2, 1), "deprecated since 2026-10-31, Lambda creates no new functions since 2027-02-01"),
    ],
)
def test_a_runtime_is_named_from_a_year_before_its_end(today: date, words: str | None) -> None:
    gaps = find_gaps(small_matrix(python=["3.10", "3.13"]), Offer(frozenset(), frozenset()), today)
    assert [each.describe(today) for each in gaps.ending if each.python == "3.10"] == ([words] if words else [])
    assert all(isinstance(each, EndingPython) for each in gaps.ending)


@given(
    st.sets(st.sampled_from([*RUNTIMES, "2.7", "3.9", "3.98", "3.99"])),
    st.lists(st.sampled_from([*RUNTIMES]), min_size=1, unique=True),
    st.dates(date(2026, 1, 1), date(2030, 1, 1)),
)
def test_missing_pythons_are_offered_supported_and_not_in_the_matrix(
    offered: set[str], pythons: list[str], today: date
) -> None:
    gaps = find_gaps(small_matrix(python=pythons), Offer(frozenset(), frozenset(offered)), today)
    for each in gaps.pythons:
        assert each.python in offered - set(pythons)
        deprecated = RUNTIMES[each.python].deprecated if each.supported else None
        assert deprecated is None or today < deprecated
    assert all(each.deprecated.year - today.year <= 1 for each in gaps.ending)


# -- against the embedded AWS ------------------------------------------------------------------------------------------


def unknown_runtime(request: AwsRequest) -> Refusal | None:
    return Refusal(400, "ValidationException", NO_SUCH_RUNTIME) if "CompatibleRuntime=" in request.path else None


def test_the_pythons_are_read_from_aws(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with front(sandbox.address, unknown_runtime) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        offer = offer_in_aws("us-east-1")
    assert offer.pythons == {"3.14", "3.16"}
    assert {"us-east-1", "eu-west-1"} <= offer.regions
    assert {partition_of(region) for region in offer.regions} == {"aws"}


def test_a_refusal_of_aws_does_not_mean_that_no_python_is_offered(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with front(
        sandbox.address, lambda _: Refusal(403, "AccessDeniedException", "no ssm:GetParametersByPath")
    ) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(IncompleteError, match="AccessDeniedException") as caught:
            offer_in_aws("us-east-1")
    assert caught.value.failure_class is FailureClass.PERMANENT


def test_the_command_reports_what_the_matrix_misses(sandbox: Sandbox, index: PackageIndex, tmp_path: Path) -> None:
    index.add("demo-1.0-py3-none-any.whl")
    layers = Layers(tmp_path)
    layers.keys["python"] = ["3.10", "3.12"]
    with front(sandbox.address, unknown_runtime) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        watched = layers("watch", "--aws")
    assert watched.code == 0
    assert "Python 3.10 of the matrix: deprecated " in watched.out
    offered, today = offer_in_botocore("aws").pythons, datetime.now(timezone.utc).date()
    current = [each.python for each in RUNTIMES.values() if (each.deprecated or date.max) > today]
    missing = ", ".join(python for python in current if python in offered and python not in layers.keys["python"])
    assert f"not in the matrix: Python {missing}, which Lambda offers\n" in watched.out
    assert "3.16, which Lambda offers (new or a preview" in watched.out
    assert "regions of aws: af-south-1, " in watched.out
    assert layers("watch", "--version", "1.0", "--aws").code == 2
