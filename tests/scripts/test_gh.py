"""The rehearsal's ``gh`` keeps every change, although the jobs of a workflow run in parallel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests import REPOSITORY


def test_parallel_jobs_lose_no_change(tmp_path: Path) -> None:
    state = tmp_path / "forge.json"
    names = [f"label-{number}" for number in range(12)]
    command = [sys.executable, str(REPOSITORY / "scripts" / "rehearsal" / "gh.py"), "label", "create"]
    variables = {"REHEARSAL_FORGE": str(state), "REHEARSAL_PERMISSIONS": '{"issues": "write"}', "GH_TOKEN": "token"}
    processes = [subprocess.Popen([*command, name], env={**os.environ, **variables}) for name in names]
    assert [process.wait() for process in processes] == [0] * len(names)
    assert sorted(json.loads(state.read_text())["label"]) == sorted(names)
