"""Rehearsals of the workflows, from a version on the package index to the pull request that records it, with failures
in between. The package is a small stand-in whose versions the tests release."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builder.model.matrix_file import load_matrix
from publisher.sandbox.account import create_account_resources
from scripts.rehearsal.world import git
from tests import REPOSITORY
from tests.conftest import Sandbox
from tests.endtoend.test_operations import Outage
from tests.fakes.functions import HERE, PYTHON, runs_functions
from tests.fakes.wheels import make_wheel

ROOT = REPOSITORY
PACKAGE = "layers-rehearsal"
MATRIX = f"""
account: "856699698935"
package: {PACKAGE}
python: ["{PYTHON}"]
architectures: [{HERE}]
regions: [us-east-1, eu-west-1]
"""

pytestmark = [pytest.mark.slow, pytest.mark.index, runs_functions]


class Rehearsal:
    """``scripts/rehearse`` with its own matrix and index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "index").mkdir()
        (folder / "matrix.yaml").write_text(MATRIX)
        self.code = -1
        self.said = ""

    def offer(self, version: str) -> None:
        make_wheel(self.folder / "index", PACKAGE.replace("-", "_"), version)

    def __call__(self, *arguments: str) -> Rehearsal:
        command = [sys.executable, "-m", "scripts.rehearsal", "--output", str(self.folder / "out")]
        if "--caller" not in arguments:
            command += ["--matrix", str(self.folder / "matrix.yaml")]
        environment = {**os.environ, "UV_FIND_LINKS": str(self.folder / "index")}
        done = subprocess.run(
            [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        self.code, self.said = done.returncode, done.stdout + done.stderr
        return self

    @property
    def forge(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = json.loads((self.folder / "out" / "forge.json").read_text())
        return found

    def recorded(self) -> dict[str, Any]:
        """Return the files of the pull request's branch below ``ledger/`` and ``docs/``."""
        repository = self.folder / "out" / "repository"
        names = git(repository, "ls-tree", "-r", "--name-only", "origin/layers-record", "ledger", "docs").splitlines()
        records = [name for name in names if name.startswith("ledger/0")]
        read = {name: json.loads(git(repository, "show", f"origin/layers-record:{name}")) for name in records}
        return {**dict.fromkeys(names), **read}


@pytest.fixture
def rehearse(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def test_a_release_is_recorded_in_a_pull_request_and_a_second_run_changes_nothing(rehearse: Rehearsal) -> None:
    rehearse.offer("1.0")
    rehearse("--workflow", "release.yml", "--workflow", "watch.yml", "--workflow", "release.yml")
    assert rehearse.code == 0, rehearse.said
    (request,) = rehearse.forge["pr"]
    assert request["title"] == "Record layer version 1 (1.0)"
    recorded = rehearse.recorded()
    record = recorded["ledger/0001.json"]
    assert record["completed"] is not None
    assert record["targets"][0]["cold_start"]["import_seconds"] >= 0
    assert record["targets"][0]["lock"][0]["name"] == PACKAGE
    assert "ledger/0002.json" not in recorded  # the second run and the hourly watch found nothing to do
    assert "docs/layers.md" in recorded
    assert any(name.startswith("docs/sbom/0001/") for name in recorded)
    assert "release: skipped" in rehearse.said  # of watch.yml
    (release,) = rehearse.forge["release"]
    assert (release["tagName"], release["title"]) == ("layer-version-1", "Layer version 1 (1.0)")
    assert release["prerelease"] is False
    assert all(cell["arn"] in release["notes"] for cell in record["cells"])
    assert release["assets"] == sorted(["SHA256SUMS", f"{record['targets'][0]['layer_name']}.cdx.json"])
    summary = (rehearse.folder / "out" / "summary.md").read_text()
    assert "layer version 1" in summary
    assert "provenance of 2 files" in rehearse.said


def test_a_runner_that_is_killed_between_publish_and_record(rehearse: Rehearsal) -> None:
    rehearse.offer("1.0")
    rehearse("--killed-before", "publish:Upload the ledger")
    assert rehearse.code == 0, rehearse.said
    assert "the runner was killed" in rehearse.said
    assert rehearse.recorded()["ledger/0001.json"]["completed"] is not None
    assert "ledger/0002.json" not in rehearse.recorded()


def test_a_version_that_the_watch_finds_is_released_audited_and_yanked(rehearse: Rehearsal) -> None:
    rehearse.offer("1.0")
    rehearse.offer("2.0rc1")
    names = ("watch.yml", "audit.yml", "yank.yml")
    inputs = ("layer-version=1", "reason=fails at its start")
    rehearse(*(word for name in names for word in ("--workflow", name)), *(w for i in inputs for w in ("--input", i)))
    assert "release 1.0: calls $/.github/workflows/release.yml" in rehearse.said
    assert "drift: success" in rehearse.said
    assert "yank: success" in rehearse.said
    record = rehearse.recorded()["ledger/0001.json"]
    assert record["version"] == "1.0"
    assert record["yanked"]["reason"] == "fails at its start"
    (request,) = rehearse.forge["pr"]
    assert request["title"] == "Yank layer version 1"


def test_an_unreachable_region_delays_no_other_and_the_next_run_completes_it(
    rehearse: Rehearsal, sandbox: Sandbox
) -> None:
    create_account_resources(sandbox.address, load_matrix(rehearse.folder / "matrix.yaml"))
    rehearse.offer("1.0")
    with Outage(sandbox.address, "eu-west-1") as outage:
        rehearse("--endpoint", f"http://{outage.address}")
    assert rehearse.code == 4
    assert "publish: success {'complete': 'false', 'layer-version': '1'}" in rehearse.said
    assert "canary: success" in rehearse.said
    assert "complete: failure" in rehearse.said
    record = rehearse.recorded()["ledger/0001.json"]
    assert {cell["region"] for cell in record["cells"]} == {"us-east-1"}
    assert "in every cell of the matrix: false" in rehearse.forge["pr"][0]["body"]
    summary = (rehearse.folder / "out" / "summary.md").read_text()
    assert "eu-west-1" in summary

    rehearse("--endpoint", sandbox.address)  # its record was not merged: the state comes from AWS
    assert rehearse.code == 0, rehearse.said
    record = rehearse.recorded()["ledger/0001.json"]
    assert {cell["region"] for cell in record["cells"]} == {"us-east-1", "eu-west-1"}
    assert {cell["layer_version"] for cell in record["cells"]} == {1}


def test_an_unknown_input_is_refused(rehearse: Rehearsal) -> None:
    assert rehearse("--input", "colour=blue").code == 2
    assert "no input colour" in rehearse.said


@pytest.mark.parametrize("version", ["7.0", "1.0; touch /tmp/x", "$(id)", "refs/tags/v1.0"])
def test_an_invalid_version_ends_the_run_before_the_build(rehearse: Rehearsal, version: str) -> None:
    rehearse.offer("1.0")
    rehearse("--event", "repository_dispatch", "--payload", f"version={version}")
    assert rehearse.code == 4
    assert "Find the version: ended with 3" in rehearse.said
    assert "build: skipped" in rehearse.said


def test_another_team_calls_the_workflows(rehearse: Rehearsal, tmp_path: Path) -> None:
    example = ROOT / "examples" / "own-layers"
    caller = tmp_path / "caller"
    for path in example.rglob("*"):
        if path.is_file():
            (caller / path.relative_to(example)).parent.mkdir(parents=True, exist_ok=True)
            (caller / path.relative_to(example)).write_bytes(path.read_bytes())
    matrix = (caller / "layer_matrix.yaml").read_text()
    small = matrix.replace("package: strands-agents", f"package: {PACKAGE}")
    small = small.replace("requirements: [strands-agents-tools]\n", "").replace('["3.12", "3.13"]', f'["{PYTHON}"]')
    small = small.replace("[aarch64, x86_64]", f"[{HERE}]").replace(', minimum_age: "2 days"', "")
    assert small.count("\n") == matrix.count("\n") - 1
    (caller / "layer_matrix.yaml").write_text(small)
    git(caller, "init", "--quiet")
    rehearse.offer("1.0")
    rehearse("--caller", str(caller), "--workflow", "layers.yml")
    assert rehearse.code == 0, rehearse.said
    record = rehearse.recorded()["ledger/0001.json"]
    assert record["account"] == "111122223333"
    assert {cell["layer_name"] for cell in record["cells"]} == {f"our-agents-py{PYTHON.replace('.', '_')}-{HERE}"}
