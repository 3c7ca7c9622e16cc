"""Renovate, from npm, updates a repository on this machine from datasource files on loopback."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from builder.model.matrix import Matrix
from publisher.catalog.index import make_index
from publisher.catalog.lookup import Query, select
from publisher.catalog.snippets import FORMATS
from publisher.catalog.snippets.render import snippet
from publisher.followers.catalog_files import catalog_files
from publisher.ledger.release import Release, Yanked
from tests.endtoend.test_cdk import node_modules
from tests.fakes.gitea import GiteaServer, git
from tests.fakes.serving import serving
from tests.publisher.catalog.catalog_cases import DAY, catalog_matrix, recorded
from tests.publisher.reconcile.plan_cases import small_matrix

# Renovate needs a newer Node.js than the system may have, so npm installs it.
NODE = f"node-linux-{ {'x86_64': 'x64', 'aarch64': 'arm64'}.get(platform.machine(), 'x64') }"
PACKAGE = json.dumps({"private": True, "dependencies": {"renovate": "44.121.2", NODE: "24.21.0"}}).encode()
MATRIX = catalog_matrix()
NAME = "demo-agents-py3_12-aarch64"
LAYER = f"123456789012:layer:{NAME}"

#: A line of each kind of file; ``@`` stands for the old number.
FILES = {
    "lib/stack.ts": f'const layer = LayerVersion.fromLayerVersionArn(this, "L", "arn:aws:lambda:us-east-1:{LAYER}:@");',
    "lib/region.ts": f"const arn = `arn:aws:lambda:${{this.region}}:{LAYER}:@`;",
    "stack.py": f'arn = f"arn:aws:lambda:{{self.region}}:{LAYER}:@"',
    "template.yaml": f"      Layers:\n        - !Sub arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:{LAYER}:@",
    "sam.yml": f"      Layers: [arn:aws:lambda:eu-west-1:{LAYER}:@]",
    "template.json": f'{{"Layers": ["arn:aws:lambda:eu-north-1:{LAYER}:@"]}}',
    "main.tf": f'  layers = ["arn:aws:lambda:${{data.aws_region.current.name}}:{LAYER}:@"]',
    "serverless.yml": f"      - arn:aws:lambda:${{aws:region}}:{LAYER}:@",
    "any_target.sh": "L=arn:aws:lambda:$AWS_REGION:123456789012:layer:demo-agents-py$PY-${ARCH}:@",
    "one_python.sh": "L=arn:aws:lambda:$AWS_REGION:123456789012:layer:demo-agents-py3_12-${ARCH}:@",
    "deploy.sh": f"aws lambda get-layer-version --layer-name arn:aws:lambda:us-east-1:{LAYER} \\\n  --version-number @",
    **{
        f"snippets/{form}.yaml": re.sub(
            r"(?<=x86_64:|arch64:|number )1\b",
            "@",
            snippet(form, select(make_index(MATRIX, (recorded(MATRIX, 1, "1.0"),)), Query()).rows),
        )
        for form in FORMATS
    },
}  # fmt: skip
OTHERS = "arn:aws:lambda:us-east-1:123456789012:layer:unrelated:1 arn:aws:lambda:us-east-1:999999999999:layer:x:1\n"

pytestmark = [
    pytest.mark.index,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="it needs Node.js, and npm is not on the PATH"),
]


def yanked(matrix: Matrix, number: int) -> Release:
    release = recorded(matrix, number, f"1.{number}")
    return release.model_copy(update={"yanked": Yanked(date=DAY + timedelta(days=90), reason="broken")})


@pytest.fixture
def gitea(tmp_path: Path) -> Iterator[GiteaServer]:
    server = GiteaServer(tmp_path / "repo.git", tmp_path / "site")
    with serving(server):
        yield server


def make_repository(server: GiteaServer, folder: Path, number: int) -> None:
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.replace("@", str(number)) + "\n")
    (folder / "others.yaml").write_text(OTHERS)
    preset = f"{server.url}/site/renovate/preset.json({server.url}/site)"
    (folder / "renovate.json").write_text(json.dumps({"extends": [preset], "enabledManagers": ["custom.regex"]}))
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "start")
    git(folder, "clone", "--quiet", "--bare", str(folder), str(server.repository))


def publish(server: GiteaServer, *releases: Release, matrix: Matrix = MATRIX, folder: str = "") -> None:
    for name, text in catalog_files(make_index(matrix, releases)).items():
        (server.site / folder / name).parent.mkdir(parents=True, exist_ok=True)
        (server.site / folder / name).write_text(text)


def renovate(server: GiteaServer, folder: Path) -> str:
    modules = node_modules(PACKAGE)
    variables = {
        "HOME": str(folder), "RENOVATE_BASE_DIR": str(folder / "base"), "LOG_LEVEL": "debug", "RENOVATE_TOKEN": "none",
        "RENOVATE_PLATFORM": "gitea", "RENOVATE_ENDPOINT": server.url, "RENOVATE_GIT_URL": "ssh",
        "RENOVATE_ONBOARDING": "false", "RENOVATE_REPOSITORIES": "owner/repo",
    }  # fmt: skip
    command = [str(modules / NODE / "bin" / "node"), str(modules / "renovate" / "dist" / "renovate.js")]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


def test_old_arns_in_every_kind_of_file_are_updated_together(gitea: GiteaServer, tmp_path: Path) -> None:
    gap = frozenset({"eu-north-1/py3.12-aarch64"})
    publish(
        gitea, recorded(MATRIX, 1, "1.1"), recorded(MATRIX, 2, "1.2"), yanked(MATRIX, 3),
        recorded(MATRIX, 4, "1.4", without=gap),
    )  # fmt: skip
    make_repository(gitea, tmp_path / "work", 1)
    log = renovate(gitea, tmp_path)
    branches = git(gitea.repository, "branch", "--format=%(refname:short)").split()
    assert branches == ["main", "renovate/demo-agents-lambda-layers"], log[-6000:]
    for path, text in FILES.items():
        assert git(gitea.repository, "show", f"{branches[1]}:{path}") == text.replace("@", "2") + "\n"
    assert git(gitea.repository, "show", f"{branches[1]}:others.yaml") == OTHERS
    (pull,) = gitea.pulls
    assert "demo-agents Lambda layers" in pull["title"]


@pytest.mark.parametrize("current", [1, 2, 9], ids=["of a yanked one", "of the newest", "of an unknown one"])
def test_a_yanked_version_is_never_proposed(gitea: GiteaServer, tmp_path: Path, current: int) -> None:
    publish(gitea, yanked(MATRIX, 1), *([recorded(MATRIX, 2, "1.2")] if current == 2 else []), yanked(MATRIX, 10))
    make_repository(gitea, tmp_path / "work", current)
    log = renovate(gitea, tmp_path)
    assert "custom.demo-agents-layers" in log
    assert git(gitea.repository, "branch", "--format=%(refname:short)").split() == ["main"]


def test_two_layers_of_one_package_are_followed_in_one_file(gitea: GiteaServer, tmp_path: Path) -> None:
    own = small_matrix(package=MATRIX.package, account="111122223333", unsupported=[{"region": "ap-south-1"}])
    publish(gitea, recorded(MATRIX, 1, "1.1"), recorded(MATRIX, 2, "1.2"))
    publish(gitea, recorded(own, 1, "1.1"), recorded(own, 5, "1.2"), matrix=own, folder="own")
    make_repository(gitea, tmp_path / "work", 1)
    presets = [f"{gitea.url}/site{part}/renovate/preset.json({gitea.url}/site{part})" for part in ("", "/own")]
    text = (
        "    - !Sub arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:123456789012:layer:demo-agents-py3_12-aarch64:{}\n"
        "    - !Sub arn:aws:lambda:${{AWS::Region}}:111122223333:layer:demo-agents-py3_13-x86_64:{}\n"
    )
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(gitea.repository), str(clone))
    (clone / "two.yaml").write_text(text.format(1, 1))
    (clone / "renovate.json").write_text(json.dumps({"extends": presets, "enabledManagers": ["custom.regex"]}))
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message", "two")
    git(clone, "push", "--quiet")
    log = renovate(gitea, tmp_path)
    branches = git(gitea.repository, "branch", "--format=%(refname:short)").split()
    assert branches == ["main", "renovate/demo-agents-lambda-layers"], log[-6000:]
    assert git(gitea.repository, "show", f"{branches[1]}:two.yaml") == text.format(2, 5)
