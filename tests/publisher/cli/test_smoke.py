"""``layers smoke`` as a user runs it: its options, and an app on the named layers."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builder.model.errors import InputError, LayersError, UsageError
from builder.model.runtimes import RUNTIMES
from publisher.cli.group import layers
from tests.fakes.command import valid_json
from tests.fakes.zips import distribution, pyc, write

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
APP = b"import a\ndef handler(event, context):\n    return {'got': event, 'x': a.x}\n"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(layers, ["smoke", *map(str, arguments)])


def refusal(kind: type[LayersError], *arguments: object) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def test_app_options_without_an_app_and_a_missing_zip_are_usage_errors(tmp_path: Path) -> None:
    zip_ = write(tmp_path / "z.zip", distribution("a"))
    assert "--app" in refusal(UsageError, zip_, "--handler", "h.handler")
    assert "--handler" in refusal(UsageError, "--app", zip_)
    assert "--record" in refusal(UsageError, "--app", zip_, "--handler", "h.h", "--record")
    assert "no zip" in refusal(UsageError)


@pytest.mark.parametrize("event", ["{", "@nothing.json", "[" * 100_000])
def test_an_event_that_is_not_json_is_a_usage_error(tmp_path: Path, event: str) -> None:
    assert "--event" in refusal(UsageError, "--app", tmp_path / "a.zip", "--handler", "h.h", "--event", event)


def test_bad_variables_and_scripts_are_refused(tmp_path: Path) -> None:
    app = ("--app", write(tmp_path / "a.zip", {"h.py": APP}), "--handler", "h.handler")
    assert "NAME=VALUE" in refusal(UsageError, *app, "--env", "NAME")
    assert "model script" in refusal(InputError, *app, "--model-script", tmp_path / "none.json")
    assert "no such file" in refusal(InputError, "--app", tmp_path / "none.zip", "--handler", "h.h")


@pytest.mark.index
@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or PYTHON not in RUNTIMES, reason="this machine or this Python runs no layer"
)
def test_an_app_runs_with_the_python_of_its_layers(tmp_path: Path) -> None:
    compiled = f"python/a/__pycache__/unused.cpython-{PYTHON.replace('.', '')}.pyc"
    layer = write(tmp_path / "layer.zip", {**distribution("a"), compiled: pyc("a/unused.py", PYTHON)})
    app = write(tmp_path / "app.zip", {"h.py": APP})
    result = run("--app", app, "--handler", "h.handler", "--event", '{"n": 1}', layer)
    assert result.exit_code == 0, result.output
    assert '{"got": {"n": 1}, "x": 1}' in result.stdout
    (report,) = valid_json("smoke", run("--json", "--app", app, "--handler", "h.handler", layer).stdout)
    assert (report["kind"], report["target"].partition("-")[0]) == ("app", f"py{PYTHON}")
    assert report["response"] == {"got": {}, "x": 1}
