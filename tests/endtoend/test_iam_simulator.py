"""The roles' policies in a maintained IAM simulator, which must agree with the evaluator of the tests.

The simulator knows the resources and condition keys of every action, and refuses requests that AWS does not know.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ACCOUNT
from tests.endtoend.test_cdk import node_modules
from tests.fakes.iam import Request, Statement, allowed
from tests.publisher.infra.role_cases import ACTIONS, FAVOURABLE, OWN, statements
from tests.publisher.infra.test_policies import OTHERS, UNFAVOURABLE

#: AWS defines no resource for these actions.
LISTS = {"lambda:GetAccountSettings", "lambda:ListLayers", "lambda:ListLayerVersions"}
#: The simulator refuses ARNs of AWS's own parameters, which have no account.
UNKNOWN = {"ssm:GetParametersByPath"}
SIMULATOR = Path(__file__).parent / "iam_simulator"

pytestmark = [
    pytest.mark.index,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="the simulator needs Node.js, and npm is not on the PATH"),
]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulator") / "made"
    shutil.copytree(SIMULATOR, folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(node_modules((SIMULATOR / "package.json").read_bytes()))
    return folder


def simulate(simulator: Path, name: str, policy: list[Statement], requests: list[Request]) -> list[str]:
    asked: dict[str, Any] = {
        "account": ACCOUNT,
        "principal": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        "policy": {"Version": "2012-10-17", "Statement": policy},
        "requests": [{"action": r.action, "resource": r.resource, "context": dict(r.context)} for r in requests],
    }
    command = ["node", "simulate.js"]
    done = subprocess.run(
        command, cwd=simulator, input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    results: list[str] = json.loads(done.stdout)
    return results


@pytest.mark.parametrize("name", [name for name in ACTIONS if name != "Canary"])
def test_the_simulator_and_the_evaluator_of_the_tests_agree(simulator: Path, name: str) -> None:
    policy = statements(name)
    more = {
        "lambda:DeleteLayerVersion",
        "s3:DeleteObject",
        "s3:PutBucketPolicy",
        "iam:CreateRole",
        "lambda:AddPermission",
    }
    requests = [
        Request(action, resource, context)
        for action in sorted((ACTIONS[name] | more) - UNKNOWN)
        for resource in (["*"] if action in LISTS else [arn for arn in (*OWN.values(), *OTHERS) if arn != "*"])
        for context in (FAVOURABLE, *UNFAVOURABLE)
    ]
    results = dict(zip(requests, simulate(simulator, name, policy, requests), strict=True))
    differ = [(r, result) for r, result in results.items() if (result == "Allowed") != allowed(policy, r)]
    assert differ == []
    assert {r.action for r, result in results.items() if result == "Allowed"} == ACTIONS[name] - UNKNOWN
