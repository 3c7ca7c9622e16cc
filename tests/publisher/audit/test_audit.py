"""sync, audit, yank and verify, as a user runs them, against the embedded AWS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from publisher.ledger.folder import FolderLedger
from publisher.reconcile.state import PLACEHOLDER_DESCRIPTION
from tests.conftest import Sandbox
from tests.fakes.command import Layers
from tests.fakes.simulated_runs import make_zip


def by_hand(sandbox: Sandbox, layers: Layers, version: str, *, public: bool = True) -> None:
    """Publish like the old workflows: different bytes in every region, no ledger."""
    for cell in layers.matrix.cells:
        client = sandbox.layers(cell.region)
        made = client.publish_layer_version(
            LayerName=cell.target.layer_name,
            Description=layers.matrix.describe(cell.target, version),
            Content={"ZipFile": make_zip(f"{version} {cell.id}")},
            CompatibleRuntimes=[cell.target.runtime.api_name],  # type: ignore[list-item]
            CompatibleArchitectures=[cell.target.architecture.api_name],  # type: ignore[list-item]
        )
        if public:
            client.add_layer_version_permission(
                LayerName=cell.target.layer_name,
                VersionNumber=made["Version"],
                StatementId="by-hand",
                Action="lambda:GetLayerVersion",
                Principal="*",
            )


def public_numbers(sandbox: Sandbox, layers: Layers) -> set[int]:
    """Return the numbers whose policy grants something, in any cell."""
    found = set()
    for cell in layers.matrix.cells:
        client = sandbox.layers(cell.region)
        for version in client.list_layer_versions(LayerName=cell.target.layer_name)["LayerVersions"]:
            try:
                policy = client.get_layer_version_policy(
                    LayerName=cell.target.layer_name, VersionNumber=version["Version"]
                )
            except client.exceptions.ResourceNotFoundException:
                continue
            if json.loads(policy["Policy"])["Statement"]:
                found.add(version["Version"])
    return found


def test_layers_published_by_hand_are_adopted_and_the_next_release_follows(sandbox: Sandbox, layers: Layers) -> None:
    by_hand(sandbox, layers, "1.23.0")
    by_hand(sandbox, layers, "1.40.0")
    assert layers("audit").code == 6

    synced = layers("sync", "--json")
    assert synced.code == 0
    assert [(r["layer_version"], r["version"], r["cells"], r["public"]) for r in synced.json["releases"]] == [
        (1, "1.23.0", 4, 4),
        (2, "1.40.0", 4, 4),
    ]
    assert layers("audit").code == 0
    again = layers("publish", "--version", "1.40.0", "--yes", "--json")
    assert again.code == 0
    assert {cell["outcome"] for cell in again.json["cells"]} == {"unchanged"}
    assert layers.publish("1.62.0", "--json").json["layer_version"] == 3
    assert layers("audit").code == 0


def test_sync_names_versions_of_no_release_and_keeps_recorded_facts(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    record = Path(layers.ledger) / "0001.json"
    before = json.loads(record.read_text())
    cell = layers.matrix.cells[0]
    sandbox.layers(cell.region).publish_layer_version(
        LayerName=cell.target.layer_name,
        Description=layers.matrix.describe(cell.target, "9.9"),
        Content={"ZipFile": make_zip("stray")},
    )
    synced = layers("sync", "--json")
    assert synced.code == 0
    assert [release["version"] for release in synced.json["releases"]] == ["1.0", "9.9"]
    after = json.loads(record.read_text())
    assert after["targets"] == before["targets"]
    assert after["completed"] == before["completed"]


def test_a_lost_ledger_is_recreated(layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    before, after = layers.recreated_record()
    assert after["cells"] == before["cells"]
    assert after["completed"] is not None


def test_sync_keeps_a_record_that_another_process_changed_meanwhile(
    layers: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert layers.publish("1.0").code == 0
    record = Path(layers.ledger) / "0001.json"
    before = json.loads(record.read_text())
    record.write_text(json.dumps({**before, "rebuild": "written meanwhile", "cells": before["cells"][:1]}))
    monkeypatch.setattr(FolderLedger, "releases", lambda _: ())
    assert layers("sync").code == 0
    assert json.loads(record.read_text()) == {**before, "rebuild": "written meanwhile"}


def test_a_yanked_release_stays_private_if_its_record_is_lost(layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    assert layers("yank", "--layer-version", "1", "--reason", "wrong", "--yes").code == 0
    assert layers.publish("2.0").code == 0
    assert layers("yank", "--layer-version", "2", "--reason", "wrong too", "--yes").code == 0
    for record in Path(layers.ledger).glob("0*.json"):
        record.unlink()
    synced = layers("sync", "--json")
    assert [release["yanked"] for release in synced.json["releases"]] == [True, True]
    assert layers("audit").code == 0
    assert layers.publish("2.0").code == 3
    assert layers("yank", "--layer-version", "2", "--undo", "--yes").code == 0
    assert layers("sync", "--json").json["releases"][1]["yanked"] is False


def test_audit_finds_every_kind_of_drift(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    name = layers.matrix.targets[0].layer_name
    sandbox.layers("us-east-1").remove_layer_version_permission(LayerName=name, VersionNumber=1, StatementId="public")
    sandbox.layers("eu-west-1").delete_layer_version(LayerName=name, VersionNumber=1)
    sandbox.layers("eu-west-1").publish_layer_version(
        LayerName=layers.matrix.targets[1].layer_name, Content={"ZipFile": make_zip("stranger")}
    )
    found = layers("audit", "--json")
    assert found.code == 6
    drift = {(d["region"], d["target"], d["layer_version"], d["problem"]) for d in found.json["drift"]}
    assert drift == {
        ("us-east-1", "py3.12-x86_64", 1, "private"),
        ("eu-west-1", "py3.12-x86_64", 1, "missing"),
        ("eu-west-1", "py3.12-aarch64", 2, "foreign"),
    }
    assert all(d["remedy"] for d in found.json["drift"])


def grant(sandbox: Sandbox, number: int, name: str = "demo-py3_12-x86_64", **principal: str) -> None:
    """Share a layer version in us-east-1 by hand."""
    sandbox.layers().add_layer_version_permission(
        LayerName=name, VersionNumber=number, StatementId="by-hand", Action="lambda:GetLayerVersion",
        **{"Principal": "*", **principal},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("permission", "principal", "problem", "detail"),
    [
        ({"principal": "*", "organization": "o-a1b2c3d4e5"}, {}, "public", "granted to everybody (*)"),
        ({"principal": "*"}, {"Principal": "123456789012"}, "shared", "granted to account 123456789012"),
        ({"principal": "*"}, {"OrganizationId": "o-zzzzzzzzzz"}, "shared", "granted to organization o-zzzzzzzzzz"),
    ],
)
def test_audit_sees_every_grant(
    sandbox: Sandbox, layers: Layers, permission: dict[str, str], principal: dict[str, str], problem: str, detail: str
) -> None:
    layers.keys["permission"] = permission
    assert layers.publish("1.0").code == 0
    assert layers("audit").code == 0
    grant(sandbox, 1, **principal)
    found = layers("audit", "--json")
    (drift,) = found.json["drift"]
    assert (found.code, drift["region"], drift["target"], drift["problem"]) == (
        6,
        "us-east-1",
        "py3.12-x86_64",
        problem,
    )
    assert detail in drift["detail"]
    assert drift["remedy"].endswith("--version-number 1 --statement-id by-hand")


def test_audit_names_versions_of_no_release_that_are_public(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    name = layers.matrix.targets[0].layer_name
    for text in ("something else", PLACEHOLDER_DESCRIPTION):
        sandbox.layers().publish_layer_version(LayerName=name, Description=text, Content={"ZipFile": make_zip(text)})
    assert {drift["problem"] for drift in layers("audit", "--json").json["drift"]} == {"foreign"}
    grant(sandbox, 2)
    grant(sandbox, 3)
    found = layers("audit", "--json").json["drift"]
    assert {(drift["layer_version"], drift["problem"]) for drift in found} == {(2, "public"), (3, "public")}
    assert all("granted to everybody (*)" in drift["detail"] for drift in found)


def test_a_private_version_of_a_killed_run_is_not_to_be_recorded(sandbox: Sandbox, layers: Layers) -> None:
    """The run was killed before it recorded its version. The release then got the next number."""
    assert layers.publish("1.0").code == 0
    target = layers.matrix.targets[0]
    sandbox.layers("eu-west-1").publish_layer_version(
        LayerName=target.layer_name,
        Description=layers.matrix.describe(target, "2.0"),
        Content={"ZipFile": make_zip("killed")},
    )
    sandbox.layers("us-east-1").publish_layer_version(LayerName=target.layer_name, Content={"ZipFile": make_zip("x")})
    ended = layers.publish("2.0")
    assert ended.code == 0, ended.err
    found = {(drift["region"], drift["layer_version"]): drift for drift in layers("audit", "--json").json["drift"]}
    killed = found["eu-west-1", 2]
    assert (killed["problem"], killed["remedy"]) == ("unexpected", "nothing: the next release skips it")


def test_audit_compares_the_version_in_the_description(layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    record = Path(layers.ledger) / "0001.json"
    record.write_text(record.read_text().replace('"version": "1.0"', '"version": "1.1"'))
    drift = layers("audit", "--json").json["drift"]
    assert {(each["problem"], each["detail"]) for each in drift} == {
        ("version", "its description has version 1.0, the ledger 1.1")
    }


def test_publish_restores_a_revoked_permission(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    name = layers.matrix.targets[0].layer_name
    sandbox.layers().remove_layer_version_permission(LayerName=name, VersionNumber=1, StatementId="public")
    assert layers("audit").code == 6
    repaired = layers("publish", "--version", "1.0", "--yes", "--json")
    assert sorted(cell["outcome"] for cell in repaired.json["cells"]) == ["granted", *["unchanged"] * 3]
    assert layers("audit").code == 0


def test_yank_revokes_every_permission_and_undo_grants_it_again(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    assert layers.publish("2.0").code == 0
    assert layers("yank", "--layer-version", "2", "--reason", "import fails", "--yes").code == 0
    assert public_numbers(sandbox, layers) == {1}
    assert layers("audit").code == 0
    refused = layers.publish("2.0")
    assert refused.code == 3
    assert "import fails" in refused.err
    newest = layers("describe", "--region", "us-east-1", "--json").json
    assert {row["version"] for row in newest} == {"1.0"}
    yanked = layers("describe", "--region", "us-east-1", "--layer-version", "2", "--json").json
    assert {row["yanked"]["reason"] for row in yanked} == {"import fails"}

    assert layers("yank", "--layer-version", "2", "--undo", "--yes").code == 0
    assert public_numbers(sandbox, layers) == {1, 2}
    assert layers("audit").code == 0
    assert layers("describe", "--region", "us-east-1", "--json").json[0]["version"] == "2.0"


def test_a_yanked_version_can_be_rebuilt_at_a_new_number(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    assert layers("yank", "--layer-version", "1", "--reason", "CVE", "--yes").code == 0
    rebuilt = layers.publish("1.0", "--rebuild", "--reason", "patched dependency", "--json", build="two")
    assert rebuilt.json["layer_version"] == 2
    assert public_numbers(sandbox, layers) == {2}
    assert json.loads((Path(layers.ledger) / "0002.json").read_text())["rebuild"] == "patched dependency"
    again = layers.publish("1.0", "--json", build="two")
    assert (again.json["layer_version"], again.json["complete"]) == (2, True)


def test_a_rebuild_that_is_run_again_publishes_nothing(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    rebuild = ("--rebuild", "--reason", "CVE-1", "--json")
    assert layers.publish("1.0", *rebuild, build="two").json["layer_version"] == 2
    again = layers.publish("1.0", *rebuild, build="two")
    assert (again.json["layer_version"], again.json["complete"]) == (2, True)
    (Path(layers.ledger) / "0002.json").unlink()  # the runner was killed before it saved the record
    again = layers.publish("1.0", *rebuild, build="two")
    assert (again.json["layer_version"], again.json["complete"]) == (2, True)
    assert public_numbers(sandbox, layers) == {1, 2}
    assert json.loads((Path(layers.ledger) / "0002.json").read_text())["rebuild"] == "CVE-1"
    another = layers.publish("1.0", "--rebuild", "--reason", "CVE-2", "--json", build="three")
    assert another.json["layer_version"] == 3


def test_an_undone_yank_of_an_incomplete_release_leaves_it_to_publish(layers: Layers) -> None:
    """It may have been private, because its canary failed or another release has its number elsewhere."""
    assert layers.publish("1.0", "--region", "us-east-1").code == 0
    assert layers("yank", "--layer-version", "1", "--reason", "broken", "--yes").code == 0
    undone = layers("yank", "--layer-version", "1", "--undo", "--yes")
    assert (undone.code, "layers publish --version 1.0 --layer-version 1" in undone.err) == (5, True)
    assert {drift["problem"] for drift in layers("audit", "--json").json["drift"]} == {"missing", "private"}
    assert layers.publish("1.0").code == 0
    assert layers("audit").code == 0


def test_invalid_options_change_nothing(layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    for arguments, code in (
        (("yank", "--layer-version", "1", "--yes"), 2),
        (("yank", "--layer-version", "1", "--reason", "x", "--undo", "--yes"), 2),
        (("yank", "--layer-version", "1", "--reason", "x"), 2),
        (("yank", "--layer-version", "7", "--reason", "x", "--yes"), 3),
        (("yank", "--layer-version", "1", "--undo", "--yes"), 3),
        (("verify", "nonsense"), 3),
    ):
        ended = layers(*arguments)
        assert ended.code == code, arguments
        assert "error: " in ended.err, arguments
        assert layers("audit").code == 0, arguments


def test_verify_checks_the_bytes_of_an_arn(sandbox: Sandbox, layers: Layers, tmp_path: Path) -> None:
    assert layers.publish("1.0").code == 0
    arn = layers("describe", "--region", "eu-west-1", "--arch", "aarch64", "--format", "arn").out.strip()
    assert layers("verify", arn).code == 0
    assert layers("docs", "--output", str(tmp_path / "docs")).code == 0
    by_index = layers("verify", "--index", str(tmp_path / "docs" / "layers.json"), arn, "--json")
    assert by_index.json["matches"] is True

    sandbox.layers("eu-west-1").delete_layer_version(LayerName="demo-py3_12-aarch64", VersionNumber=1)
    gone = layers("verify", arn, "--json")
    assert (gone.code, gone.json["sha256"], gone.json["matches"]) == (6, None, False)
    assert "no such layer version" in gone.err


@pytest.mark.parametrize(
    "mistake", [("aarch64", "arm64"), ("py3_12", "py312"), ("py3_12", "py3.12"), ("eu-west-1", "eu-west-2")]
)
def test_a_mistyped_arn_gets_a_suggestion(layers: Layers, mistake: tuple[str, str]) -> None:
    assert layers.publish("1.0").code == 0
    arn = layers("describe", "--region", "eu-west-1", "--arch", "aarch64", "--format", "arn").out.strip()
    ended = layers("verify", arn.replace(*mistake))
    assert ended.code == 3
    assert f"did you mean {arn}?" in ended.err
