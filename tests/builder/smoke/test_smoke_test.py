"""Smoke tests of zips in Lambda's runtime client, with the Python that runs the tests."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from builder.inspection.inspector import inspect_zip
from builder.model.cold_start import read_smokes
from builder.model.errors import BuildError
from builder.model.file_access import sha256_of
from builder.model.runtimes import RUNTIMES
from builder.model.target import Target
from builder.smoke import execution
from builder.smoke.bedrock_model import Turn, scripted_model
from builder.smoke.import_profile import MAX_LOG_BYTES
from builder.smoke.smoke_test import App, SmokeReport, smoke, smoke_app
from publisher.cli.group import layers
from tests.fakes.zips import add, distribution, target, write

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
HERE = {"x86_64": "x86_64", "aarch64": "aarch64"}.get(platform.machine())
OTHER = "aarch64" if HERE == "x86_64" else "x86_64"

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def extension() -> tuple[str, bytes]:
    """Return the name and the content of the smallest extension module of the standard library."""
    folder = Path(sysconfig.get_config_var("DESTSHARED"))
    path = min(folder.glob(f"_*{SUFFIX}"), key=lambda each: each.stat().st_size)
    return path.name.removesuffix(SUFFIX), path.read_bytes()


needs_linux = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or HERE is None or PYTHON not in RUNTIMES,
    reason="this machine or this Python runs no layer",
)


def own() -> Target:
    return target(PYTHON, HERE or "x86_64")


def smoke_of(tmp_path: Path, source: str, name: str = "mypackage") -> SmokeReport:
    files = distribution(name, files={f"{name}/__init__.py": source.encode()})
    return smoke(write(tmp_path / "z.zip", files), own())


@needs_linux
@pytest.mark.index
class TestInTheRuntimeClient:
    def test_a_layer_without_strands_has_its_packages_imported(self, tmp_path: Path) -> None:
        report = smoke_of(
            tmp_path, "import boto3, awslambdaric\nassert __file__.endswith('opt/python/mypackage/__init__.py')\n"
        )
        assert (report.status, report.kind, report.reason, report.output) == ("proven", "imports", None, None)
        assert report.interpreter == platform.python_version()
        assert report.client
        assert report.peak_memory is None or report.peak_memory > 5_000_000
        assert None not in (report.import_seconds, report.ready_seconds, report.first_seconds, report.second_seconds)
        assert (report.import_seconds or 0) <= (report.ready_seconds or 0)

    def test_the_result_is_recorded_beside_the_zip(self, tmp_path: Path) -> None:
        path = write(tmp_path / f"demo-py{PYTHON.replace('.', '_')}-{HERE}.zip", distribution("mypackage"))
        result = CliRunner().invoke(layers, ["smoke", str(path), "--record", "--times", "3", "--json"])
        assert result.exit_code == 0
        (report,) = json.loads(result.stdout)
        start = read_smokes(tmp_path).cold_start(sha256_of(path))
        assert start is not None
        assert (start.starts, start.machine, start.interpreter) == (3, platform.machine(), platform.python_version())
        assert 0 <= start.import_seconds < start.ready_seconds == report["ready_seconds"]
        if sys.platform == "linux":
            assert start.peak_memory is not None
            assert 5 << 20 < start.peak_memory < 1 << 30
        assert report["sha256"] == sha256_of(path)

    @pytest.mark.parametrize(
        ("names", "reason"),
        [
            (["valid"], None),
            (["_broken"], "import mypackage._broken: ImportError: .*(file too short|invalid ELF header)"),
            (["_broken", "valid"], None),  # the largest counts
            (["_renamed"], None),
        ],
    )
    def test_a_package_whose_extension_modules_cannot_be_loaded_fails(
        self, names: list[str], reason: str | None, tmp_path: Path
    ) -> None:
        valid, content = extension()
        modules = {
            f"mypackage/{valid if name == 'valid' else name}{SUFFIX}": b"no library" if name == "_broken" else content
            for name in names
        }
        files = distribution("mypackage", files={"mypackage/__init__.py": b"", **modules})
        report = smoke(write(tmp_path / "z.zip", files), own())
        assert (report.status, bool(report.reason)) == (("failed", True) if reason else ("proven", False))
        assert re.search(reason or "None", str(report.reason))

    def test_a_failed_import_fails_the_layer(self, tmp_path: Path) -> None:
        report = smoke_of(tmp_path, "import not_there\n")
        assert report.status == "failed"
        assert "import mypackage: ModuleNotFoundError" in str(report.reason)

    def test_stray_modules_do_not_fail_a_layer(self, tmp_path: Path) -> None:
        broken = b"raise SystemExit('not to be imported')\n"
        files = {"mypackage/__init__.py": b"", "benchmarks/__init__.py": broken, "conftest.py": broken}
        files |= {"mypackage_pytest.py": b"import pytest_is_not_here\n"}
        report = smoke(write(tmp_path / "z.zip", distribution("mypackage", files=files)), own())
        assert (report.status, report.reason) == ("proven", None)

    def test_the_import_of_every_distribution_is_tried(self, tmp_path: Path) -> None:
        good, bad = distribution("good"), distribution("bad", files={"other.py": b"1 / 0\n", "more.py": b"import no\n"})
        report = smoke(write(tmp_path / "z.zip", {**good, **bad}), own())
        assert report.status == "failed"
        assert "import more: ModuleNotFoundError" in str(report.reason)

    @pytest.mark.parametrize("folder", ["hidden", "my-folder"])
    def test_a_package_that_only_a_pth_file_makes_importable_fails(self, tmp_path: Path, folder: str) -> None:
        files = {f"{folder}/mypackage/__init__.py": b"", "mypackage.pth": f"# path\n{folder}\n".encode()}
        report = smoke(write(tmp_path / "z.zip", distribution("mypackage", files=files)), own())
        assert report.status == "failed"
        assert "import mypackage: ModuleNotFoundError: only mypackage.pth" in str(report.reason)

    def test_a_pth_file_that_nothing_needs_does_not_fail_a_layer(self, tmp_path: Path) -> None:
        lines = b"import sys; sys.no\n\n./absent\n.\n"
        files = {"mypackage/__init__.py": b"", "mypackage.pth": lines}
        report = smoke(write(tmp_path / "z.zip", distribution("mypackage", files=files)), own())
        assert (report.status, report.reason) == ("proven", None)

    def test_vendored_distributions_are_not_imported_by_their_own_name(self, tmp_path: Path) -> None:
        inner = distribution("inner", files={"inner/__init__.py": b""})
        vendored = {path.replace("python/", "python/outer/_vendor/", 1): data for path, data in inner.items()}
        report = smoke(write(tmp_path / "z.zip", {**distribution("outer"), **vendored}), own())
        assert report.status == "proven"

    def test_a_botocore_that_breaks_the_runtimes_boto3_fails_the_layer(self, tmp_path: Path) -> None:
        botocore = distribution("botocore", "1.0", files={"botocore/__init__.py": b"__version__ = '1.0'\n"})
        report = smoke(write(tmp_path / "z.zip", botocore), own())
        assert report.status == "failed"
        assert "import boto3" in str(report.reason)

    def test_an_executable_of_the_layer_can_be_started(self, tmp_path: Path) -> None:
        source = "import subprocess\nassert subprocess.check_output([__file__[:-11] + 'tool']) == b'ran'\n"
        files = distribution("a", files={"a/__init__.py": source.encode()})
        with zipfile.ZipFile(write(tmp_path / "z.zip", files), "a") as archive:
            add(archive, "python/a/tool", b"#!/bin/sh\nprintf ran\n", mode=0o100755)
        report = smoke(tmp_path / "z.zip", own())
        assert (report.status, report.reason) == ("proven", None)

    def test_an_app_runs_on_layers_with_its_event_and_the_bedrock_stand_in(self, tmp_path: Path) -> None:
        files = {"mypackage/__init__.py": b"VALUE = 7\n"}
        layer = inspect_zip(write(tmp_path / "layer.zip", distribution("mypackage", files=files)), own())
        source = (
            "import boto3, mypackage, os\n"
            "def handler(event, context):\n"
            "    client = boto3.client('bedrock-runtime')\n"
            "    messages = [{'role': 'user', 'content': [{'text': 'hello'}]}]\n"
            "    message = client.converse(modelId='m', messages=messages)['output']['message']\n"
            "    return [event['n'], mypackage.VALUE, os.environ['NAME'], message['content'][0]['text']]\n"
        )
        zip_ = write(tmp_path / "app.zip", {"main.py": source.encode()})
        app = App(zip_, "main.handler", {"n": 1}, scripted_model([Turn("hi")]), {"NAME": "x"})
        report = smoke_app(app, [layer], own())
        assert (report.status, report.kind, report.reason) == ("proven", "app", None)
        assert report.response == [1, 7, "x", "hi"]
        failed = smoke_app(App(zip_, "main.handler", {}), [layer], own())
        assert failed.status == "failed"
        assert "KeyError: 'n'" in str(failed.reason)
        missing = smoke_app(App(zip_, "main.nothing", {}), [layer], own())
        assert "nothing" in str(missing.reason)

    def test_the_import_time_of_each_package_is_measured_and_recorded(self, tmp_path: Path) -> None:
        slow = distribution("slow", files={"slow.py": b"import time, json\ntime.sleep(0.05)\n"})
        first = distribution("first", files={"first/__init__.py": b"import slow\n"}, requires=["slow"])
        path = write(tmp_path / f"demo-py{PYTHON.replace('.', '_')}-{HERE}.zip", {**slow, **first})
        result = CliRunner().invoke(layers, ["smoke", str(path), "--record", "--profile"])
        assert result.exit_code == 0, result.output
        start = read_smokes(tmp_path).cold_start(sha256_of(path))
        assert start is not None
        imports = {each.package: each for each in start.imports}
        assert imports["slow"].own_ms >= 50
        assert imports["slow"].imported_by == "first"
        assert imports["first"].total_ms >= imports["slow"].total_ms
        assert "import time of" in result.output

    @pytest.mark.parametrize(
        ("source", "path"),
        [
            ("open(__file__ + '.log', 'w')", "opt/python/mypackage/__init__.py.log"),
            (
                "import pathlib; pathlib.Path(__file__).with_name('cache').mkdir(exist_ok=True)",
                "opt/python/mypackage/cache",
            ),
            ("import os; os.remove(__file__)", "opt/python/mypackage/__init__.py"),
            ("import os; os.rename(__file__, '/tmp/x')", "opt/python/mypackage/__init__.py"),
            ("open('relative.log', 'a')", "relative.log"),
        ],
    )
    def test_a_layer_that_writes_where_lambda_is_read_only_fails(self, source: str, path: str, tmp_path: Path) -> None:
        report = smoke_of(tmp_path, f"{source}\n")
        assert report.status == "failed"
        assert "OSError: [Errno 30] Read-only file system: " in str(report.reason)
        assert f"/{path}'" in str(report.reason)

    def test_a_layer_that_handles_a_read_only_folder_or_writes_elsewhere_passes(self, tmp_path: Path) -> None:
        report = smoke_of(
            tmp_path,
            "import os, pathlib, tempfile\n"
            "try:\n    open(__file__, 'r+')\nexcept OSError:\n    pass\n"
            "os.makedirs(os.path.dirname(__file__), exist_ok=True)\n"
            "pathlib.Path(__file__).with_name('none').unlink(missing_ok=True)\n"
            "tempfile.NamedTemporaryFile().write(b'x')\n"
            "pathlib.Path.home().joinpath('x').write_text(open(__file__).read())\n",
        )
        assert (report.status, report.reason) == ("proven", None)

    @pytest.mark.parametrize("name", ["SIGSEGV", "SIGILL", "SIGBUS", "SIGABRT", "SIGKILL", "SIGTERM"])
    def test_the_signal_that_ended_a_process_is_named(self, name: str, tmp_path: Path) -> None:
        report = smoke_of(tmp_path, f"import os, signal\nos.kill(os.getpid(), signal.{name})\n")
        assert f"ended before it responded by {name} (" in str(report.reason)
        assert ("likely: " in str(report.reason)) is (name != "SIGTERM")
        if name == "SIGSEGV":
            assert "mypackage/__init__.py" in str(report.output)

    def test_a_crashed_process_fails_the_layer_with_its_last_output(self, tmp_path: Path) -> None:
        report = smoke_of(tmp_path, "import os\nos.write(2, b'last words')\nos._exit(7)\n")
        assert report.status == "failed"
        assert "ended before" in str(report.reason)
        assert "last words" in str(report.output)

    def test_endless_output_is_not_read_whole(self, tmp_path: Path) -> None:
        lines = "".join(f"smoke: refused a connection to {number}\\n" for number in range(200))
        source = f"import sys; sys.stderr.write('{lines}' + 'x' * {MAX_LOG_BYTES})\n"
        files = distribution("mypackage", files={"mypackage/__init__.py": source.encode()})
        path = write(tmp_path / "z.zip", files)
        with pytest.raises(BuildError, match="wrote more than 8 MB"):
            smoke(path, own(), profile=True)
        report = smoke(path, own())
        assert (report.status, len(report.refused)) == ("proven", 100)

    def test_connections_to_other_hosts_are_refused_and_named(self, tmp_path: Path) -> None:
        source = (
            "import socket\n"
            "def connect(): socket.socket().connect(('192.0.2.1', 80))\n"
            "def look_up(): socket.create_connection(('example.org', 80), 1)\n"
            "for attempt in (connect, look_up):\n"
            "    try: attempt()\n"
            "    except OSError: pass\n"
            "    else: raise SystemExit('connected')\n"
        )
        report = smoke_of(tmp_path, source)
        assert report.status == "proven"
        assert report.refused == ("a connection to 192.0.2.1:80", "to look up example.org")

    def test_child_processes_of_a_layer_are_ended(self, tmp_path: Path) -> None:
        note = tmp_path / "pid"
        source = (
            "import subprocess\n"
            f"child = subprocess.Popen(['sleep', '600'])\nopen({str(note)!r}, 'w').write(str(child.pid))\n"
        )
        assert smoke_of(tmp_path, source).status == "proven"
        assert not _is_running(int(note.read_text()))

    def test_the_environment_is_lambdas_without_the_users_variables(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SOME_SECRET", "x")
        source = (
            "import os, sys\n"
            "assert 'SOME_SECRET' not in os.environ\n"
            f"assert os.environ['AWS_EXECUTION_ENV'] == 'AWS_Lambda_python{PYTHON}'\n"
            "assert os.environ['AWS_ACCESS_KEY_ID'] == 'smoke'\n"
            "assert not any('site-packages' in path and 'opt' not in path for path in sys.path)\n"
        )
        report = smoke_of(tmp_path, source)
        assert (report.status, report.reason) == ("proven", None)

    def test_a_package_that_only_has_the_name_of_strands_fails(self, tmp_path: Path) -> None:
        report = smoke_of(tmp_path, "Agent = tool = None\n", name="strands_agents")
        assert report.status == "failed"
        assert report.kind == "agent"


def _is_running(pid: int) -> bool:
    """Return whether a process exists and is not a zombie (Linux)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_another_architecture_is_unproven_where_nothing_emulates_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.smoke.execution.shutil.which", lambda name: None)
    report = smoke(write(tmp_path / "z.zip", distribution("a")), target("3.12", OTHER))
    assert report.status == "unproven"
    assert report.reason


def test_another_operating_system_is_unproven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.smoke.execution.platform.system", lambda: "Darwin")
    report = smoke(write(tmp_path / "z.zip", distribution("a")), target())
    assert (report.status, "Darwin" in str(report.reason)) == ("unproven", True)


def test_a_newer_glibc_than_this_machines_is_unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.smoke.execution.platform.system", lambda: "Linux")
    monkeypatch.setattr("builder.smoke.execution.platform.machine", lambda: "x86_64")
    monkeypatch.setattr("builder.smoke.execution.platform.libc_ver", lambda: ("glibc", "2.17"))
    answer = execution.machine_for(target(), (2, 34))
    assert isinstance(answer, execution.Unproven)
    assert "needs glibc 2.34" in answer.reason


def test_a_dangerous_zip_is_not_unpacked(tmp_path: Path) -> None:
    report = smoke(write(tmp_path / "z.zip", {**distribution("a"), "python/../../../escaped": b""}), own())
    assert report.status == "failed"
    assert "not unpacked" in str(report.reason)


@pytest.mark.parametrize(
    ("name", "mode", "word"),
    [("a\\b.py", 0o100644, "backslash"), ("../a.py", 0o100644, "path traversal"), ("a.py", 0o100600, "readable")],
)
def test_an_app_or_layer_that_lambda_refuses_or_cannot_read_fails(
    tmp_path: Path, name: str, mode: int, word: str
) -> None:
    app = smoke_app(App(write(tmp_path / "app.zip", {name: b""}, mode=mode), "a.b"), [], own())
    layer = smoke(write(tmp_path / "z.zip", {f"python/{name}": b""}, mode=mode), own())
    for report in (app, layer):
        assert report.status == "failed"
        assert word in str(report.reason)


def test_a_layer_of_programs_only_proves_nothing(tmp_path: Path) -> None:
    assert smoke(write(tmp_path / "z.zip", {"bin/ffmpeg": b""}), own()).status == "unproven"


@needs_linux
@pytest.mark.index
def test_a_killed_smoke_leaves_no_process(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    source = f"import os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    path = write(tmp_path / "z.zip", distribution("a", files={"a/__init__.py": source.encode()}))
    code = (
        "import sys; from pathlib import Path; from builder.smoke.smoke_test import smoke;"
        "from tests.fakes.zips import target;"
        "smoke(Path(sys.argv[1]), target(*sys.argv[2:]))"
    )
    command = [sys.executable, "-c", code, str(path), PYTHON, str(HERE)]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        _wait_for(lambda: note.exists() and bool(note.read_text()))
        process.kill()
    _wait_for(lambda: not _is_running(int(note.read_text())))


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
