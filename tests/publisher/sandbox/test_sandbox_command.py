"""``layers sandbox``: the environment of its command, signals, and the memory of the server."""

from __future__ import annotations

import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import REPOSITORY
from tests.conftest import ACCOUNT, NOWHERE, Sandbox
from tests.publisher.sandbox.layer_calls import a_zip
from tests.publisher.sandbox.sandbox_command import refused, sandbox_command, serving

#: Shows what a command of the user gets, as JSON.
SHOW = """
import json, os, sys
import boto3

bedrock = boto3.client("bedrock-runtime")
asked = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
converse = bedrock.converse(**asked)["output"]["message"]["content"][0]["text"]
events = bedrock.converse_stream(**asked)["stream"]
streamed = "".join(each["contentBlockDelta"]["delta"]["text"] for each in events if "contentBlockDelta" in each)
account = boto3.client("sts").get_caller_identity()["Account"]
shown = {"environment": dict(os.environ), "account": account, "answers": [converse, streamed]}
print(json.dumps({**shown, "arguments": sys.argv[1:]}))
sys.exit(41)
"""
OWN = {
    "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "real", "AWS_ENDPOINT_URL_LAMBDA": "http://elsewhere",
    "HTTP_PROXY": NOWHERE, "http_proxy": NOWHERE, "NO_PROXY": "corp.example",
}  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """A command that ended: its exit code and what it showed."""

    code: int
    shown: dict[str, Any]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run a command in ``layers sandbox`` once: each start takes a second."""
    script = tmp_path_factory.mktemp("model") / "turns.json"
    script.write_text('["It is scripted."]')
    command = (sys.executable, "-c", SHOW, "hello", "--json")
    process = sandbox_command("--model-script", str(script), "--", *command, **OWN)
    out, err = process.communicate(timeout=60)
    assert out, err
    return Ran(process.returncode, json.loads(out))


class TestCommand:
    def test_the_command_gets_the_environment(self, ran: Ran) -> None:
        seen = ran.shown["environment"]
        assert seen["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
        assert seen["AWS_REGION"] == seen["AWS_DEFAULT_REGION"] == "us-east-1"
        assert not {key for key in OWN if key.startswith("AWS_")} & set(seen)
        assert refused(seen["AWS_ENDPOINT_URL"])

    def test_proxies_and_profiles_do_not_reach_the_command(self, ran: Ran) -> None:
        assert ran.shown["account"] == ACCOUNT

    def test_a_model_script_answers_bedrock_calls(self, ran: Ran) -> None:
        assert ran.shown["answers"] == ["It is scripted."] * 2

    def test_the_exit_code_is_that_of_the_command(self, ran: Ran) -> None:
        assert ran.code == 41

    def test_options_after_the_command_belong_to_the_command(self, ran: Ran) -> None:
        assert ran.shown["arguments"] == ["hello", "--json"]

    def test_a_missing_command_is_named(self) -> None:
        process = sandbox_command("--", "no-such-command")
        assert "no-such-command: No such file" in process.communicate(timeout=60)[1]
        assert process.returncode == 2

    @pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT])
    def test_without_a_command_it_runs_until_interrupted(self, number: signal.Signals, tmp_path: Path) -> None:
        with serving(tmp_path) as (process, environment):
            process.send_signal(number)
            assert process.wait(20) == 0
            assert "unset AWS_PROFILE" in environment
            assert refused(environment["AWS_ENDPOINT_URL"])
            assert list(tmp_path.iterdir()) == []

    def test_a_signal_is_passed_to_the_command(self) -> None:
        code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
        process = sandbox_command("--", sys.executable, "-c", code)
        assert process.stdout
        pid = int(process.stdout.readline())
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def _regions() -> list[str]:
    from builder.model.matrix_file import load_matrix

    return list(load_matrix(REPOSITORY / "layer_matrix.yaml").regions)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize(("regions", "mebibytes"), [(4, 1), pytest.param(17, 6, marks=pytest.mark.slow)])
def test_the_server_stores_equal_zips_once(tmp_path: Path, regions: int, mebibytes: int) -> None:
    """All regions upload the same zips concurrently. Of 6 MiB, a copy per region with its base64 would need 480 MB."""
    zips = [a_zip(os.urandom(mebibytes << 20)) for _ in range(2)]
    with serving(tmp_path) as (process, exports):
        server = Sandbox(exports["AWS_ENDPOINT_URL"])
        clients = [server.layers(region) for region in _regions()[:regions]]

        def release(lambda_: Any) -> list[int]:
            return [
                lambda_.publish_layer_version(LayerName=f"layer-{i}", Content={"ZipFile": z})["Version"]
                for i, z in enumerate(zips)
            ]

        with ThreadPoolExecutor(len(clients)) as pool:
            assert list(pool.map(release, clients)) == [[1] * 2] * regions
        peak = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmHWM" in line)
        assert int(peak.split()[1]) < 300_000
        assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 3 * mebibytes << 20
