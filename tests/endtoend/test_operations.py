"""docs/operations.md, followed word for word against the embedded AWS: each test creates a situation, runs the page's
commands and checks the result. The SDK is a small stand-in whose versions the tests release."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from builder.smoke.loopback_server import LoopbackHandler, LoopbackServer
from tests import REPOSITORY
from tests.conftest import Sandbox
from tests.fakes.wheels import make_wheel
from tests.fakes.zips import write

PAGE = REPOSITORY / "docs" / "operations.md"
REGIONS = ("us-east-1", "us-west-1", "ca-central-1")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
#: Commands that cannot run here.
ELSEWHERE = "aws cloudtrail"

pytestmark = pytest.mark.slow


def blocks() -> list[tuple[str, str]]:
    """Return the command blocks of the page: the label of the situation, and the lines without indentation."""
    found = re.findall(r"^( *)```sh (\S+)\n(.*?)^ *```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [(word, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)) for indent, word, text in found]


class Home:
    """A maintainer's folder with a shell."""

    def __init__(self, folder: Path, index: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.index = index
        self.sandbox = sandbox
        self.endpoint = sandbox.address
        regions = "".join(f"  - {region}\n" for region in REGIONS)
        (folder / "layer_matrix.yaml").write_text(
            'account: "856699698935"\npackage: strands-agents\npython: ["3.10", "3.11", "3.12", "3.13"]\n'
            f"architectures: [x86_64]\nbytecode: auto\nregions:\n{regions}"
        )

    def release(self, version: str) -> None:
        """Add a version to the package index."""
        make_wheel(self.index, "strands_agents", version, {"strands/__init__.py": "class Agent: ...\n"})

    def run(self, script: str) -> str:
        """Run a script in a maintainer's shell; return its output."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, **self.sandbox.environment(), "AWS_ENDPOINT_URL": self.endpoint, "PATH": path}
        done = subprocess.run(
            ["/bin/sh", "-euxc", script], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        return done.stdout

    def do(self, word: str) -> str:
        """Run the page's commands for a situation."""
        texts = [text for each, text in blocks() if each == word]
        assert texts, word
        return self.run("\n".join(texts).replace(ELSEWHERE, f": {ELSEWHERE}"))

    def publish(self, version: str) -> None:
        self.release(version)
        self.run(f"layers publish --version {version} --yes")

    def ledger(self, number: int) -> dict[str, object]:
        record: dict[str, object] = json.loads((self.folder / "ledger" / f"{number:04d}.json").read_text())
        return record

    def versions(self, name: str, region: str) -> dict[int, bool]:
        """Return the versions of a layer in AWS, and whether each is public."""
        client = self.sandbox.layers(region)
        listed = client.list_layer_versions(LayerName=name)["LayerVersions"]
        return {each["Version"]: self._public(name, region, each["Version"]) for each in listed}

    def _public(self, name: str, region: str, number: int) -> bool:
        client = self.sandbox.layers(region)
        try:
            policy = json.loads(client.get_layer_version_policy(LayerName=name, VersionNumber=number)["Policy"])
        except client.exceptions.ResourceNotFoundException:
            return False
        return any(statement["Principal"] == "*" for statement in policy["Statement"])


@pytest.fixture
def home(tmp_path: Path, sandbox: Sandbox, index: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home", index, sandbox)


class Outage(LoopbackServer):
    """The embedded AWS with one unreachable region."""

    def __init__(self, address: str, region: str) -> None:
        target = urlsplit(address)

        class _Requests(LoopbackHandler):
            def _pass_on(self) -> None:
                body = self.body()
                if f"/{region}/" in self.headers.get("Authorization", ""):
                    self.respond_json(503, {"message": "Service Unavailable"})
                    return
                connection = HTTPConnection(str(target.hostname), target.port, timeout=60)
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                data = answer.read()
                self.send_response(answer.status)
                for key, value in answer.getheaders():
                    if key.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(key, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815

        super().__init__(_Requests)


def test_every_block_belongs_to_a_situation() -> None:
    assert {word for word, _ in blocks()} == {
        "new-account", "by-hand", "new-region", "new-python", "region-out", "region-back", "wrong", "lost", "leaked",
    }  # fmt: skip
    assert "```sh\n" not in PAGE.read_text("utf-8")


def test_layers_that_were_published_by_hand(home: Home, tmp_path: Path) -> None:
    zips = {
        version: write(tmp_path / f"{version}.zip", {"python/strands/__init__.py": version.encode()}).read_bytes()
        for version in ("1.23.0", "1.40.0")
    }
    for region in REGIONS:
        client = home.sandbox.layers(region)
        for version in zips:
            for python in PYTHONS:
                name = f"strands-agents-py{python.replace('.', '_')}-x86_64"
                text = f"PyPI package: strands-agents v{version} (Python {python}, x86_64)"
                made = client.publish_layer_version(
                    LayerName=name, Description=text, Content={"ZipFile": zips[version]},
                    CompatibleRuntimes=[f"python{python}"], CompatibleArchitectures=["x86_64"],  # type: ignore[list-item]
                )  # fmt: skip
                client.add_layer_version_permission(
                    LayerName=name, VersionNumber=made["Version"], StatementId="public", Principal="*",
                    Action="lambda:GetLayerVersion",
                )  # fmt: skip
    printed = home.do("by-hand")
    assert "arn:aws:lambda:us-east-1:856699698935:layer:strands-agents-py3_12-x86_64:2" in printed
    assert (home.ledger(1)["version"], home.ledger(2)["version"]) == ("1.23.0", "1.40.0")
    home.publish("1.62.0")
    assert home.versions("strands-agents-py3_12-x86_64", "us-west-1") == {1: True, 2: True, 3: True}


def test_a_new_account(home: Home) -> None:
    home.release("1.62.0")
    text = "\n".join(text for word, text in blocks() if word == "new-account")
    # The canary needs Lambda's runtime client; tests/endtoend/test_canary.py covers it.
    home.run(re.sub(r"^layers canary .*$", "", text, flags=re.MULTILINE))
    home.run("aws iam get-role --role-name strands-agents-layers-publisher")
    assert home.ledger(1)["completed"] is not None
    assert "strands-agents-py3_12-x86_64:1" in (home.folder / "docs" / "layers.md").read_text()


def test_a_new_region(home: Home) -> None:
    home.publish("1.61.0")
    home.publish("1.62.0")
    home.run(roles())
    printed = home.do("new-region")
    assert "complete" in printed
    assert home.versions("strands-agents-py3_13-x86_64", "eu-south-1") == {1: True, 2: True}
    assert "eu-south-1" in (home.folder / "docs" / "layers.md").read_text()


def test_a_new_and_a_retired_python(home: Home) -> None:
    home.publish("1.61.0")
    home.publish("1.62.0")
    home.run(roles())
    home.do("new-python")
    assert home.versions("strands-agents-py3_14-x86_64", "us-east-1") == {1: False, 2: True}
    assert home.versions("strands-agents-py3_10-x86_64", "us-east-1") == {1: True, 2: True}
    table = (home.folder / "docs" / "layers.md").read_text()
    assert "3.14" in table
    home.run("layers audit")
    home.publish("1.63.0")
    assert home.versions("strands-agents-py3_14-x86_64", "us-east-1") == {1: False, 2: True, 3: True}
    assert home.versions("strands-agents-py3_10-x86_64", "us-east-1") == {1: True, 2: True}


def test_a_region_that_is_unreachable_for_a_week(home: Home) -> None:
    home.publish("1.61.0")
    home.release("1.62.0")
    with Outage(home.sandbox.address, "us-west-1") as outage:
        home.endpoint = f"http://{outage.address}"
        printed = home.do("region-out")
        assert "complete" in printed
        assert "us-west-1" in printed
        home.release("1.63.0")
        home.run("layers publish --version 1.63.0 --yes || test $? = 5")
    home.endpoint = home.sandbox.address
    home.do("region-back")
    assert home.versions("strands-agents-py3_10-x86_64", "us-west-1") == {1: True, 2: True, 3: True}
    for number in (1, 2, 3):
        assert home.ledger(number)["completed"] is not None


def test_a_wrong_release(home: Home) -> None:
    home.publish("1.62.0")
    home.do("wrong")
    assert home.versions("strands-agents-py3_12-x86_64", "ca-central-1") == {1: False, 2: True}
    table = (home.folder / "docs" / "layers.md").read_text()
    assert "fails at its start on arm64" in table
    assert "with the fixed dependency" in table
    home.run("layers audit")


def test_a_lost_ledger(home: Home) -> None:
    home.publish("1.61.0")
    home.publish("1.62.0")
    home.run('layers yank --layer-version 1 --reason "wrong" --yes')
    before = home.run("layers describe --region us-east-1 --layer-version 2 --format arn")
    home.run("rm -r ledger")
    home.do("lost")
    assert home.run("layers describe --region us-east-1 --layer-version 2 --format arn") == before
    assert home.ledger(1)["yanked"] is not None


def test_a_leaked_role(home: Home) -> None:
    home.publish("1.62.0")
    home.release("1.63.0")
    home.run(roles())
    client = home.sandbox.layers("us-east-1")
    name = "strands-agents-py3_12-x86_64"
    made = client.publish_layer_version(
        LayerName=name, Content={"ZipFile": write(home.folder / "bad.zip", {"python/x.py": b""}).read_bytes()}
    )
    client.add_layer_version_permission(
        LayerName=name, VersionNumber=made["Version"], StatementId="public", Principal="*",
        Action="lambda:GetLayerVersion",
    )  # fmt: skip
    printed = home.do("leaked")
    assert f"{name}" in printed or "py3.12-x86_64" in printed
    assert home.versions(name, "us-east-1") == {1: True, 2: False, 3: True}
    assert home.versions(name, "us-west-1") == {1: True, 2: False, 3: True}


def roles() -> str:
    """Return the commands of docs/operations.md that create the roles."""
    return next(text for word, text in blocks() if word == "new-account")
