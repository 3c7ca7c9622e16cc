"""Smoke tests of zips in Lambda's runtime client, with the Python that runs the tests."""

from __future__ import annotations

import json
import platform
import re
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from builder.inspection.inspector import inspect_zip
from builder.model.cold_start import read_smokes
from builder.model.file_access import sha256_of
from builder.smoke import execution
from builder.smoke.bedrock_model import Turn, scripted_model
from builder.smoke.smoke_test import App, smoke, smoke_app
from publisher.cli.group import layers
from tests.builder.smoke.smoke_cases import HERE, PYTHON, needs_linux, own, smoke_of
from tests.fakes.zips import add, distribution, target, write

OTHER = "aarch64" if HERE == "x86_64" else "x86_64"

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def extension() -> tuple[str, bytes]:
    """Return the name and the content of the smallest extension module of the standard library."""
    folder = Path(sysconfig.get_config_var("DESTSHARED"))
    path = min(folder.glob(f"_*{SUFFIX}"), key=lambda each: each.stat().st_size)
    return path.name.removesuffix(SUFFIX), path.read_bytes()


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

    def test_a_package_that_only_has_the_name_of_strands_fails(self, tmp_path: Path) -> None:
        report = smoke_of(tmp_path, "Agent = tool = None\n", name="strands_agents")
        assert report.status == "failed"
        assert report.kind == "agent"


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
