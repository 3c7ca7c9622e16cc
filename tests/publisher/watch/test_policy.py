"""The version that becomes a release, for any index, ledger, policy and time; the releases to complete."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from builder.model.matrix import Matrix
from builder.model.matrix_keys import Releases
from publisher.ledger.release import LowerVersionRecord, Release, UnexpectedVersionRecord, Yanked
from publisher.watch.incomplete_releases import IncompleteRelease, incomplete
from publisher.watch.index_pages import IndexFile
from publisher.watch.package_index import AvailableVersion, group
from publisher.watch.policy import Choice, choose, newest_on_index, recorded_versions
from tests.publisher.reconcile.plan_cases import WHEN, release, small_matrix

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
MATRIX = small_matrix()


def wheel(version: str, age: timedelta | None = None, **more: str | None) -> IndexFile:
    name = f"demo-{version}-{more.pop('tag', 'py3-none-any')}.whl"
    return IndexFile(name, uploaded=None if age is None else NOW - age, **more)


def on_index(*files: IndexFile) -> tuple[AvailableVersion, ...]:
    return group("demo", files)


def chosen(policy: dict[str, object], files: list[IndexFile], *recorded: str, now: datetime = NOW) -> Choice:
    versions = [Version(each) for each in recorded]
    return choose(Releases.model_validate(policy), on_index(*files), versions, MATRIX.targets, now)


# Examples


def test_the_newest_is_released_and_others_are_skipped() -> None:
    choice = chosen({}, [wheel("1.0"), wheel("1.1"), wheel("1.1.1"), wheel("1.2")], "1.0")
    assert choice.release is not None
    assert choice.release.version == "1.2"
    assert (
        choice.release.reason == "it is newer than 1.0, the newest in the ledger; 2 versions between them are skipped"
    )
    assert choice.held_back == ()


def test_with_an_empty_ledger_the_newest_is_released() -> None:
    choice = chosen({"policy": "minor"}, [wheel("1.0"), wheel("1.1"), wheel("2.0b1")])
    assert choice.release is not None
    assert choice.release.version == "1.1"
    assert [(held.version, held.reason) for held in choice.held_back] == [("2.0b1", "a pre-release")]


def test_nothing_older_than_the_ledger_is_released() -> None:
    assert chosen({}, [wheel("1.0"), wheel("1.9")], "2.0", "1.5") == Choice(None, ())


def test_the_policy_minor_releases_each_minor_once() -> None:
    files = [wheel("1.2.0"), wheel("1.2.5"), wheel("1.2.5.post1")]
    choice = chosen({"policy": "minor"}, files, "1.2.0", "1.1.9")
    assert choice.release is None
    assert {held.reason for held in choice.held_back} == {"the matrix has the policy minor, and 1.2.0 is released"}
    further = chosen({"policy": "minor"}, [*files, wheel("1.3.0"), wheel("1.3.1")], "1.2.0").release
    assert further is not None
    assert further.version == "1.3.1"
    epoch = chosen({"policy": "minor"}, [wheel("1!0.1")], "1.2.0").release
    assert epoch is not None


def test_a_version_below_the_minimum_age_is_held_back_until_a_date() -> None:
    files = [wheel("1.0", timedelta(days=9)), wheel("1.1", timedelta(days=3)), wheel("1.2", timedelta(hours=1))]
    choice = chosen({"minimum_age": "2 days"}, files, "1.0")
    assert choice.release is not None
    assert choice.release.version == "1.1"
    (held,) = choice.held_back
    assert (held.version, held.reason) == ("1.2", "younger than 2 days")
    assert held.until == NOW - timedelta(hours=1) + timedelta(days=2)
    later = chosen({"minimum_age": "2 days"}, files, "1.1", now=held.until)
    assert later.release is not None
    assert later.release.version == "1.2"


def test_without_an_upload_time_a_minimum_age_holds_back() -> None:
    choice = chosen({"minimum_age": "1h"}, [wheel("1.1")], "1.0")
    assert choice.release is None
    assert "no upload time" in choice.held_back[0].reason
    assert chosen({}, [wheel("1.1")], "1.0").release is not None


def test_each_held_back_version_has_its_reason() -> None:
    files = [
        wheel("1.1", yanked="breaks\n::error::it"),
        wheel("1.2", yanked=""),
        wheel("1.3", tag="cp312-cp312-manylinux_2_17_x86_64"),
        wheel("1.4.dev1"),
        IndexFile("demo-1.5.tar.gz"),
    ]
    choice = chosen({}, files, "1.0")
    assert choice.release is None
    assert {held.version: held.reason for held in choice.held_back} == {
        "1.1": "yanked: breaks ::error::it",
        "1.2": "yanked",
        "1.3": "it has no wheel for py3.13-x86_64",
        "1.4.dev1": "a pre-release",
        "1.5": "it has no wheel for py3.12-x86_64, py3.13-x86_64",
    }


def test_the_policy_by_hand_releases_nothing() -> None:
    choice = chosen({"policy": "by-hand"}, [wheel("1.1"), wheel("1.2")])
    assert choice.release is None
    assert {held.reason for held in choice.held_back} == {"the matrix has the policy by-hand"}


def test_the_newest_version_has_wheels_for_all_targets() -> None:
    files = on_index(wheel("1.0"), wheel("1.1", tag="cp312-cp312-manylinux_2_17_x86_64"), wheel("1.2rc1"))
    assert [each.name for each in (newest_on_index(files), newest_on_index(files, MATRIX.targets)) if each] == [
        "1.1",
        "1.0",
    ]
    assert newest_on_index([]) is None


# Properties

VERSIONS = st.from_regex(r"[0-3]\.[0-3](\.[0-2])?(a1|rc1|\.post1|\.dev1)?", fullmatch=True)
AGES = st.none() | st.integers(0, 96).map(lambda hours: timedelta(hours=hours))
TAGS = st.sampled_from(["py3-none-any", "py3-none-any", "cp312-cp312-manylinux_2_17_x86_64"])
FILES = st.lists(
    st.builds(wheel, VERSIONS, AGES, yanked=st.sampled_from([None, None, "", "why"]), tag=TAGS), max_size=12
)
POLICIES = st.fixed_dictionaries(
    {"policy": st.sampled_from(["every", "minor", "by-hand"])},
    optional={"minimum_age": st.sampled_from(["0 s", "36 hours", "2 days"])},
)
RECORDED = st.lists(VERSIONS, max_size=4)


@given(POLICIES, FILES, RECORDED)
def test_a_release_always_obeys_the_policy(
    policy: dict[str, object], files: list[IndexFile], recorded: list[str]
) -> None:
    choice = chosen(policy, files, *recorded)
    last = max(map(Version, recorded), default=None)
    if choice.release is None:
        return
    version = Version(choice.release.version)
    available = next(each for each in on_index(*files) if each.version == version)
    assert not version.is_prerelease
    assert available.yanked is None
    assert not available.targets_without_wheel(MATRIX.targets)
    assert policy["policy"] != "by-hand"
    if last is not None:
        assert version > last
        assert policy["policy"] != "minor" or version.release[:2] > (*last.release, 0)[:2]
    minimum = Releases.model_validate(policy).minimum_age
    if minimum is not None:
        assert all(file.uploaded and NOW - file.uploaded >= minimum for file in available.files)


@given(POLICIES, FILES, RECORDED)
def test_every_newer_version_is_held_back_with_a_reason(
    policy: dict[str, object], files: list[IndexFile], recorded: list[str]
) -> None:
    """Every version that is newer than the recorded ones and the chosen one has a reason."""
    choice = chosen(policy, files, *recorded)
    bounds = [*map(Version, recorded), *([Version(choice.release.version)] if choice.release else [])]
    newer = {each.name for each in on_index(*files) if not bounds or each.version > max(bounds)}
    assert {held.version for held in choice.held_back} == newer
    assert all(held.until is None or held.until > NOW for held in choice.held_back)


@given(POLICIES, FILES, RECORDED, st.integers(0, 100))
def test_a_later_choice_is_never_older(
    policy: dict[str, object], files: list[IndexFile], recorded: list[str], hours: int
) -> None:
    """A later choice from the same index is never older, and a released version is not chosen again."""
    first = chosen(policy, files, *recorded).release
    later = chosen(policy, files, *recorded, now=NOW + timedelta(hours=hours)).release
    if first is None:
        return
    assert later is not None
    assert Version(later.version) >= Version(first.version)
    after = chosen(policy, files, *recorded, first.version, now=NOW + timedelta(hours=hours)).release
    assert after is None or Version(after.version) > Version(first.version)
    assert chosen(policy, files, *recorded, first.version).release is None


# Releases to complete


def without(matrix: Matrix, number: int, version: str, *left_out: str, **changes: object) -> Release:
    cells = tuple(cell for cell in matrix.cells if not cell.id.startswith(left_out or ("none",)))
    return release(matrix, number, version, cells, **{"completed": None if left_out else WHEN, **changes})


def found(*releases: Release, matrix: Matrix = MATRIX) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.version, each.missing) for each in incomplete(matrix, releases)]


def test_complete_releases_are_not_completed_again() -> None:
    assert found() == []
    assert found(without(MATRIX, 1, "1.0"), without(MATRIX, 2, "1.1")) == []


def test_cells_of_an_unreachable_region_are_completed() -> None:
    missing = ("eu-west-1/py3.12-x86_64", "eu-west-1/py3.13-x86_64")
    assert found(without(MATRIX, 1, "1.0"), without(MATRIX, 2, "1.1", "eu-west-1")) == [("1.1", missing)]
    both = found(without(MATRIX, 1, "1.0", "eu-west-1"), without(MATRIX, 2, "1.1", "eu-west-1"))
    assert both == [("1.0", missing), ("1.1", missing)]


def test_only_the_newest_release_is_completed_for_new_targets_and_regions() -> None:
    releases = (without(MATRIX, 1, "1.0"), without(MATRIX, 2, "1.1"))
    wider = small_matrix(
        python=["3.12", "3.13", "3.14"], regions=["us-east-1", "eu-west-1", "ap-south-1", "eu-north-1"]
    )
    ((version, missing),) = found(*releases, matrix=wider)
    assert version == "1.1"
    assert len(missing) == 6
    assert "eu-north-1/py3.12-x86_64" in missing
    assert "us-east-1/py3.14-x86_64" in missing
    narrower = small_matrix(regions=["us-east-1"])
    assert found(without(MATRIX, 1, "1.0", "eu-west-1", completed=WHEN), matrix=narrower) == []


def test_a_release_without_a_completion_time_is_completed() -> None:
    assert found(without(MATRIX, 1, "1.0", completed=None)) == [("1.0", ())]


def test_private_cells_are_completed() -> None:
    whole = without(MATRIX, 1, "1.0", completed=None)
    private = tuple(cell.model_copy(update={"public": cell.region != "eu-west-1"}) for cell in whole.cells)
    ((_, missing),) = found(whole.model_copy(update={"cells": private}), without(MATRIX, 2, "1.1"))
    assert missing == ("eu-west-1/py3.12-x86_64", "eu-west-1/py3.13-x86_64")


def test_cells_that_cannot_reach_the_number_are_not_tried_again() -> None:
    old = without(MATRIX, 1, "1.0", "eu-west-1/py3.12")
    assert found(old, without(MATRIX, 2, "1.1")) == []  # number 1 of that cell belongs to another version
    reserved = LowerVersionRecord(
        region="eu-west-1", python="3.12", architecture="x86_64", layer_version=1, kind="placeholder", arn="a"  # type: ignore[arg-type]
    )  # fmt: skip
    newer = without(MATRIX, 2, "1.1", "eu-west-1/py3.12", lower_versions=(reserved,))
    assert found(old, newer) == [("1.1", ("eu-west-1/py3.12-x86_64",))]
    unexpected = UnexpectedVersionRecord(
        region="eu-west-1", python="3.12", architecture="x86_64", layer_version=3, arn="a", reason="r"  # type: ignore[arg-type]
    )  # fmt: skip
    assert found(without(MATRIX, 2, "1.1", "eu-west-1/py3.12", unexpected_versions=(unexpected,))) == []


def test_yanked_releases_are_not_completed_and_rebuilt_ones_once() -> None:
    yanked = Yanked(date=WHEN, reason="bad")
    assert found(without(MATRIX, 1, "1.0", "eu-west-1", yanked=yanked)) == []
    rebuilt = without(MATRIX, 2, "1.0", "eu-west-1", rebuild="CVE")
    assert [each.layer_version for each in incomplete(MATRIX, (without(MATRIX, 1, "1.0", "eu-west-1"), rebuilt))] == [2]
    assert incomplete(MATRIX, (without(MATRIX, 1, "1.0", "ap"), without(MATRIX, 2, "1.1", yanked=yanked))) == ()


def test_a_release_without_cells_is_completed() -> None:
    begun = release(MATRIX, 1, "1.0", ())
    assert incomplete(MATRIX, (begun,)) == (IncompleteRelease(1, "1.0", tuple(cell.id for cell in MATRIX.cells)),)


@pytest.mark.parametrize("version", ["unknown", "1.0 (by hand)"])
def test_a_recorded_text_that_is_not_a_version_is_ignored(version: str) -> None:
    valid = release(MATRIX, 2, "1.0", ())
    assert recorded_versions([valid.model_copy(update={"version": version}), valid]) == {Version("1.0")}
