"""The strands-agents layers, published with the canary first and tried again, as `docs/canary.md` rehearses it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests import REPOSITORY
from tests.fakes.functions import runs_functions

pytestmark = [runs_functions, pytest.mark.index, pytest.mark.slow]

RELEASE = """
set -e
layers publish --version latest --python 3.10 --python 3.12 --region us-east-1 --region eu-west-1 --canary-first --yes
layers canary --region all --python 3.10 --python 3.12 --layer-version 1 --yes --json >canary.json || test $? = 5
"""


def test_the_strands_layers_are_proven_before_and_after_the_release(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("layers")), "sandbox", "--stand-in", "--", "sh", "-c", RELEASE]
    own = {"LAYERS_MATRIX": str(REPOSITORY / "layer_matrix.yaml"), "LAYERS_LEDGER": str(tmp_path / "ledger")}
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **own}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "is layer version 1 in 8 of 8 cells (8 published)" in done.stdout
    report = json.loads((tmp_path / "canary.json").read_text())
    here = [cell for cell in report["cells"] if cell["region"] in ("us-east-1", "eu-west-1")]
    assert len(here) == 8
    for cell in here:
        assert (cell["status"], cell["package_version"]) == ("proven", report["version"]), cell
        own_architecture = cell["architecture"] == platform.machine()
        assert not own_architecture or 0.1 < cell["import_seconds"] < 60
    assert {cell["status"] for cell in report["cells"] if cell not in here} == {"deferred"}
