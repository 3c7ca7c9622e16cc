"""The trial of a cell under everything that AWS may do: no function is left, and what is said is true."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builder.model.errors import FailureClass
from builder.model.progress import Quiet
from publisher.aws.gateway import GatewayError, Refused, Throttled, Unavailable, Unreachable
from publisher.canary.canary_run import Roles, try_all
from publisher.canary.function_client import RetryingFunctions
from publisher.canary.function_port import Function, InvalidError, NotNowError, RoleError, RuntimeRefused, Spec
from publisher.canary.trial import MAX_WAIT_SECONDS, Trial, attempt
from tests.publisher.canary.canary_cases import MATRIX, ROLE, Fault, Region, answer_of, case_of
from tests.publisher.reconcile.plan_cases import digest

NAME = "demo-layers-canary-py3_12-x86_64"
FOR_GOOD = 10_000


def trial_of(region: Region, **setting: object) -> Trial:
    """One trial, by a patient client."""
    return attempt(case_of(), RetryingFunctions(region, region.clock), NAME, ROLE, region.setting(**setting))


def test_the_usual() -> None:
    region = Region()
    trial = trial_of(region)
    assert (trial.status, trial.reason, trial.package_version, trial.import_seconds) == ("proven", None, "1.0", 0.25)
    assert trial.sha256 == digest("layer")
    assert region.there == {}
    assert len(region.calls) < 10


@pytest.mark.parametrize("operation", ["layer", "find", "create", "invoke", "delete"])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("error", [Throttled("429"), Unavailable("500"), Unreachable("no connection")])
def test_what_passes_is_waited_out(operation: str, error: GatewayError, acts: bool, times: int) -> None:
    if acts and type(error) is not Unavailable:
        return
    region = Region(faults=[Fault(operation, error, times, acts)])
    assert (trial_of(region).status, region.there) == ("proven", {})


@pytest.mark.parametrize("operation", ["create", "invoke", "delete"])
def test_a_state_that_does_not_allow_it_yet_is_waited_out(operation: str) -> None:
    region = Region(faults=[Fault(operation, NotNowError("409"), 4)])
    assert (trial_of(region).status, region.there) == ("proven", {})


def test_a_new_role_is_waited_for_and_one_that_is_not_there_is_named() -> None:
    region = Region(faults=[Fault("create", RoleError("cannot be assumed"), 5)])
    assert trial_of(region).status == "proven"
    region = Region(faults=[Fault("create", RoleError("cannot be assumed"), FOR_GOOD)])
    trial = trial_of(region)
    assert (trial.status, region.there) == ("deferred", {})
    assert f"Lambda cannot assume {ROLE}" in str(trial.reason)
    assert MAX_WAIT_SECONDS <= region.clock.monotonic() < 2 * MAX_WAIT_SECONDS


def test_a_function_whose_making_was_never_answered_is_removed_all_the_same() -> None:
    class Mute(Region):
        def create(self, spec: Spec) -> None:
            if self.calls.count("create") == 0:
                super().create(spec)
            raise Unavailable("silence")

    region = Mute()
    trial = trial_of(region)
    assert (trial.status, trial.unreachable, region.there) == ("deferred", True, {})
    assert region.calls.count("delete") == 1


def test_one_that_appears_late_is_removed() -> None:
    region = Region(faults=[Fault("create", Unavailable("silence"), FOR_GOOD)])

    class Late(Region):
        def find(self, name: str) -> Function | None:
            if self.calls.count("find") == 3:  # the look before, and two after
                self.put(name, timedelta(), run="this")
            return super().find(name)

    region = Late(faults=region.faults)
    assert (trial_of(region).status, region.there) == ("deferred", {})
    assert region.calls.count("delete") == 1


def test_a_function_that_cannot_be_removed_is_named() -> None:
    region = Region(faults=[Fault("delete", Refused("AccessDeniedException: no"), FOR_GOOD)])
    trial = trial_of(region)
    assert trial.status == "deferred"  # though the layer works: something is left
    assert f"function {NAME} may still exist" in str(trial.reason)
    region = Region(faults=[Fault("delete", Refused("AccessDeniedException: no"), FOR_GOOD)], payload=b"{}")
    trial = trial_of(region)
    assert trial.status == "failed"
    assert "something else" in str(trial.reason)
    assert NAME in str(trial.reason)


def test_what_a_killed_run_left_goes_first_and_anothers_stays() -> None:
    region = Region()
    region.put(NAME, timedelta(minutes=16))
    assert (trial_of(region).status, region.there) == ("proven", {})
    region.put(NAME, timedelta(minutes=14))
    trial = trial_of(region)
    assert (trial.status, list(region.there)) == ("deferred", [NAME])
    assert "another canary is running" in str(trial.reason)
    assert "14 minutes ago" in str(trial.reason)


def test_another_that_begins_at_the_same_moment_is_left_alone() -> None:
    class Raced(Region):
        def create(self, spec: Spec) -> None:
            self.put(NAME, timedelta())
            super().create(spec)

    region = Raced()
    assert (trial_of(region).status, list(region.there)) == ("deferred", [NAME])


@pytest.mark.parametrize(
    ("error", "status"),
    [(InvalidError("Layers consume more"), "failed"), (Refused("AccessDeniedException: iam:PassRole"), "deferred")],
)
def test_what_is_refused_for_good(error: GatewayError, status: str) -> None:
    region = Region(faults=[Fault("create", error, FOR_GOOD)])
    trial = trial_of(region)
    assert (trial.status, trial.reason, region.there) == (status, str(error), {})
    assert region.calls.count("create") == 1


def test_a_runtime_that_lambda_creates_no_functions_for_is_not_provable() -> None:
    """It says nothing about the layer, and another run does not help."""
    region = Region(faults=[Fault("create", RuntimeRefused("python3.12 is no longer supported"), FOR_GOOD)])
    trial = trial_of(region)
    assert (trial.status, region.there, region.calls.count("create")) == ("not provable", {}, 1)
    assert trial.failure is not None
    assert trial.failure.failure_class is FailureClass.PERMANENT
    assert "Lambda creates no python3.12 functions" in str(trial.reason)


def test_a_function_that_never_becomes_active() -> None:
    trial = trial_of(region := Region(pending=1e6))
    assert (trial.status, region.there) == ("deferred", {})
    trial = trial_of(region := Region(state="Failed"))
    assert (trial.status, trial.reason, region.there) == ("failed", "the function is Failed: AWS gives no reason", {})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": "1.1"}, "it contains demo 1.1, the ledger says 1.0"),
        ({"loaded_from": {"demo": "/var/task/demo.py"}}, "demo was loaded from /var/task/demo.py, not from the layer"),
        ({"metadata_from": "/opt/other"}, "demo's metadata was loaded from /opt/other"),
        ({"python": "3.13.1"}, "it ran on Python 3.13.1, not 3.12"),
        ({"machine": "aarch64"}, "it ran on aarch64, not x86_64"),
    ],
)
def test_an_answer_that_is_not_as_the_ledger_says(changes: dict[str, object], says: str) -> None:
    region = Region(payload=answer_of(case_of(), **changes))
    trial = trial_of(region)
    assert (trial.status, says in str(trial.reason), region.there) == ("failed", True, {})
    assert trial.package_version == changes.get("version", "1.0")


def test_a_function_that_fails_and_one_that_answers_something_else() -> None:
    error = b'{"errorType": "ImportError", "errorMessage": "no"}'
    trial = trial_of(region := Region(payload=error, failed=True))
    assert (trial.status, trial.log, region.there) == ("failed", "the end of the log", {})
    assert trial.reason == "the function failed: ImportError: no"
    assert trial_of(Region(payload=b"\xff", failed=True)).reason == "the function failed: \ufffd"
    for payload in (b"null", b"", b"[]", b'{"version": 1}'):
        trial = trial_of(region := Region(payload=payload))
        assert (trial.status, region.there) == ("failed", {})


def test_a_layer_that_is_not_the_recorded_one_is_not_run() -> None:
    for sha256, says in (("", "does not exist in AWS"), (digest("other"), "other bytes")):
        trial = trial_of(region := Region(sha256=sha256))
        assert (trial.status, says in str(trial.reason), region.calls) == ("failed", True, ["layer"])


@pytest.mark.parametrize("after", [*range(12)])
def test_an_interruption_at_any_moment_leaves_nothing(after: int) -> None:
    region = Region()
    asked = iter(range(FOR_GOOD))
    trial = trial_of(region, stopped=lambda: "interrupted by SIGINT" if next(asked) >= after else None)
    assert region.there == {}
    assert trial.status == "proven" or trial.reason == "interrupted by SIGINT"


@pytest.mark.parametrize("operation", ["layer", "find", "create", "invoke"])
@pytest.mark.parametrize("acts", [False, True])
def test_an_end_by_force_removes_the_function_too(operation: str, acts: bool) -> None:
    region = Region(faults=[Fault(operation, KeyboardInterrupt(), 1, acts)])
    with pytest.raises(KeyboardInterrupt):
        trial_of(region)
    assert region.there == {}


def test_a_silent_region_holds_no_other_back_and_is_not_asked_for_every_cell() -> None:
    matrix = MATRIX.model_copy(update={"python": ("3.10", "3.11", "3.12", "3.13")})
    cells = [cell for cell in matrix.cells if cell.region != "ap-south-1"]
    cases = []
    for cell in cells:
        case = case_of()
        cases.append(type(case)(cell.region, cell.target, 3, matrix.layer_arn(cell, 3), case.sha256, "demo", "1.0"))
    silent = Region(faults=[Fault("layer", Unavailable("silence"), FOR_GOOD)])
    fine = Region()
    regions = {"us-east-1": RetryingFunctions(silent, silent.clock), "eu-west-1": RetryingFunctions(fine, fine.clock)}
    trials = try_all(matrix, cases, regions, Roles(matrix, None, ()), fine.clock, Quiet())
    assert [trial.case for trial in trials] == cases
    assert {trial.reason for trial in trials if trial.case.region == "us-east-1"} == {"silence"}
    assert len(silent.calls) <= 3 * 5  # three lanes had begun
    assert {trial.status for trial in trials if trial.case.region == "eu-west-1"} == {"proven", "failed"}
    assert fine.there == silent.there == {}
