"""``layers describe --live``: the state in AWS, and every way in which it can differ from the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builder.model.errors import IncompleteError, InputError
from builder.model.matrix import Cell
from builder.model.progress import Quiet
from builder.model.strict_json import dump_json
from publisher.audit.live_state import LiveReport, LiveRow, read_live_state
from publisher.aws.gateway import Grant, Lambda, ListedVersion, PublishedVersion, Refused
from publisher.catalog.lookup import Query
from publisher.cli.group import layers
from publisher.ledger.release import Release, Yanked
from publisher.reconcile.state import PLACEHOLDER_DESCRIPTION
from tests.conftest import Sandbox
from tests.fakes.command import valid_json
from tests.publisher.reconcile.plan_cases import PUBLIC, WHEN, digest, release, small_matrix

MATRIX = small_matrix()
CELL = MATRIX.cells[0]
CREATED = "2026-11-23T20:40:15.000+0000"


@dataclass
class FakeRegion:
    """A region that has ``versions`` (number → package version) of every layer, with the bytes of ``plan_cases``."""

    region: str
    versions: Mapping[int, str]
    own: bool = True
    public: bool = True
    policies: bool = True
    build: str = ""

    def latest(self, names: Sequence[str]) -> Mapping[str, ListedVersion]:
        assert self.own, "another account's layers cannot be listed"
        newest = max(self.versions, default=0)
        return {name: self._held(name, newest) for name in names if newest}

    def get(self, name: str, number: int) -> PublishedVersion | None:
        assert self.own or name.startswith("arn:aws:lambda:"), "another account's layer goes by its ARN"
        if not self.own and not self.public:
            raise Refused("AccessDeniedException: not authorized")
        return self._held(name.rpartition(":")[2], number) if number in self.versions else None

    def grants(self, name: str, number: int) -> tuple[Grant, ...]:
        if not self.policies:
            raise Refused("AccessDeniedException: lambda:GetLayerVersionPolicy")
        return PUBLIC if self.public else ()

    def _held(self, name: str, number: int) -> PublishedVersion:
        target = next(target for target in MATRIX.targets if target.layer_name == name)
        version = self.versions[number]
        description = PLACEHOLDER_DESCRIPTION if version == "reserved" else MATRIX.describe(target, version)
        return PublishedVersion(
            name, number, "", description, CREATED,
            sha256=digest(f"{version}/{target.id}{self.build}"), size=7,
        )  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a reader does not {name}")


def see(aws: Mapping[str, Any], releases: tuple[Release, ...], **ask: Any) -> LiveReport:
    own = aws.get("own", True)
    regions: dict[str, Lambda] = {region: FakeRegion(region, **aws) for region in MATRIX.regions}  # type: ignore[misc]
    return read_live_state(MATRIX, releases, Query(regions=(CELL.region,), **ask), regions, own, Quiet())


def recorded(number: int, version: str, **changes: object) -> Release:
    return release(MATRIX, number, version, MATRIX.cells, completed=WHEN, **changes)


ONE, TWO = recorded(1, "1.0"), recorded(2, "2.0")
YANKED = TWO.model_copy(update={"yanked": Yanked(date=WHEN, reason="broken")})


def differences(report: LiveReport) -> set[str]:
    return {difference for cell in report.cells for difference in cell.differences}


def test_layers_that_match_the_ledger_have_no_difference() -> None:
    report = see({"versions": {1: "1.0", 2: "2.0"}}, (ONE, TWO))
    assert differences(report) == set()
    assert [(s.row.layer_version, s.row.version, s.public) for s in report.cells if s.row] == [(2, "2.0", True)] * 2


@pytest.mark.parametrize(
    ("aws", "releases", "words"),
    [
        ({"versions": {1: "1.0", 2: "2.0"}}, (ONE,), "layer version 2 is not in the ledger"),
        ({"versions": {1: "1.0"}}, (ONE, TWO), "the ledger has layer version 2, AWS none above 1"),
        ({"versions": {}}, (ONE,), "AWS has no release of this layer"),
        ({"versions": {1: "1.0"}, "public": False}, (ONE,), "layer version 1 is not public"),
        ({"versions": {2: "2.0"}}, (YANKED,), "layer version 2 was yanked and is public"),
        ({"versions": {2: "2.0"}, "public": False}, (YANKED,), None),
        ({"versions": {1: "1.0"}, "policies": False}, (ONE,), None),
    ],
)
def test_each_difference_is_named(aws: dict[str, Any], releases: tuple[Release, ...], words: str | None) -> None:
    assert differences(see(aws, releases)) == ({words} if words else set())


def test_other_bytes_are_a_difference_and_the_row_shows_those_of_aws() -> None:
    report = see({"versions": {1: "1.0"}, "build": "other"}, (ONE,))
    row = report.cells[0].row
    assert row is not None
    assert row.sha256 == digest(f"1.0/{CELL.target.id}other")
    assert row.unzipped_size is None
    assert "the ledger has" in report.cells[0].differences[0]


def test_without_permission_to_read_policies_public_is_unknown() -> None:
    assert {cell.public for cell in see({"versions": {1: "1.0"}, "policies": False}, (ONE,)).cells} == {None}


def test_a_release_is_selected_by_version_or_by_number() -> None:
    aws = {"versions": {1: "1.0", 2: "2.0"}}
    for ask in ({"version": "1.0"}, {"layer_version": 1}):
        assert {cell.row.layer_version for cell in see(aws, (ONE, TWO), **ask).cells if cell.row} == {1}
    assert differences(see(aws, (ONE, TWO), layer_version=9)) == {"AWS has no layer version 9"}


def test_a_placeholder_is_not_a_release() -> None:
    report = see({"versions": {1: "1.0", 2: "reserved"}}, (ONE,))
    assert [(cell.row.layer_version, cell.differences) for cell in report.cells if cell.row] == [(1, ())] * 2
    assert differences(see({"versions": {1: "reserved"}}, ())) == {"AWS has no release of this layer"}


def test_in_another_account_the_recorded_arns_are_read() -> None:
    report = see({"versions": {1: "1.0", 2: "2.0"}, "own": False}, (ONE,))
    assert [(cell.public, cell.differences) for cell in report.cells] == [(True, ())] * 2
    hidden = see({"versions": {1: "1.0"}, "own": False, "public": False}, (ONE,))
    assert {cell.public for cell in hidden.cells} == {False}
    assert "may not read it" in next(iter(differences(hidden)))
    with pytest.raises(InputError, match="no release"):
        see({"versions": {1: "1.0"}, "own": False}, ())


# -- against the embedded AWS -----------------------------------------------------------------------------------------


def _publish(sandbox: Sandbox, cell: Cell, version: str, content: bytes) -> None:
    client = sandbox.layers(cell.region)
    made = client.publish_layer_version(
        LayerName=cell.target.layer_name,
        Description=MATRIX.describe(cell.target, version),
        Content={"ZipFile": content},
    )
    client.add_layer_version_permission(
        LayerName=cell.target.layer_name,
        VersionNumber=made["Version"],
        StatementId="public",
        Action="lambda:GetLayerVersion",
        Principal="*",
    )


def _options(folder: Path, account: str) -> list[str]:
    (folder / "ledger").mkdir()
    record = ONE.model_copy(
        update={
            "account": account,
            "cells": tuple(
                cell.model_copy(update={"arn": cell.arn.replace(ONE.account, account)}) for cell in ONE.cells
            ),
        }
    )
    (folder / "ledger" / "0001.json").write_text(dump_json(record.model_dump(mode="json")))
    (folder / "matrix.yaml").write_text(
        f'account: "{account}"\npackage: demo\npython: ["3.12", "3.13"]\narchitectures: [x86_64]\n'
        "regions: [us-east-1, eu-west-1, ap-south-1]\n"
    )
    return ["--matrix", str(folder / "matrix.yaml"), "--ledger", str(folder / "ledger"), "describe", "--live"]


def test_the_command_reads_aws(sandbox: Sandbox, tmp_path: Path, small_zip: bytes) -> None:
    for cell in MATRIX.cells:
        _publish(sandbox, cell, "1.0", small_zip)
    result = CliRunner().invoke(layers, [*_options(tmp_path, sandbox.account), "--region", "eu-*", "--json"])
    assert result.exit_code == 0, result.output
    rows = valid_json("describe", result.stdout)
    assert [LiveRow.model_validate(row).live.recorded for row in rows] == [True, True]
    assert [(row["region"], row["python"], row["layer_version"]) for row in rows] == [
        ("eu-west-1", "3.12", 1),
        ("eu-west-1", "3.13", 1),
    ]
    assert {row["live"]["public"] for row in rows} == {True}
    assert all("the ledger has" in row["live"]["differences"][0] for row in rows)
    assert "difference: eu-west-1/py3.12-x86_64: layer version 1 has sha256" in result.stderr


def test_layers_with_the_same_name_in_another_account_are_not_used(
    sandbox: Sandbox, tmp_path: Path, small_zip: bytes
) -> None:
    for cell in MATRIX.cells:
        _publish(sandbox, cell, "9.0", small_zip)
    result = CliRunner().invoke(layers, [*_options(tmp_path, "123456789012"), "--region", "us-east-1", "--json"])
    assert json.loads(result.stdout) == []
    assert isinstance(result.exception, IncompleteError)
    assert f":{sandbox.account}:" in str(result.exception)  # moto's response is about this account's layer


@pytest.fixture
def small_zip() -> bytes:
    from tests.fakes.simulated_runs import make_zip

    return make_zip("live")
