"""A smoke test runs a layer in Lambda's surroundings: it writes where Lambda allows it, and leaves no process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.model.errors import BuildError
from builder.smoke.import_profile import MAX_LOG_BYTES
from builder.smoke.smoke_test import smoke
from tests.builder.smoke.smoke_cases import HERE, PYTHON, needs_linux, own, smoke_of
from tests.fakes.zips import distribution, write


@needs_linux
@pytest.mark.index
class TestInLambdasSurroundings:
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


def _is_running(pid: int) -> bool:
    """Return whether a process exists and is not a zombie (Linux)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
