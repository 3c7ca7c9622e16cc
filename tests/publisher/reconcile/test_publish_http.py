"""Complete publishes with boto3 against the embedded AWS (moto), and against the simulated one with faults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from builder.model.clock import SYSTEM_CLOCK
from builder.model.matrix import Matrix
from builder.model.stop import Stop
from publisher.aws.connect import connect_all
from publisher.aws.gateway import Lambda
from publisher.ledger.folder import FolderLedger
from publisher.reconcile.number import RequestedRelease
from publisher.reconcile.release_run import PublishReport, carry_out, prepare
from publisher.reconcile.run import Run
from scripts.simaws import At, Fault, Faults, SimulatedAws
from scripts.simaws.http_server import environment, serve
from tests.conftest import ACCOUNT, Sandbox
from tests.fakes.simulated_runs import World, assert_at_release, make_artifacts
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = small_matrix(account=ACCOUNT)


def publish(folder: Path, version: str, ledger: str = "ledger", matrix: Matrix = MATRIX) -> PublishReport:
    lambdas: Mapping[str, Lambda] = connect_all(matrix)
    records = FolderLedger(folder / ledger, matrix)
    run = Run(matrix, records, lambdas, RequestedRelease(version), matrix.cells, SYSTEM_CLOCK, Stop())
    return carry_out(prepare(run), make_artifacts(folder, matrix, version))


def outcomes(report: PublishReport) -> set[str]:
    return {outcome.name for outcome in report.outcomes.values()}


def test_first_repeated_and_next_release_on_moto(sandbox: Sandbox, tmp_path: Path) -> None:
    assert outcomes(publish(tmp_path, "1.0.0")) == {"published"}
    assert outcomes(publish(tmp_path, "1.0.0")) == {"unchanged"}
    assert outcomes(publish(tmp_path, "1.0.0", ledger="none")) == {"unchanged"}
    report = publish(tmp_path, "1.1.0")
    assert (report.plan.number.value, outcomes(report)) == (2, {"published"})


def test_drifted_regions_reach_one_number_on_moto(sandbox: Sandbox, tmp_path: Path) -> None:
    name = MATRIX.targets[0].layer_name
    data = make_artifacts(tmp_path, MATRIX, "0.1")[0].joinpath(f"{name}.zip").read_bytes()
    for _ in range(3):
        sandbox.layers("eu-west-1").publish_layer_version(LayerName=name, Content={"ZipFile": data})
    report = publish(tmp_path, "1.0.0")
    assert report.complete
    assert report.plan.number.value == 4
    for region in MATRIX.regions:
        for target in MATRIX.targets:
            listed = sandbox.layers(region).list_layer_versions(LayerName=target.layer_name)["LayerVersions"]
            assert [v["Version"] for v in listed] == [4, 3, 2, 1]
            assert listed[0]["Description"] == MATRIX.describe(target, "1.0.0")


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.ERROR_AFTER, Fault.GARBAGE])
def test_lost_responses_over_http_do_not_stop_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    faults = Faults(tuple(At(fault, region=region, operation="PublishLayerVersion") for region in MATRIX.regions))
    aws = SimulatedAws(ACCOUNT, MATRIX.regions, clock=SYSTEM_CLOCK, faults=faults, list_lag=5)
    with serve(aws) as address:
        for key, value in environment(address).items():
            monkeypatch.setenv(key, value)
        assert publish(tmp_path, "1.0.0").complete
    assert_at_release(World(MATRIX, aws, tmp_path), "1.0.0", 1)
