"""``layers publish`` with a requested number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.fakes.command import Layers


@pytest.fixture
def layers(sandbox: Sandbox, tmp_path: Path) -> Layers:
    return Layers(tmp_path)


def test_a_number_that_skips_others_is_refused_without_allow_gap(sandbox: Sandbox, layers: Layers) -> None:
    ended = layers.publish("1.0", "--layer-version", "3")
    assert (ended.code, "skips numbers: the next one is 1" in ended.err) == (3, True)
    assert "--allow-gap" in ended.err
    assert not list(Path(layers.folder).glob("ledger/*.json"))
    assert sandbox.layers().list_layers()["Layers"] == []


def test_a_deleted_version_is_a_conflict_whose_advice_is_about_deletion(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    client = sandbox.layers("eu-west-1")
    client.delete_layer_version(LayerName="demo-py3_12-x86_64", VersionNumber=1)
    ended = layers.publish("1.0")
    assert (ended.code, "layer version 1 was deleted here" in ended.out) == (5, True)
    assert "who deletes layer versions" in ended.err
    assert "who published it" not in ended.err
    assert layers.publish("1.0", "--rebuild", "--reason", "a version was deleted").code == 0


def test_the_plan_of_a_gap_starts_with_its_placeholders_which_stay_private(sandbox: Sandbox, layers: Layers) -> None:
    planned = layers("plan", "--version", "1.0", "--layer-version", "3", "--allow-gap")
    assert (planned.code, "8 placeholders" in planned.out.splitlines()[0]) == (0, True), planned.out
    assert layers.publish("1.0", "--layer-version", "3", "--allow-gap").code == 0
    client = sandbox.layers("eu-west-1")
    for number in (1, 2):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_layer_version_policy(LayerName="demo-py3_12-x86_64", VersionNumber=number)
    assert layers("audit").code == 0
    assert layers.publish("2.0", "--layer-version", "4").code == 0  # no gap


def edited_artifacts(layers: Layers, **values: object) -> str:
    """Return the folder of a build whose manifest has these values for its first zip."""
    folder = layers.artifacts("1.0")
    path = Path(folder) / "manifest.json"
    document = json.loads(path.read_text())
    document["artifacts"][0].update(values)
    path.write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"size": 5}, "5 bytes)"),
        ({"target": "py3.12-aarch64"}, "two zips of py3.12-aarch64"),
        ({"file": "a\0b"}, "cannot be read"),
    ],
)
def test_a_manifest_that_differs_from_its_zips_is_refused_before_anything_is_published(
    sandbox: Sandbox, layers: Layers, values: dict[str, object], problem: str
) -> None:
    folder = edited_artifacts(layers, **values)
    ended = layers("publish", "--version", "1.0", "--artifacts", folder, "--yes")
    assert (ended.code, problem in ended.err) == (3, True), ended.err
    assert sandbox.layers().list_layers()["Layers"] == []


def test_the_ledger_has_the_layer_name_of_the_matrix_and_not_that_of_an_older_build(
    sandbox: Sandbox, layers: Layers
) -> None:
    folder = edited_artifacts(layers, layer_name="of-an-older-matrix")
    assert layers("publish", "--version", "1.0", "--artifacts", folder, "--yes").code == 0
    record = json.loads((Path(layers.ledger) / "0001.json").read_text())
    assert {each["layer_name"] for each in record["targets"]} == {each.layer_name for each in layers.matrix.targets}
