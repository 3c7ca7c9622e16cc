"""Functions of the embedded AWS: created, shown and refused as AWS documents, and executed."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from publisher.canary.function_zip import HANDLER, function_zip
from publisher.sandbox.account import make_roles
from tests import REPOSITORY
from tests.conftest import ACCOUNT, Sandbox
from tests.fakes.functions import OTHER, PYTHON, api_name, layer_zip, make_function, make_role, runs_functions, zipped
from tests.publisher.sandbox.layer_calls import a_zip, refusal
from tests.publisher.sandbox.sandbox_command import serving

NAME = "demo-layer"


def make_layer(sandbox: Sandbox, content: bytes, name: str = NAME, region: str = "us-east-1") -> str:
    made = sandbox.layers(region).publish_layer_version(LayerName=name, Content={"ZipFile": content})
    return made["LayerVersionArn"]


def invoke(sandbox: Sandbox, event: object = None, name: str = "f") -> tuple[str | None, Any, str]:
    """Return the kind of error, the payload and the log."""
    answer = sandbox.layers().invoke(FunctionName=name, LogType="Tail", Payload=json.dumps(event).encode())
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    log = base64.b64decode(answer["LogResult"]).decode()
    return answer.get("FunctionError"), json.loads(answer["Payload"].read()), log


class TestCreateFunction:
    def test_a_function_is_pending_and_then_active(self, sandbox: Sandbox) -> None:
        code = zipped({"h.py": "x = 1"})
        layer = make_layer(sandbox, layer_zip())
        made = make_function(sandbox, Code={"ZipFile": code}, Layers=[layer], Description="hello", MemorySize=512)
        assert (made["State"], made["StateReasonCode"]) == ("Pending", "Creating")
        client = sandbox.layers()
        client.get_waiter("function_active_v2").wait(FunctionName="f")
        shown = client.get_function_configuration(FunctionName="f")
        assert (shown["State"], shown["Description"], shown["MemorySize"]) == ("Active", "hello", 512)
        assert shown["LastModified"].endswith("+0000")
        assert shown["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
        assert [each["Arn"] for each in shown["Layers"]] == [layer]
        with urlopen(client.get_function(FunctionName="f")["Code"]["Location"]) as answer:
            assert answer.read() == code

    def test_an_existing_name_is_a_conflict(self, sandbox: Sandbox) -> None:
        make_function(sandbox)
        code, status, message = refusal(lambda: make_function(sandbox, role=role_of(sandbox)))
        assert (code, status) == ("ResourceConflictException", 409)
        assert "already exist" in message

    def test_a_deleted_function_is_not_found(self, sandbox: Sandbox) -> None:
        make_function(sandbox)
        client = sandbox.layers()
        client.delete_function(FunctionName="f")
        for call in (client.get_function_configuration, client.delete_function, client.invoke):
            code, status, message = refusal(lambda call=call: call(FunctionName="f"))  # type: ignore[misc]
            assert (code, status) == ("ResourceNotFoundException", 404)
            assert message == f"Function not found: arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"

    def test_a_missing_role_is_refused(self, sandbox: Sandbox) -> None:
        role = f"arn:aws:iam::{ACCOUNT}:role/nobodys"
        code, _, message = refusal(lambda: make_function(sandbox, role=role))
        assert code == "InvalidParameterValueException"
        assert message == "The role defined for the function cannot be assumed by Lambda."

    def test_an_invalid_zip_or_runtime_is_refused(self, sandbox: Sandbox) -> None:
        role = role_of(sandbox)
        code, _, message = refusal(lambda: make_function(sandbox, role=role, Code={"ZipFile": b"no zip"}))
        assert (code, message[:19]) == ("InvalidParameterValueException", "Could not unzip upl")
        code, _, message = refusal(lambda: make_function(sandbox, role=role, Runtime="python3.99"))
        assert code == "InvalidParameterValueException"
        assert "'runtime' failed" in message

    @pytest.mark.parametrize(
        ("layers", "code", "says"),
        [
            (["{own}:7"], "InvalidParameterValueException", "Layer version {own}:7 does not exist."),
            (["{own}:1", "{own}:2"], "InvalidParameterValueException", "Two different versions of the same layer"),
            (["{own}:1"] * 6, "InvalidParameterValueException", "Cannot reference more than 5 layers."),
            (["{elsewhere}:1"], "InvalidParameterValueException", "expected to be in region us-east-1"),
            (["{others}:1"], "AccessDeniedException", "lambda:GetLayerVersion on resource: {others}:1"),
        ],
    )
    def test_unusable_layers_are_refused(self, sandbox: Sandbox, layers: list[str], code: str, says: str) -> None:
        own = make_layer(sandbox, layer_zip()).rpartition(":")[0]
        make_layer(sandbox, layer_zip("2.0"))
        make_layer(sandbox, layer_zip(), region="eu-west-1")
        arns = {
            "own": own, "elsewhere": own.replace("us-east-1", "eu-west-1"), "others": own.replace(ACCOUNT, "1" * 12),
        }  # fmt: skip
        found, _, message = refusal(
            lambda: make_function(sandbox, role=role_of(sandbox), Layers=[each.format(**arns) for each in layers])
        )
        assert found == code
        assert says.format(**arns) in message

    def test_layers_above_250_mb_together_are_refused(self, sandbox: Sandbox) -> None:
        content = a_zip(bytes(140 << 20), "python/x")
        layers = [make_layer(sandbox, content, name) for name in ("a", "b")]
        code, _, message = refusal(lambda: make_function(sandbox, role=role_of(sandbox), Layers=layers))
        assert code == "InvalidParameterValueException"
        assert "more than the available size of 262144000 bytes" in message


def role_of(sandbox: Sandbox) -> str:
    return make_role(sandbox, "another")


@runs_functions
@pytest.mark.index
class TestInvoke:
    def test_a_function_has_its_layers_and_variables_at_lambdas_paths(self, sandbox: Sandbox) -> None:
        source = (
            "import demo, os\n"
            "def handler(event, context):\n"
            "    print('hello', __file__)\n"
            "    return {'event': event, 'demo': demo.__file__, 'own': os.environ['OWN'],\n"
            "            'me': context.function_name, 'arn': context.invoked_function_arn,\n"
            "            'left': context.get_remaining_time_in_millis() > 1000}\n"
        )
        layer = make_layer(sandbox, layer_zip())
        made = make_function(sandbox, source, Layers=[layer], Environment={"Variables": {"OWN": "x"}})
        sandbox.layers().delete_layer_version(LayerName=NAME, VersionNumber=1)  # functions keep a deleted layer version
        error, payload, log = invoke(sandbox, {"a": 1})
        assert error is None
        assert payload == {
            "event": {"a": 1}, "demo": "/opt/python/demo/__init__.py", "own": "x", "me": "f",
            "arn": made["FunctionArn"], "left": True,
        }  # fmt: skip
        assert "hello /var/task/h.py" in log
        assert log.startswith("START RequestId: ")
        assert "REPORT RequestId: " in log

    def test_a_later_layer_replaces_files_of_an_earlier_one(self, sandbox: Sandbox) -> None:
        layers = [make_layer(sandbox, layer_zip(source=f"x = {x}"), name) for x, name in ((1, "one"), (2, "two"))]
        make_function(sandbox, "import demo\ndef handler(event, context): return demo.x\n", Layers=layers)
        assert invoke(sandbox)[:2] == (None, 2)

    def test_a_function_calls_the_embedded_aws(self, sandbox: Sandbox) -> None:
        source = (
            "import boto3\ndef handler(event, context): return boto3.client('sts').get_caller_identity()['Account']\n"
        )
        make_function(sandbox, source)
        assert invoke(sandbox)[:2] == (None, ACCOUNT)

    def test_an_exception_is_a_function_error(self, sandbox: Sandbox) -> None:
        make_function(sandbox, "def handler(event, context):\n    raise KeyError('there')\n")
        error, payload, log = invoke(sandbox)
        assert error == "Unhandled"
        assert (payload["errorType"], payload["errorMessage"]) == ("KeyError", "'there'")
        assert "/var/task/h.py" in payload["stackTrace"][0]
        assert "[ERROR] KeyError" in log

    def test_a_failed_import_is_a_function_error(self, sandbox: Sandbox) -> None:
        make_function(sandbox, "import not_there\n")
        error, payload, _ = invoke(sandbox)
        assert error == "Unhandled"
        assert payload["errorType"] == "Runtime.ImportModuleError"
        assert "No module named 'not_there'" in payload["errorMessage"]

    @pytest.mark.parametrize(
        ("end", "says"),
        [("os._exit(3)", "exit status 3"), ("os.kill(os.getpid(), 9)", "signal: killed"), ("os._exit(0)", "without")],
    )
    def test_a_process_that_exits_is_a_function_error(self, sandbox: Sandbox, end: str, says: str) -> None:
        make_function(sandbox, f"import os\ndef handler(event, context):\n    {end}\n")
        error, payload, _ = invoke(sandbox)
        assert (error, payload["errorType"]) == ("Unhandled", "Runtime.ExitError")
        assert says in payload["errorMessage"]

    def test_a_timeout_is_a_function_error(self, sandbox: Sandbox) -> None:
        make_function(sandbox, "import time\ndef handler(event, context):\n    time.sleep(60)\n", Timeout=1)
        error, payload, log = invoke(sandbox)
        assert (error, payload["errorType"]) == ("Unhandled", "Sandbox.Timedout")
        assert payload["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
        assert "Task timed out after 1.00 seconds" in log

    def test_a_connection_to_another_host_is_refused(self, sandbox: Sandbox) -> None:
        source = "import socket\ndef handler(event, context):\n    socket.create_connection(('192.0.2.1', 80), 1)\n"
        make_function(sandbox, source)
        error, payload, log = invoke(sandbox)
        assert error == "Unhandled"
        assert "a function that runs here has no network" in payload["errorMessage"]
        assert "sandbox: refused to look up 192.0.2.1" in log

    def test_unsupported_invocations_are_refused(self, sandbox: Sandbox) -> None:
        make_function(sandbox, "def handler(event, context): return 1\n")
        client = sandbox.layers()
        assert client.invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"] == 204
        code, status, message = refusal(lambda: client.invoke(FunctionName="f", InvocationType="Event"))
        assert (code, status, "not Event" in message) == ("InvalidParameterValueException", 400, True)
        assert refusal(lambda: client.invoke(FunctionName="f", Payload=b"{"))[0] == "InvalidRequestContentException"
        assert json.loads(client.invoke(FunctionName="f")["Payload"].read()) == 1

    def test_functions_run_concurrently(self, sandbox: Sandbox) -> None:
        make_function(sandbox, "def handler(event, context): return event\n")
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda n: invoke(sandbox, n), range(6)))
        assert [payload for _, payload, _ in answers] == list(range(6))


def test_a_runtime_that_this_machine_cannot_run_is_refused(sandbox: Sandbox) -> None:
    make_function(sandbox, Runtime="nodejs22.x")
    code, _, message = refusal(lambda: sandbox.layers().invoke(FunctionName="f"))
    assert (code, message) == ("InvalidParameterValueException", "the embedded AWS cannot run nodejs22.x")


@pytest.fixture
def nothing_emulates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.smoke.execution.shutil.which", lambda name: None)


def canary_on(sandbox: Sandbox, layer: bytes, **more: Any) -> None:
    arn = make_layer(sandbox, layer)
    make_function(
        sandbox, Layers=[arn], Architectures=[api_name(OTHER)],
        **{"Code": {"ZipFile": function_zip()}, "Handler": HANDLER, **more},
    )  # fmt: skip


@pytest.mark.usefixtures("nothing_emulates")
def test_another_architecture_is_refused(sandbox: Sandbox) -> None:
    canary_on(sandbox, layer_zip())
    code, status, message = refusal(lambda: sandbox.layers().invoke(FunctionName="f", Payload=b'{"package": "demo"}'))
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert f"cannot run f (py{PYTHON}-{OTHER})" in message
    assert "layers sandbox --stand-in" in message


def test_a_stand_in_reads_the_version_without_running_the_function(tmp_path: Path) -> None:
    with serving(tmp_path, "--stand-in", PATH=str(tmp_path)) as (process, exports):  # no emulator on this PATH
        sandbox = Sandbox(exports["AWS_ENDPOINT_URL"])
        canary_on(sandbox, layer_zip("1.2.3", source="raise SystemExit"))
        error, payload, _ = invoke(sandbox, {"package": "Demo"})
        assert error is None
        assert (payload["version"], payload["metadata_from"], payload["loaded_from"]) == ("1.2.3", "/opt/python", {})
        assert (payload["machine"], payload["python"].rsplit(".", 1)[0]) == (OTHER, PYTHON)
        error, payload, _ = invoke(sandbox, {"package": "other"})
        assert (error, payload["errorType"]) == ("Unhandled", "PackageNotFoundError")

        own = zipped({"canary.py": "def handler(event, context): pass"})  # not the canary's own code
        canary_on(sandbox, layer_zip(), name="own", Code={"ZipFile": own})
        code, _, message = refusal(lambda: sandbox.layers().invoke(FunctionName="own"))
        assert (code, "cannot run own" in message) == ("InvalidParameterValueException", True)

        process.terminate()
        said = process.communicate(timeout=20)[1]
        assert said.count("f in us-east-1 was not run; its layers' metadata was read: ") == 2


def test_roles_are_created_in_each_partition(sandbox: Sandbox) -> None:
    make_roles(sandbox.address, {"us-east-1": ["canary"], "cn-north-1": ["canary"]})
    for region, partition in (("us-east-1", "aws"), ("cn-north-1", "aws-cn")):
        role = f"arn:{partition}:iam::{ACCOUNT}:role/canary"
        made = sandbox.layers(region).create_function(
            FunctionName="f", Role=role, Runtime="python3.12", Handler="h.h", Code={"ZipFile": zipped({"h.py": ""})}
        )
        assert made["Role"] == role


def test_a_created_role_replaces_the_predefined_one(sandbox: Sandbox) -> None:
    make_roles(sandbox.address, {"us-east-1": ["canary"]})
    iam = sandbox.client("iam")
    made = iam.create_role(RoleName="canary", Path="/x/", AssumeRolePolicyDocument="{}")["Role"]
    assert [role["Arn"] for role in iam.list_roles()["Roles"]] == [made["Arn"]]
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="canary", AssumeRolePolicyDocument="{}")


def test_the_sandbox_has_the_role_of_its_matrix(tmp_path: Path) -> None:
    code = "import boto3; print(*(r['Arn'] for r in boto3.client('iam').list_roles()['Roles']))"
    command = [str(Path(sys.executable).with_name("layers")), "sandbox", "--", sys.executable, "-c", code]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"arn:aws:iam::{ACCOUNT}:role/strands-agents-layers-canary\n", done.stderr
