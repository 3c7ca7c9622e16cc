"""``layers canary`` as a user runs it: small layers in the embedded AWS, and functions that run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher.aws.resource_names import canary_function, canary_role
from publisher.canary.function_client import BotoFunctions
from publisher.canary.function_port import RuntimeRefused, Spec
from publisher.ledger.folder import FolderLedger
from publisher.ledger.release import Release, Yanked
from publisher.sandbox.account import make_roles
from tests.conftest import Sandbox
from tests.fakes.command import SMALL, Layers
from tests.fakes.functions import HERE, OTHER, PYTHON, layer_zip, make_role, publish_real, runs_functions
from tests.publisher.reconcile.plan_cases import WHEN

REGIONS = ("us-east-1", "eu-west-1")
KEYS: dict[str, Any] = {**SMALL, "python": [PYTHON], "architectures": [HERE], "regions": list(REGIONS)}

pytestmark = [runs_functions, pytest.mark.index]


@pytest.fixture
def layers(sandbox: Sandbox, tmp_path: Path) -> Layers:
    """Return a project with a release in every region, its record, and the role of canaries."""
    made = Layers(tmp_path, dict(KEYS))
    make_roles(sandbox.address, {"us-east-1": [canary_role(made.matrix)]})
    assert publish_real(made, "1.0").code == 0
    return made


def functions(sandbox: Sandbox) -> list[str]:
    """Return the names of the functions."""
    return [f["FunctionName"] for r in REGIONS for f in sandbox.layers(r).list_functions()["Functions"]]


def change(layers: Layers, **fields: Any) -> None:
    """Change the record of the first release."""

    def changed(release: Release | None) -> Release:
        assert release is not None
        return release.model_copy(update=fields)

    FolderLedger(Path(layers.ledger), layers.matrix).update(1, changed)


def test_every_cell_is_proven_and_no_function_is_left(sandbox: Sandbox, layers: Layers) -> None:
    done = layers("canary", "--region", "all", "--yes", "--json")
    assert (done.code, functions(sandbox)) == (0, [])
    assert {key: done.json[key] for key in ("package", "version", "layer_version")} == {
        "package": "demo", "version": "1.0", "layer_version": 1,
    }  # fmt: skip
    recorded = FolderLedger(Path(layers.ledger), layers.matrix).releases()[0].cells
    name = layers.matrix.targets[0].layer_name
    assert [{**cell, "import_seconds": 0} for cell in done.json["cells"]] == [
        {
            "region": region, "python": PYTHON, "architecture": HERE, "layer_name": name, "layer_version": 1,
            "arn": f"arn:aws:lambda:{region}:{sandbox.account}:layer:{name}:1", "status": "proven",
            "package_version": "1.0", "import_seconds": 0, "sha256": recorded[0].sha256, "reason": None,
            "failure": None, "advice": None,
        }
        for region in REGIONS
    ]  # fmt: skip
    assert all(0 <= cell["import_seconds"] < 5 for cell in done.json["cells"])
    assert "[2/2]" in done.err

    table = layers("canary", "--region", "us-*", "--yes")
    assert table.code == 0
    assert f"us-east-1/py{PYTHON}-{HERE}  proven  1.0" in table.out
    assert "demo 1.0, layer version 1: 1 of 1 cell proven" in table.out


def test_the_newest_release_that_is_not_yanked_or_the_named_one_is_tried(sandbox: Sandbox, layers: Layers) -> None:
    assert publish_real(layers, "1.1").code == 0
    assert layers("canary", "--region", "us-east-1", "--yes", "--json").json["version"] == "1.1"
    named = layers("canary", "--region", "us-east-1", "--version", "1.0.0", "--yes", "--json")
    assert (named.code, named.json["layer_version"]) == (0, 1)
    change(layers, yanked=Yanked(date=WHEN, reason="broken"))
    yanked = layers("canary", "--region", "us-east-1", "--layer-version", "1", "--yes")
    assert yanked.code == 3
    assert "was yanked on 2026-11-23: broken" in yanked.err


def test_bad_input_is_refused(layers: Layers) -> None:
    role = "arn:aws:iam::856699698935:role/x"
    for arguments, code, says in (
        (["--version", "1.0"], 2, "stdin is not a terminal"),
        (["--version", "1.0", "--layer-version", "1", "--yes"], 2, "both select a release"),
        (["--version", "9.9", "--yes"], 3, "recorded as 9.9"),
        (["--version", "one", "--yes"], 3, "is not a version"),
        (["--layer-version", "7", "--yes"], 3, "recorded as layer version 7"),
        (["--region", "us-esat-1", "--yes"], 3, "is not an AWS region"),
        (["--python", "3.9", "--yes"], 3, "no layer is for Python"),
        (["--role", "canary", "--yes"], 3, "not the ARN of a role"),
        (["--role", role.replace("856699698935", "123456789012"), "--yes"], 3, "another account"),
        (["--role", role.replace("aws", "aws-cn"), "--yes"], 3, "partition aws-cn"),
    ):
        done = layers("canary", "--region", "us-east-1", *arguments)
        assert (done.code, done.out, says in done.err) == (code, "", True), done.err
    assert layers("canary").code == 2


def test_in_another_account_nothing_is_created(layers: Layers) -> None:
    other = Layers(layers.folder / "other", {**KEYS, "account": "123456789012"})
    other.folder.mkdir()
    ledger = FolderLedger(Path(other.ledger), other.matrix)
    own = FolderLedger(Path(layers.ledger), layers.matrix).releases()[0]
    theirs = Release.model_validate_json(own.model_dump_json().replace(own.account, "123456789012"))
    ledger.update(1, lambda _: theirs)
    done = other("canary", "--region", "us-east-1", "--yes")
    assert (done.code, "nothing was changed" in done.err) == (3, True)


def test_a_layer_that_cannot_be_imported_fails(sandbox: Sandbox, layers: Layers) -> None:
    assert publish_real(layers, "1.1", source="import not_there").code == 0
    done = layers("canary", "--region", "us-east-1", "--yes")
    assert (done.code, functions(sandbox)) == (6, [])
    assert "failed" in done.out
    assert "ModuleNotFoundError: No module named 'not_there'" in done.out
    assert "  | [ERROR] ModuleNotFoundError" in done.out


def test_a_layer_with_another_version_fails(sandbox: Sandbox, layers: Layers) -> None:
    assert publish_real(layers, "1.1", content=layer_zip("1.0.9")).code == 0
    (cell,) = layers("canary", "--region", "us-east-1", "--yes", "--json").json["cells"]
    assert (cell["status"], cell["package_version"]) == ("failed", "1.0.9")
    assert cell["reason"] == "it contains demo 1.0.9, the ledger has 1.1"


def test_bytes_that_differ_from_the_ledger_are_not_run(sandbox: Sandbox, layers: Layers) -> None:
    release = FolderLedger(Path(layers.ledger), layers.matrix).releases()[0]
    change(layers, cells=tuple(cell.model_copy(update={"sha256": "0" * 64}) for cell in release.cells))
    done = layers("canary", "--region", "us-east-1", "--yes", "--json")
    (cell,) = done.json["cells"]
    assert (done.code, cell["status"], cell["package_version"]) == (6, "failed", None)
    assert cell["sha256"] == release.cells[0].sha256
    assert "other bytes" in cell["reason"]


def test_a_cell_without_the_release_is_not_proven(layers: Layers) -> None:
    layers.keys["regions"] = [*REGIONS, "ap-south-1"]
    done = layers("canary", "--region", "all", "--yes", "--json")
    assert done.code == 5
    assert [(cell["region"], cell["status"]) for cell in done.json["cells"]] == [
        ("us-east-1", "proven"), ("eu-west-1", "proven"), ("ap-south-1", "deferred"),
    ]  # fmt: skip
    assert layers("canary", "--region", "ap-south-1", "--yes").code == 3


def test_an_architecture_that_the_embedded_aws_cannot_run_is_not_proven(
    layers: Layers, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.smoke.execution.shutil.which", lambda name: None)
    layers.keys["architectures"] = [HERE, OTHER]
    assert publish_real(layers, "1.1").code == 0
    done = layers("canary", "--region", "us-east-1", "--yes", "--json")
    assert (done.code, functions(sandbox)) == (5, [])
    assert [cell["status"] for cell in done.json["cells"]] == ["proven", "deferred"]
    assert "layers sandbox --stand-in" in done.json["cells"][1]["reason"]


def test_another_role_can_be_named(sandbox: Sandbox, layers: Layers) -> None:
    role = make_role(sandbox, "own")
    assert layers("canary", "--region", "us-east-1", "--role", role, "--yes").code == 0


def begun(sandbox: Sandbox, layers: Layers) -> subprocess.Popen[str]:
    """Start a canary of a slow layer and wait for its function."""
    assert publish_real(layers, "1.1", source="import time; time.sleep(2)").code == 0
    # Background processes ignore SIGINT, and their children inherit that.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "from publisher.cli import main; main()"
    command = [
        sys.executable, "-c", program, "--matrix", str(layers.folder / "matrix.yaml"),
        "--ledger", layers.ledger, "canary", "--region", "us-east-1", "--yes", "--json",
    ]  # fmt: skip
    process = subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: functions(sandbox) != [])
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interruption_removes_the_functions(sandbox: Sandbox, layers: Layers, number: signal.Signals) -> None:
    process = begun(sandbox, layers)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert functions(sandbox) == []
    assert "stopping: deleting the functions that it created" in err
    assert process.returncode in (0, 5), err  # 0 if the function had been invoked already: its response counts


def test_a_later_run_deletes_the_function_of_a_killed_run(
    sandbox: Sandbox, layers: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = begun(sandbox, layers)
    process.kill()
    process.communicate()
    name = canary_function(layers.matrix, layers.matrix.targets[0])
    assert functions(sandbox) == [name]

    done = layers("canary", "--region", "us-east-1", "--yes", "--json")  # the other run may still be running
    (cell,) = done.json["cells"]
    assert (done.code, cell["status"], functions(sandbox)) == (5, "deferred", [name])
    assert f"another canary is running: function {name} was created 0 minutes ago" in cell["reason"]

    monkeypatch.setattr("publisher.canary.trial.LEFTOVER_AGE", timedelta())
    assert layers("canary", "--region", "us-east-1", "--yes").code == 0
    assert functions(sandbox) == []


def until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_missing_role_is_named(sandbox: Sandbox, layers: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.canary.trial.MAX_WAIT_SECONDS", 0.5)
    sandbox.client("iam").delete_role(RoleName=canary_role(layers.matrix))
    done = layers("canary", "--region", "us-east-1", "--yes", "--json")
    (cell,) = done.json["cells"]
    assert (done.code, cell["status"]) == (5, "deferred")
    assert "cannot assume arn:aws:iam::856699698935:role/demo-layers-canary" in cell["reason"]
    assert "layers infra" in cell["advice"]


def test_a_retired_runtime_is_named_and_does_not_hold_the_release_back(
    layers: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: BotoFunctions, spec: Spec) -> None:
        raise RuntimeRefused(f"InvalidParameterValueException: {spec.runtime} is no longer supported")

    monkeypatch.setattr(BotoFunctions, "create", refuse)
    done = layers("canary", "--region", "all", "--yes", "--json")
    assert (done.code, {cell["status"] for cell in done.json["cells"]}) == (0, {"not provable"})
    assert {cell["failure"] for cell in done.json["cells"]} == {"permanent"}
    table = layers("canary", "--region", "us-east-1", "--yes")
    assert (table.code, f"not provable: us-east-1/py{PYTHON}-{HERE}" in table.out) == (0, True)
    first = publish_real(layers, "1.1", "--canary-first", "--json")
    assert (first.code, first.json["complete"]) == (0, True)
    assert f"us-east-1/py{PYTHON}-{HERE}: not provable" in first.err


def published(sandbox: Sandbox, layers: Layers) -> dict[str, int]:
    """Return the number of layer versions in each region."""
    name = layers.matrix.targets[0].layer_name
    return {r: len(sandbox.layers(r).list_layer_versions(LayerName=name)["LayerVersions"]) for r in REGIONS}


def test_publish_continues_after_the_canary_region_is_proven(sandbox: Sandbox, layers: Layers) -> None:
    options = ["--canary-first", "--json"]
    done = publish_real(layers, "1.1", *options)
    assert (done.code, done.json["complete"], functions(sandbox)) == (0, True, [])
    assert list(done.json) == ["package", "version", "layer_version", "complete", "cells"]
    assert list(done.json["cells"][0]) == [
        "region", "python", "architecture", "layer_name", "layer_version", "arn", "sha256", "outcome", "error",
        "failure", "advice",
    ]  # fmt: skip
    assert f"us-east-1/py{PYTHON}-{HERE}: proven, 1.1, import " in done.err

    broken = publish_real(layers, "1.2", *options, "--canary-region", "eu-west-1", source="import not_there")
    assert (broken.code, functions(sandbox)) == (5, [])
    assert published(sandbox, layers) == {"us-east-1": 2, "eu-west-1": 3}
    waits, first = broken.json["cells"]
    assert (first["outcome"], waits["outcome"]) == ("private", "deferred")
    for run in (done, broken):
        counts = [(int(step), int(total)) for step, total in re.findall(r"\[(\d+)/(\d+)\]", run.err)]
        assert all(step <= total for step, total in counts)
    assert waits["error"].startswith(f"the canary failed: eu-west-1/py{PYTHON}-{HERE}, failed: the function fail")
    assert "2 of 2 cells are not at the release (2 permanent); the canary failed:" in broken.err
    assert "publish its next version" in broken.err
    assert "run the same command again" not in broken.err

    assert publish_real(layers, "1.2", "--canary-region", "us-east-1").code == 2
    assert publish_real(layers, "1.2", "--canary-first", "--canary-region", "ap-south-1").code == 3
    assert publish_real(layers, "1.2", "--canary-first", "--canary-role", "canary").code == 3
