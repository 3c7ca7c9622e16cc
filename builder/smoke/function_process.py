"""A function's process as Lambda starts it: the runtime client, the path, the environment. What it starts ends with it.

Used by ``smoke``, by the embedded AWS, and by tests that run whole functions.
"""

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
from builder.smoke.runtime_api import Answer, RuntimeApi

#: The folder of the bootstrap, and of a smoke's handlers.
FUNCTION = Path(__file__).parent / "function"


@dataclass(frozen=True)
class Code:
    """What a function is made of. ``before`` and ``after`` lie on Python's path around what the Python has itself."""

    handler: str
    before: Sequence[Path]  #: the function's folder, then the layers
    after: Sequence[Path]  #: the runtime
    who: str = "smoke"  #: what a refused connection is called after


@dataclass(frozen=True)
class FunctionProcess:
    """A function that runs. It imports its handler as soon as it is started, and then waits for events."""

    api: RuntimeApi
    process: subprocess.Popen[bytes]
    log: Path
    started: float  #: ``time.monotonic()``

    def invoke(self, event: object, request_id: str | None = None) -> tuple[Answer, float]:
        """Its answer, and the seconds that it took. FunctionError where it gives none."""
        return self.api.invoke(event, lambda: self.process.poll() is None, request_id)

    @property
    def ready_seconds(self) -> float:
        """From the start of the process to its first request for work."""
        return (self.api.ready or self.started) - self.started

    def words(self, size: int = 4000) -> str:
        """The end of what it wrote."""
        return self.log.read_text("utf-8", "replace")[-size:].strip()


@contextlib.contextmanager
def running(
    machine: Machine, code: Code, api: RuntimeApi, variables: Mapping[str, str], folder: Path
) -> Iterator[FunctionProcess]:
    """Run a function until the block ends. ``folder`` is its own: its home, and what it writes."""
    settings = {
        "before": [str(each) for each in code.before],
        "after": [str(each) for each in code.after],
        "handler": code.handler,
        "who": code.who,
    }
    log = folder / "log"
    command = [*machine.command, "-I", "-S", "-B", str(FUNCTION / "bootstrap.py"), json.dumps(settings)]
    started = time.monotonic()
    with _process(command, variables, folder, log) as process:
        try:
            yield FunctionProcess(api, process, log, started)
        finally:
            api.close()


def environment(target: Target, folder: Path, api: RuntimeApi, opt: Path, name: str = "smoke") -> dict[str, str]:
    """What Lambda sets for a function, with credentials that are none; nothing of this machine's."""
    home = folder / "home"
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
        "LAMBDA_TASK_ROOT": str(FUNCTION),
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


def refused(log: Path, who: str = "smoke") -> tuple[str, ...]:
    """The connections to elsewhere that it tried."""
    mark = f"{who}: refused "
    lines = log.read_text("utf-8", "replace").splitlines()
    return tuple(sorted({line.removeprefix(mark) for line in lines if line.startswith(mark)}))


@contextlib.contextmanager
def _process(
    command: list[str], variables: Mapping[str, str], folder: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, in a group of its own; it and what it started end with the block."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(variables), stdin=subprocess.PIPE, stdout=out, stderr=out,
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
