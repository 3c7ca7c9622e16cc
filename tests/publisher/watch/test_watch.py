"""``layers watch`` as a workflow and a person run it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.matrix_file import load_matrix
from publisher.cli.watch import _show_table
from publisher.ledger.release import Yanked
from publisher.watch.incomplete_releases import IncompleteRelease
from publisher.watch.matrix_gaps import MatrixGaps
from publisher.watch.policy import Choice, HeldBack, Proposal
from publisher.watch.watch_report import WatchReport, outputs
from tests import REPOSITORY
from tests.fakes.command import Layers
from tests.fakes.package_index import PackageIndex, send
from tests.publisher.reconcile.plan_cases import WHEN
from tests.publisher.watch.watch_cases import offer, record, released


def test_a_new_version_needs_a_release(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.0", "1.1", "1.2", "1.3rc1")
    record(layers, released(layers, 1, "1.0"))
    document = layers("watch", "--json").json
    gaps = {key: document.pop(key) for key in ("missing_regions", "missing_pythons", "ending_pythons")}
    assert "eu-central-1" in gaps["missing_regions"]
    assert {"python": "3.14", "supported": True} in gaps["missing_pythons"]
    assert document == {
        "package": "demo",
        "newest": "1.2",
        "versions": ["1.2"],
        "release": {
            "version": "1.2",
            "reason": "it is newer than 1.0, the newest in the ledger; 1 version between them is skipped",
        },
        "held_back": [{"version": "1.3rc1", "reason": "a pre-release", "until": None}],
        "incomplete": [],
        "rebuild": None,
        "unfixed": None,
        "unknown": None,
    }
    table = layers("watch")
    assert table.code == 0
    assert "to do: layers publish --version 1.2" in table.out
    assert "held back  1.3rc1   a pre-release" in table.out


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    matrix = load_matrix(REPOSITORY / "layer_matrix.yaml")
    until = datetime(2026, 11, 26, 9, 12, tzinfo=timezone.utc)
    report = WatchReport(
        package=matrix.package,
        newest="1.64.0",
        choice=Choice(
            Proposal("1.63.0", "it is newer than 1.62.0, the newest in the ledger"),
            (HeldBack("1.64.0", "younger than 2 days", until),),
        ),
        incomplete=(IncompleteRelease(7, "1.62.0", tuple(cell.id for cell in matrix.cells[:8])),),
        advisories=None,
        gaps=MatrixGaps("aws", (), (), ()),
        today=until.date(),
    )
    _show_table(matrix, report)
    printed = "".join(f"    {line}\n" if line else "\n" for line in capsys.readouterr().out.splitlines())
    assert f"\n{printed}\n" in (REPOSITORY / "docs" / "watching.md").read_text()


def test_a_released_version_needs_nothing(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.0")
    record(layers, released(layers, 1, "1.0"))
    lines = layers("watch").out.splitlines()
    assert lines[-1] == "demo: the newest on the package index is 1.0; nothing to do"
    assert all(line.startswith("not in the matrix: ") for line in lines[:-1])
    assert layers("watch", "--format", "github").out == ("version=\nversions=[]\nrebuild=\nreason=nothing to do\n")


def test_with_an_empty_ledger_the_newest_version_needs_a_release(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.0", "1.1")
    assert layers("watch", "--json").json["versions"] == ["1.1"]


def test_incomplete_releases_come_before_new_versions(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.0", "1.1", "1.2")
    here = [cell for cell in layers.matrix.cells if cell.region == "us-east-1"]
    record(layers, released(layers, 1, "1.0"), released(layers, 2, "1.1", here))
    result = layers("watch", "--json").json
    assert result["versions"] == ["1.1", "1.2"]
    assert result["incomplete"] == [
        {
            "layer_version": 2,
            "version": "1.1",
            "missing": ["eu-west-1/py3.12-x86_64", "eu-west-1/py3.12-aarch64"],
        }
    ]
    lines = layers("watch", "--format", "github").out.splitlines()
    assert lines == [
        "version=1.2",
        'versions=["1.1","1.2"]',
        "rebuild=",
        "reason=1.1 needs completing: layer version 2 misses 2 of 4 cells; "
        "1.2 needs a release: it is newer than 1.1, the newest in the ledger",
    ]


def test_a_release_that_misses_a_new_region_is_completed(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.0")
    record(layers, released(layers, 1, "1.0"))
    layers.keys["regions"] = [*layers.keys["regions"], "eu-north-1"]
    result = layers("watch", "--json").json
    assert result["versions"] == ["1.0"]
    assert result["release"] is None
    assert result["incomplete"][0]["missing"] == ["eu-north-1/py3.12-x86_64", "eu-north-1/py3.12-aarch64"]


def test_a_yanked_release_is_not_proposed_again(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.0", "1.1")
    record(layers, released(layers, 1, "1.1", yanked=Yanked(date=WHEN, reason="bad")))
    assert layers("watch", "--json").json["versions"] == []


def test_the_policy_of_the_matrix_is_applied(index: PackageIndex, layers: Layers) -> None:
    now = datetime.now(timezone.utc)
    offer(index, "1.0.1", uploaded=(now - timedelta(hours=1)).isoformat())
    record(layers, released(layers, 1, "1.0.0"))
    layers.keys["releases"] = {"policy": "every", "minimum_age": "2 days"}
    result = layers("watch", "--json").json
    (held,) = result["held_back"]
    assert result["release"] is None
    assert held["reason"] == "younger than 2 days"
    until = datetime.fromisoformat(held["until"].replace("Z", "+00:00"))
    assert timedelta(hours=46) < until - now < timedelta(hours=48)
    assert f"until {until:%Y-%m-%d %H:%M} UTC" in layers("watch", "--format", "github").out
    layers.keys["releases"] = "minor"
    assert layers("watch", "--json").json["release"] is None
    layers.keys["releases"] = "every"
    assert layers("watch", "--json").json["versions"] == ["1.0.1"]


def test_a_value_cannot_add_another_output(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.0")
    evil = 'x\nversion=6.6.6\r\nreason<<END\x85rebuild=6.6.6\u2028"'
    offer(index, "1.1", yanked=evil)
    record(layers, released(layers, 1, "1.0"))
    out = layers("watch", "--format", "github").out
    assert [line.split("=")[0] for line in out.splitlines()] == ["version", "versions", "rebuild", "reason"]
    assert out.startswith("version=\nversions=[]\nrebuild=\nreason=nothing to do; 1.1 is held back: yanked: x v")


@given(st.text(), st.lists(st.text()), st.text(), st.text())
def test_any_values_give_four_output_lines(version: str, versions: list[str], rebuild: str, reason: str) -> None:
    lines = outputs(version, versions, rebuild, reason).splitlines()
    assert [line.partition("=")[0] for line in lines] == ["version", "versions", "rebuild", "reason"]
    assert json.loads(lines[1].partition("=")[2]) == versions
    assert len(lines[3]) < 600


@pytest.mark.parametrize(
    "options", [["--json", "--format", "github"], ["--wait", "1m"], ["--version", "1", "--advisories"]]
)
def test_contradictory_options_are_usage_errors(options: list[str], layers: Layers) -> None:
    assert layers("watch", *options).code == 2


def test_an_invalid_wait_is_a_usage_error(layers: Layers) -> None:
    ended = layers("watch", "--version", "1.0", "--wait", "soon")
    assert ended.code == 2
    assert "2 days" in ended.err


def test_an_unreadable_index_or_ledger_is_named(index: PackageIndex, layers: Layers) -> None:
    assert "no package 'demo'" in layers("watch").err
    index.fault = lambda handler: send(handler, 500)
    ended = layers("watch")
    assert (ended.code, ended.out) == (3, "")
    assert "responds with status 500" in ended.err
    Path(layers.ledger).mkdir()
    (Path(layers.ledger) / "0001.json").write_text("{")
    ended = layers("watch", "--json")
    assert (ended.code, ended.out) == (3, "")
    assert "0001.json" in ended.err
