"""Run ``layers sandbox`` as a process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import REPOSITORY


def sandbox_command(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [shutil.which("layers", path=str(Path(sys.executable).parent)) or "layers", "sandbox", *arguments]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ, **environment}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def refused(address: str) -> bool:
    host, port = address.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


@contextmanager
def serving(folder: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run ``layers sandbox`` without a command; yield the process and the environment that it prints."""
    process = sandbox_command(*options, **{"TMPDIR": str(folder), "AWS_PROFILE": "production", **environment})
    assert process.stdout
    try:
        exports: dict[str, str] = {}
        for line in process.stdout:
            key, _, value = line.removeprefix("export ").strip().partition("=")
            exports[key] = value.strip("'")
            if {"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_PAGER"} <= set(exports):
                break
        yield process, exports
    finally:
        process.kill()
        process.communicate()
