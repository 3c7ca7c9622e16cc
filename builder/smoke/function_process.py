"""Run a function's process as Lambda starts it: runtime client, path, environment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.model.target import Target
from builder.smoke.execution import Machine
from builder.smoke.runtime_api import EndedError, FunctionResponse, RuntimeApi

#: The folder with the bootstrap and the smoke test's handlers.
FUNCTION_FOLDER = Path(__file__).parent / "function"
BOOTSTRAP = FUNCTION_FOLDER / "bootstrap.py"
_HOME = "home"
#: Limits for what is read from the output of a function.
_MAX_REFUSED, _MAX_LINE_CHARACTERS = 100, 4096
_CRASHES = {
    signal.SIGSEGV: "a defect in a binary, or a binary for another version of Python or of a library",
    signal.SIGABRT: "a binary stopped itself; its output has the reason",
    signal.SIGILL: "a binary has an instruction that this processor does not have",
    signal.SIGBUS: "a file that a binary maps is truncated, or memory is misaligned",
    signal.SIGKILL: "the system may have ended it for using too much memory",
}


@dataclass(frozen=True)
class FunctionCode:
    """The code of a function. ``before`` and ``after`` are on ``sys.path`` before and after Python's own folders."""

    handler: str
    before: Sequence[Path]  #: the function's folder, then the layers
    after: Sequence[Path]  #: the runtime
    command: str = "smoke"  #: the prefix of messages about refused connections

    def settings(self, **more: str) -> str:
        """Return the argument of ``bootstrap.py``."""
        paths = {"before": [str(each) for each in self.before], "after": [str(each) for each in self.after]}
        return json.dumps({**paths, "handler": self.handler, "command": self.command, **more})


@dataclass(frozen=True)
class FunctionProcess:
    """A running function. It imports its handler when it starts, and then waits for events."""

    api: RuntimeApi
    process: subprocess.Popen[bytes]
    log: Path
    started: float  #: ``time.monotonic()``

    def invoke(self, event: object, request_id: str | None = None) -> tuple[FunctionResponse, float]:
        """Return its response and the seconds that it took. Raises FunctionError if it fails."""
        try:
            return self.api.invoke(event, lambda: self.process.poll() is None, request_id)
        except EndedError as error:
            raise EndedError(f"{error}{_cause(self.process.poll())}") from None

    @property
    def ready_seconds(self) -> float:
        """The time from the start of the process to its first request for work."""
        return (self.api.ready or self.started) - self.started

    def last_output(self, size: int = 4000) -> str:
        """Return the end of its output."""
        with self.log.open("rb") as file:  # whatever its size
            file.seek(max(0, self.log.stat().st_size - 4 * size))
            return file.read().decode("utf-8", "replace")[-size:].strip()


@contextlib.contextmanager
def running(
    machine: Machine, code: FunctionCode, api: RuntimeApi, variables: Mapping[str, str], folder: Path
) -> Iterator[FunctionProcess]:
    """Run a function until the ``with`` block ends.

    ``folder`` is for its home and its log. As on Lambda, the function cannot write beside its code.
    """
    log = folder / "log"
    root = folder.resolve()
    settings = code.settings(read_only=f"{root}/", writable=f"{root / _HOME}/")
    command = [*machine.command, "-I", "-S", "-B", str(BOOTSTRAP), settings]
    started = time.monotonic()
    with process_group(command, variables, folder, log) as process:
        try:
            yield FunctionProcess(api, process, log, started)
        finally:
            api.close()


def environment(target: Target, folder: Path, api: RuntimeApi, opt: Path, name: str = "smoke") -> dict[str, str]:
    """Return a function's environment as Lambda sets it, with invalid credentials and no variable of this machine."""
    home = folder / _HOME
    home.mkdir()
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "LD_LIBRARY_PATH": str(opt / "lib"),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": str(home),
        "TMPDIR": str(home),
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": name,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{target.runtime.api_name}",
        "LAMBDA_TASK_ROOT": str(FUNCTION_FOLDER),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": name,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": name,
        "AWS_SECRET_ACCESS_KEY": name,
        "AWS_SESSION_TOKEN": name,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "none"),
        "NO_PROXY": "127.0.0.1",
    }


def _cause(code: int | None) -> str:
    """Return the end of a sentence about a process that ended with an exit code; empty if that is not known."""
    if code is None:
        return ""
    if code >= 0:
        return f" (exit code {code})"
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f" (signal {-code})"
    likely = _CRASHES.get(number)
    return f" by {number.name} ({signal.strsignal(number)}" + (f"; likely: {likely})" if likely else ")")


def refused(log: Path) -> tuple[str, ...]:
    """Return the connections to other machines that a smoke test's function tried, at most a hundred."""
    mark = "smoke: refused "
    found: set[str] = set()
    with log.open(encoding="utf-8", errors="replace") as file:
        while len(found) < _MAX_REFUSED and (line := file.readline(_MAX_LINE_CHARACTERS)):
            found |= {line.removeprefix(mark).rstrip("\n")} if line.startswith(mark) else set()
    return tuple(sorted(found))


@contextlib.contextmanager
def process_group(
    command: list[str], variables: Mapping[str, str], folder: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in its own group, with stdout and stderr in ``log``. The group is killed when the block ends."""
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(variables), stdin=subprocess.PIPE, stdout=log_file, stderr=log_file,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin:
            process.stdin.close()
