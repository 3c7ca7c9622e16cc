"""``--log-format json``: every line of stderr is one JSON object, and every request to AWS has one."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.conftest import Sandbox
from tests.fakes.command import Layers, run_program


def test_each_request_has_a_line_with_region_operation_time_and_id(sandbox: Sandbox, tmp_path: Path) -> None:
    layers = Layers(tmp_path)
    (tmp_path / "matrix.yaml").write_text(yaml.safe_dump(layers.keys), "utf-8")
    done = run_program(
        "--log-format", "json", "--matrix", str(tmp_path / "matrix.yaml"), "--ledger", layers.ledger,
        "publish", "--version", "1.0", "--artifacts", layers.artifacts("1.0"), "--yes", "--json",
    )  # fmt: skip
    assert json.loads(done.stdout)["complete"] is True
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "aws"]
    published = [line for line in requests if line["operation"] == "publish_layer_version"]
    assert len(published) == len(layers.matrix.cells)
    assert {line["region"] for line in requests} == set(layers.matrix.regions)
    assert all(line["request_id"] and line["seconds"] >= 0 and line["layer_name"] for line in published)
    assert [line for line in lines if line["event"] == "progress"]
