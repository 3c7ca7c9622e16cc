"""docs/infra.md, followed step by step against the embedded AWS, which has roles and buckets but no StackSets."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import REPOSITORY

PAGE = REPOSITORY / "docs" / "infra.md"
MATRIX = """
account: "856699698935"
package: strands-agents
python: ["3.12"]
architectures: [x86_64]
regions: [us-east-1, eu-west-1]
staging: {bucket: "stage-{account}-{region}", home: us-east-1}
"""
#: Commands that cannot run here: GitHub's command line, and StackSets.
ELSEWHERE = ("gh ", "aws cloudformation list-stack-instances")

pytestmark = pytest.mark.slow


def commands() -> list[str]:
    """Return every command of the page as one line."""
    blocks = re.findall(r"(?:^(?: {4}| {7})(?! ).*\n(?:^ {8,}.*\n)*)+", PAGE.read_text("utf-8"), re.MULTILINE)
    text = "\n".join(re.sub(r"\\\n\s*", "", block) for block in blocks)
    found = [line.strip() for line in text.splitlines() if line.strip()]
    assert all(command.startswith(("aws ", "gh ", "layers ")) for command in found), found
    return [command for command in found if not command.startswith(ELSEWHERE)]


def test_the_commands_of_the_page_set_up_an_account(tmp_path: Path) -> None:
    (tmp_path / "layer_matrix.yaml").write_text(MATRIX, "utf-8")
    look = [
        "aws iam get-role --role-name strands-agents-layers-publisher > role.json",
        "aws iam list-role-policies --role-name strands-agents-layers-publisher > policies.json",
        "aws s3api head-bucket --bucket our-ledger",
    ]
    script = "\n".join(["set -eux", "layers infra --output infra", *commands(), *look])
    programs = Path(sys.executable).parent
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    done = subprocess.run(
        [programs / "layers", "sandbox", "--", "sh", "-c", script],
        cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    role, policies = (json.loads((tmp_path / f"{name}.json").read_text("utf-8")) for name in ("role", "policies"))
    (trust,) = role["Role"]["AssumeRolePolicyDocument"]["Statement"]
    subject = trust["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    assert subject == "repo:OWNER/NAME:environment:layers-publish"
    assert policies["PolicyNames"] == ["publish"]
