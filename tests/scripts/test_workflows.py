"""The workflows of this repository, checked by linters and by the roles that they assume."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builder.model.matrix_file import load_matrix
from publisher.infra.scope import make_scope
from publisher.infra.template import plain, roles_template
from scripts.rehearsal.actions import ACTIONS as STAND_INS
from scripts.rehearsal.workflow import read_yaml
from tests import REPOSITORY

GITHUB = REPOSITORY / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted(GITHUB.glob("actions/*/action.yml"))
BIN = Path(sys.executable).parent


def test_zizmor_finds_nothing() -> None:
    command = (BIN / "zizmor", "--pedantic", "--offline", "--no-progress", GITHUB)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "files"), [("workflows", WORKFLOWS), ("actions", ACTIONS), ("dependabot", [GITHUB / "dependabot.yml"])]
)
def test_workflows_are_valid_by_their_schemas(schema: str, files: list[Path]) -> None:
    from check_jsonschema import main  # takes half a second

    name = schema if schema == "dependabot" else f"github-{schema}"
    done = CliRunner().invoke(main, ["--builtin-schema", f"vendor.{name}", *map(str, files)])
    assert done.exit_code == 0, done.output


def steps(document: dict[str, Any]) -> list[dict[str, Any]]:
    runs = [document["runs"]] if "runs" in document else list(document["jobs"].values())
    return [step for run in runs for step in run.get("steps", [])]


def test_a_rehearsal_knows_every_action_and_input() -> None:
    """The rehearsal itself takes minutes, so it runs with ``--thorough``."""
    for workflow in WORKFLOWS:
        for step in steps(read_yaml(workflow)):
            name = step.get("uses", "").partition("@")[0]
            if name and not name.startswith("$/"):
                assert name in STAND_INS, workflow.name
                assert set(step.get("with", {})) <= set(STAND_INS[name][1].split()), (workflow.name, name)


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_actions_are_pinned_and_scripts_contain_no_expressions(path: Path) -> None:
    for step in steps(read_yaml(path)):
        uses = step.get("uses")
        assert uses is None or uses.startswith("$/") or len(uses.partition("@")[2]) == 40, step
        assert "${{" not in step.get("run", ""), step
        assert "secrets." not in str(step), "OIDC and the job's own token serve"


def test_only_jobs_that_build_use_a_cache() -> None:
    """A job that reproduces zips builds without a cache, so that a poisoned cache is found."""
    jobs = read_yaml(GITHUB / "workflows" / "release.yml")["jobs"]
    cached = {name for name, job in jobs.items() if "cache" in str([step.get("uses") for step in job.get("steps", [])])}
    assert cached == {"build"}
    assert any("layers reproduce" in step.get("run", "") for step in jobs["prove"]["steps"])


def test_a_release_never_takes_a_lock_from_a_restored_cache() -> None:
    """`layers reproduce` builds from the manifest's lock, so it would not find a poisoned one."""
    jobs = read_yaml(GITHUB / "workflows" / "release.yml")["jobs"]
    (build,) = [step["run"] for step in jobs["build"]["steps"] if "layers build" in step.get("run", "")]
    assert build.startswith("rm -rf .layers-cache/locks ")


def test_each_role_is_assumed_from_the_environment_that_it_trusts() -> None:
    """If workflows and templates disagree, no job can assume its role."""
    resources = roles_template(make_scope(load_matrix(GITHUB.parent / "layer_matrix.yaml"), "ledger", None, "layers"))
    taken = set()
    for path in WORKFLOWS:
        for job in read_yaml(path)["jobs"].values():
            for step in job.get("steps", []):
                if (step.get("uses") or "").startswith("aws-actions/configure-aws-credentials@"):
                    variable = step["with"]["role-to-assume"].removeprefix("${{ vars.LAYERS_").removesuffix("_ROLE }}")
                    role = "".join(word.title() for word in variable.split("_"))
                    subject = str(plain(resources)["Resources"][role]["Properties"]["AssumeRolePolicyDocument"])
                    assert f":environment:{job['environment']}" in subject, (path.name, role)
                    taken.add(role)
    assert taken == {"Publisher", "Auditor", "CanaryRunner", "Yanker"}
