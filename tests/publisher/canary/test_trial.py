"""The trial of a cell under every fault of AWS: no function is left, and the reported status is true."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builder.model.errors import FailureClass
from builder.model.progress import Quiet
from builder.model.stop import Stop
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
    """Run one trial with a client that retries."""
    return attempt(case_of(), RetryingFunctions(region, region.clock), NAME, ROLE, region.setting(**setting))


def test_a_working_layer_is_proven() -> None:
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
def test_temporary_errors_are_retried(operation: str, error: GatewayError, acts: bool, times: int) -> None:
    if acts and type(error) is not Unavailable:
        return
    region = Region(faults=[Fault(operation, error, times, acts)])
    assert (trial_of(region).status, region.there) == ("proven", {})


@pytest.mark.parametrize("operation", ["create", "invoke", "delete"])
def test_a_conflicting_state_is_retried(operation: str) -> None:
    region = Region(faults=[Fault(operation, NotNowError("409"), 4)])
    assert (trial_of(region).status, region.there) == ("proven", {})


def test_a_new_role_is_waited_for_and_a_missing_one_is_named() -> None:
    region = Region(faults=[Fault("create", RoleError("cannot be assumed"), 5)])
    assert trial_of(region).status == "proven"
    region = Region(faults=[Fault("create", RoleError("cannot be assumed"), FOR_GOOD)])
    trial = trial_of(region)
    assert (trial.status, region.there) == ("deferred", {})
    assert f"Lambda cannot assume {ROLE}" in str(trial.reason)
    assert MAX_WAIT_SECONDS <= region.clock.monotonic() < 2 * MAX_WAIT_SECONDS


def test_a_function_is_removed_although_its_creation_had_no_response() -> None:
    class Mute(Region):
        def create(self, spec: Spec) -> None:
            if self.calls.count("create") == 0:
                super().create(spec)
            raise Unavailable("silence")

    region = Mute()
    trial = trial_of(region)
    assert (trial.status, trial.unreachable, region.there) == ("deferred", True, {})
    assert region.calls.count("delete") == 1


def test_a_function_that_appears_late_is_removed() -> None:
    region = Region(faults=[Fault("create", Unavailable("silence"), FOR_GOOD)])

    class Late(Region):
        def find(self, name: str) -> Function | None:
            if self.calls.count("find") == 3:  # once before the creation, twice after it
                self.put(name, timedelta(), run="this")
            return super().find(name)

    region = Late(faults=region.faults)
    assert (trial_of(region).status, region.there) == ("deferred", {})
    assert region.calls.count("delete") == 1


def test_a_function_that_cannot_be_removed_is_named() -> None:
    region = Region(faults=[Fault("delete", Refused("AccessDeniedException: no"), FOR_GOOD)])
    trial = trial_of(region)
    assert trial.status == "deferred"  # although the layer works: a function may be left
    assert f"function {NAME} may still exist" in str(trial.reason)
    region = Region(faults=[Fault("delete", Refused("AccessDeniedException: no"), FOR_GOOD)], payload=b"{}")
    trial = trial_of(region)
    assert trial.status == "failed"
    assert "something else" in str(trial.reason)
    assert NAME in str(trial.reason)


def test_an_old_function_of_a_killed_run_is_removed_and_a_recent_one_is_kept() -> None:
    region = Region()
    region.put(NAME, timedelta(minutes=16))
    assert (trial_of(region).status, region.there) == ("proven", {})
    region.put(NAME, timedelta(minutes=14))
    trial = trial_of(region)
    assert (trial.status, list(region.there)) == ("deferred", [NAME])
    assert "another canary is running" in str(trial.reason)
    assert "14 minutes ago" in str(trial.reason)


def test_a_function_of_a_concurrent_run_is_kept() -> None:
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
def test_a_permanent_error_is_not_retried(error: GatewayError, status: str) -> None:
    region = Region(faults=[Fault("create", error, FOR_GOOD)])
    trial = trial_of(region)
    assert (trial.status, trial.reason, region.there) == (status, str(error), {})
    assert region.calls.count("create") == 1


def test_a_runtime_that_lambda_creates_no_functions_for_is_not_provable() -> None:
    """The refusal says nothing about the layer, and another run does not help."""
    region = Region(faults=[Fault("create", RuntimeRefused("python3.12 is no longer supported"), FOR_GOOD)])
    trial = trial_of(region)
    assert (trial.status, region.there, region.calls.count("create")) == ("not provable", {}, 1)
    assert trial.failure is not None
    assert trial.failure.failure_class is FailureClass.PERMANENT
    assert "Lambda creates no python3.12 functions" in str(trial.reason)


def test_a_function_that_does_not_become_active_is_not_proven() -> None:
    trial = trial_of(region := Region(pending=1e6))
    assert (trial.status, region.there) == ("deferred", {})
    trial = trial_of(region := Region(state="Failed"))
    assert (trial.status, trial.reason, region.there) == ("failed", "the function is Failed: AWS gives no reason", {})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": "1.1"}, "it contains demo 1.1, the ledger has 1.0"),
        ({"loaded_from": {"demo": "/var/task/demo.py"}}, "demo was loaded from /var/task/demo.py, not from the layer"),
        ({"metadata_from": "/opt/other"}, "demo's metadata was loaded from /opt/other"),
        ({"python": "3.13.1"}, "it ran on Python 3.13.1, not 3.12"),
        ({"machine": "aarch64"}, "it ran on aarch64, not x86_64"),
    ],
)
def test_a_response_that_differs_from_the_ledger_fails(changes: dict[str, object], says: str) -> None:
    region = Region(payload=answer_of(case_of(), **changes))
    trial = trial_of(region)
    assert (trial.status, says in str(trial.reason), region.there) == ("failed", True, {})
    assert trial.package_version == changes.get("version", "1.0")


def test_a_function_error_and_an_unexpected_response_fail() -> None:
    error = b'{"errorType": "ImportError", "errorMessage": "no"}'
    trial = trial_of(region := Region(payload=error, failed=True))
    assert (trial.status, trial.log, region.there) == ("failed", "the end of the log", {})
    assert trial.reason == "the function failed: ImportError: no"
    assert trial_of(Region(payload=b"\xff", failed=True)).reason == "the function failed: \ufffd"
    for payload in (b"null", b"", b"[]", b'{"version": 1}'):
        trial = trial_of(region := Region(payload=payload))
        assert (trial.status, region.there) == ("failed", {})


def test_a_layer_that_is_missing_or_has_other_bytes_is_not_run() -> None:
    for sha256, says in (("", "does not exist in AWS"), (digest("other"), "other bytes")):
        trial = trial_of(region := Region(sha256=sha256))
        assert (trial.status, says in str(trial.reason), region.calls) == ("failed", True, ["layer"])


class StopAtCheck(Stop):
    """Is requested from one of its checks on."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.checks = iter(range(FOR_GOOD))
        self.first = first

    @property
    def reason(self) -> str | None:
        return "interrupted by SIGINT" if next(self.checks) >= self.first else None


@pytest.mark.parametrize("after", [*range(12)])
def test_an_interruption_at_any_moment_leaves_no_function(after: int) -> None:
    region = Region()
    trial = trial_of(region, stop=StopAtCheck(after))
    assert region.there == {}
    assert trial.status == "proven" or trial.reason == "interrupted by SIGINT"


@pytest.mark.parametrize("operation", ["layer", "find", "create", "invoke"])
@pytest.mark.parametrize("acts", [False, True])
def test_a_keyboard_interrupt_removes_the_function(operation: str, acts: bool) -> None:
    region = Region(faults=[Fault(operation, KeyboardInterrupt(), 1, acts)])
    with pytest.raises(KeyboardInterrupt):
        trial_of(region)
    assert region.there == {}


def test_an_unreachable_region_delays_no_other_and_is_not_tried_for_every_cell() -> None:
    matrix = MATRIX.model_copy(update={"python": ("3.10", "3.11", "3.12", "3.13")})
    cells = [cell for cell in matrix.cells if cell.region != "ap-south-1"]
    cases = []
    for cell in cells:
        case = case_of()
        cases.append(type(case)(cell.region, cell.target, 3, matrix.layer_arn(cell, 3), case.sha256, "demo", "1.0"))
    silent = Region(faults=[Fault("layer", Unavailable("silence"), FOR_GOOD)])
    fine = Region()
    regions = {"us-east-1": RetryingFunctions(silent, silent.clock), "eu-west-1": RetryingFunctions(fine, fine.clock)}
    trials = try_all(Roles(matrix, None, ()), cases, regions, fine.clock, Quiet(), Stop())
    assert [trial.case for trial in trials] == cases
    assert {trial.reason for trial in trials if trial.case.region == "us-east-1"} == {"silence"}
    assert len(silent.calls) <= 3 * 5  # three cells had started
    assert {trial.status for trial in trials if trial.case.region == "eu-west-1"} == {"proven", "failed"}
    assert fine.there == silent.there == {}
