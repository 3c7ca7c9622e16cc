"""``layers promote``: publish another matrix's release with the same bytes at the same number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Sandbox
from tests.fakes.command import SMALL, Ended, Layers


class Staging:
    """The layers of a staging account. The embedded AWS has one account, so they have other names."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.layers = Layers(folder, {**SMALL, "layer_name": "staging-{package}-py{python}-{architecture}"})
        self.matrix = folder / "matrix.yaml"

    def publish(self, *versions: str) -> None:
        for version in versions:
            assert self.layers.publish(version).code == 0


@pytest.fixture
def staging(sandbox: Sandbox, tmp_path: Path) -> Staging:
    return Staging(tmp_path / "staging")


@pytest.fixture
def production(sandbox: Sandbox, tmp_path: Path) -> Layers:
    (tmp_path / "production").mkdir()
    return Layers(tmp_path / "production")


def promote(production: Layers, staging: Staging, *options: str) -> Ended:
    return production("promote", "--from", str(staging.matrix), *options)


def rows(layers: Layers) -> dict[tuple[str, str], tuple[int, str, str]]:
    found: list[dict[str, Any]] = layers("describe", "--region", "all", "--json").json
    return {
        (row["region"], row["architecture"]): (row["layer_version"], row["version"], row["sha256"]) for row in found
    }


def test_the_newest_release_is_promoted_with_its_bytes_and_number(staging: Staging, production: Layers) -> None:
    staging.publish("1.0", "2.0", "3.0")
    ended = promote(production, staging, "--yes")
    assert ended.code == 0, ended.err
    assert rows(production) == rows(staging.layers)
    assert {number for number, _, _ in rows(production).values()} == {3}
    assert production("audit").code == 0


def test_promoting_again_publishes_only_missing_cells(staging: Staging, production: Layers) -> None:
    staging.publish("1.0")
    assert promote(production, staging, "--region", "us-east-1", "--yes").code == 0
    assert {region for region, _ in rows(production)} == {"us-east-1"}
    assert promote(production, staging, "--yes").code == 0
    assert rows(production) == rows(staging.layers)
    again = promote(production, staging, "--yes", "--json")
    assert again.json["complete"] is True


def test_the_plan_comes_first_and_a_dry_run_publishes_nothing(
    staging: Staging, production: Layers, sandbox: Sandbox
) -> None:
    staging.publish("1.0")
    ended = promote(production, staging, "--dry-run")
    assert (ended.code, "demo 1.0 at layer version 1" in ended.out) == (0, True)
    assert sandbox.layers().list_layer_versions(LayerName="demo-py3_12-x86_64")["LayerVersions"] == []
    assert promote(production, staging).code == 2  # no terminal for the confirmation


def test_a_named_release_is_promoted(staging: Staging, production: Layers) -> None:
    staging.publish("1.0", "2.0")
    assert promote(production, staging, "--layer-version", "1", "--yes").code == 0
    assert {version for _, version, _ in rows(production).values()} == {"1.0"}


def test_an_unusable_release_is_refused(staging: Staging, production: Layers) -> None:
    missing = promote(production, staging, "--yes")
    assert missing.code == 3
    staging.publish("1.0")
    assert "no layer version 7" in promote(production, staging, "--layer-version", "7", "--yes").err
    assert staging.layers("yank", "--layer-version", "1", "--reason", "broken", "--yes").code == 0
    yanked = promote(production, staging, "--layer-version", "1", "--yes")
    assert (yanked.code, "yanked: broken" in yanked.err) == (3, True)
    assert promote(production, staging, "--from-profile", "unknown", "--yes").code == 3


def test_bytes_that_the_source_ledger_does_not_name_are_not_promoted(
    staging: Staging, production: Layers, sandbox: Sandbox
) -> None:
    staging.publish("1.0")
    ledger = Path(staging.layers.ledger) / "0001.json"
    record = yaml.safe_load(ledger.read_text())
    digest = record["targets"][0]["sha256"]
    ledger.write_text(ledger.read_text().replace(digest, "0" * 64))
    ended = promote(production, staging, "--yes")
    assert (ended.code, "the source holds" in ended.err) == (6, True)
    assert sandbox.layers().list_layers()["Layers"][0]["LayerName"].startswith("staging-")


def test_a_release_whose_ledger_was_rebuilt_is_promoted_without_a_lock(staging: Staging, production: Layers) -> None:
    staging.publish("1.0")
    staging.layers.recreated_record()
    ended = promote(production, staging, "--yes")
    assert ended.code == 0, ended.err
    assert rows(production) == rows(staging.layers)
    record = yaml.safe_load((Path(production.ledger) / "0001.json").read_text())
    assert {target["lock"] for target in record["targets"]} == {None}


def test_a_missing_matrix_of_the_source_is_named_with_its_option(production: Layers, tmp_path: Path) -> None:
    ended = production("promote", "--from", str(tmp_path / "none.yaml"), "--yes")
    assert (ended.code, "--from FILE" in ended.err, "--matrix" in ended.err) == (3, True, False)


def test_another_package_is_refused(staging: Staging, production: Layers) -> None:
    staging.publish("1.0")
    production.keys["package"] = "other"
    ended = promote(production, staging, "--yes")
    assert (ended.code, "the source publishes demo" in ended.err) == (3, True)
