"""The workflows of this repository, checked by linters and by the roles that they assume."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builder.model.matrix_file import load_matrix
from publisher.infra.roles import roles_template
from publisher.infra.scope import make_scope
from publisher.infra.template_text import plain
from scripts.rehearsal.actions import ACTIONS as STAND_INS
from scripts.rehearsal.workflow import read_yaml
from tests import REPOSITORY

GITHUB = REPOSITORY / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted(GITHUB.glob("actions/*/action.yml"))
BIN = Path(sys.executable).parent


def lint(program: str, *arguments: str | Path) -> None:
    done = subprocess.run([BIN / program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_nothing() -> None:
    lint("zizmor", "--pedantic", "--offline", "--no-progress", GITHUB)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        pytest.param("vendor.github-actions", ACTIONS, marks=pytest.mark.slow),
        pytest.param("vendor.dependabot", [GITHUB / "dependabot.yml"], marks=pytest.mark.slow),
    ],
)
def test_workflows_are_valid_by_their_schemas(schema: str, files: list[Path]) -> None:
    lint("check-jsonschema", "--builtin-schema", schema, *files)


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
                assert set(step.get("with", {})) <= STAND_INS[name].inputs, (workflow.name, name)


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
