"""``layers watch`` as a workflow and a person run it; waiting for a version; yanked versions."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.artifact import Locked, read_manifest
from builder.model.matrix import Cell
from builder.model.matrix_file import load_matrix
from publisher.cli.watch import _show_table
from publisher.ledger.folder import file_name, record_bytes
from publisher.ledger.release import Release, TargetRecord, Yanked
from publisher.watch.incomplete_releases import IncompleteRelease
from publisher.watch.matrix_gaps import MatrixGaps
from publisher.watch.policy import Choice, HeldBack, Proposal
from publisher.watch.watch_report import WatchReport, outputs
from tests import REPOSITORY
from tests.conftest import Sandbox
from tests.fakes.command import Layers
from tests.fakes.package_index import PackageIndex, send
from tests.fakes.wheels import make_wheel
from tests.publisher.reconcile.plan_cases import WHEN, release


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    made = Layers(tmp_path)
    made.keys["bytecode"] = "off"
    return made


def record(layers: Layers, *releases: Release) -> None:
    folder = Path(layers.ledger)
    folder.mkdir(exist_ok=True)
    for each in releases:
        (folder / file_name(each.layer_version)).write_bytes(record_bytes(each))


def released(layers: Layers, number: int, version: str, cells: Sequence[Cell] | None = None, **more: object) -> Release:
    where = layers.matrix.cells if cells is None else tuple(cells)
    whole = len(where) == len(layers.matrix.cells)
    return release(layers.matrix, number, version, where, **{"completed": WHEN if whole else None, **more})


def offer(index: PackageIndex, *versions: str, **more: Any) -> None:
    for version in versions:
        index.add(f"demo-{version}-py3-none-any.whl", **more)


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


# --version


def test_a_named_version_is_normalized(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.2.0", "2.0rc1", "2.0.dev3")
    assert layers("watch", "--version", "1.2.0").out == "1.2.0\n"
    assert layers("watch", "--version", "v1.2").out == "1.2.0\n"
    assert layers("watch", "--version", "2.0-RC.1").out == "2.0rc1\n"
    assert layers("watch", "--version", "latest").out == "1.2.0\n"
    assert layers("watch", "--version", "1.2", "--json").json == {
        "package": "demo", "version": "1.2.0", "versions": ["1.2.0"],
    }  # fmt: skip
    assert layers("watch", "--version", "1.2", "--format", "github").out == (
        'version=1.2.0\nversions=["1.2.0"]\nrebuild=\nreason=1.2.0 was requested\nlocked=false\n'
    )


def test_a_named_version_with_recorded_locks_can_be_built_from_them(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.2.0", yanked="breaks agents")
    made = released(layers, 1, "1.2.0", layers.matrix.cells[:1])
    record(layers, made)
    assert "locked=false\n" in layers("watch", "--version", "1.2.0", "--format", "github").out
    lock = (Locked(name="demo", version="1.2.0", filename="demo-1.2.0-py3-none-any.whl", sha256="0" * 64),)
    targets = [t.model_copy(update={"lock": lock}) for t in made.targets]
    record(layers, made.with_targets(*targets))
    assert "locked=true\n" in layers("watch", "--version", "1.2.0", "--format", "github").out


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.3", "no demo 1.3; its newest is 1.2"),
        ("1.1", "was yanked from the package index: breaks agents"),
        ("1.2", "but it has no wheel for py3.12-x86_64, py3.12-aarch64"),
        ("refs/tags/v1.0", "the tag alone"),
        ("1.0; rm -rf /", "'1.0; rm -rf /' is not a version"),
        ("$(id)", "'$(id)' is not a version"),
        ("1.0\nversion=2", r"'1.0\nversion=2' is not a version"),
        ("\x1b[31m1.0", r"'\x1b[31m1.0' is not a version"),
        ("9" * 5000, "is not a version"),
        ("1.0+" + "x" * 3000, "no demo 1.0+xxx"),
    ],
)
def test_an_unavailable_version_is_refused_with_the_reason(
    version: str, words: str, index: PackageIndex, layers: Layers
) -> None:
    offer(index, "1.0")
    offer(index, "1.1", yanked="breaks agents")
    index.add("demo-1.2.tar.gz")
    ended = layers("watch", "--version", version, "--format", "github")
    assert (ended.code, ended.out) == (3, "")
    assert words in ended.err
    assert "→" in ended.err
    assert len(ended.err) < 600


def test_a_recorded_version_needs_no_index(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.0", yanked="broken")
    record(layers, released(layers, 3, "1.0", layers.matrix.cells[:2]))
    ended = layers("watch", "--version", "1.0")
    assert (ended.code, ended.out) == (0, "1.0\n")
    assert "layer version 3 has it, and is completed from its record" in ended.err
    record(layers, released(layers, 3, "1.0", yanked=Yanked(date=WHEN, reason="bad")))
    assert layers("watch", "--version", "1.0").code == 3


# --wait


def test_wait_ends_when_the_version_appears(index: PackageIndex, layers: Layers, tmp_path: Path) -> None:
    """The index fails in between, and the files appear one by one."""
    offer(index, "1.0")
    wheel = make_wheel(tmp_path, "demo", "1.1")

    def publish() -> None:
        index.fault = lambda handler: send(handler, 503)
        time.sleep(1.2)
        index.fault = None
        index.add("demo-1.1.tar.gz")
        time.sleep(1.2)
        index.add_wheel(wheel)

    index.kept = "max-age=600"
    assert layers("build", "--version", "1.1", "--output", str(tmp_path / "dist")).code == 3
    thread = threading.Thread(target=publish)
    thread.start()
    ended = layers("build", "--version", "1.1", "--wait", "20 s", "--output", str(tmp_path / "dist"))
    thread.join()
    assert ended.code == 0, ended.err
    assert read_manifest(tmp_path / "dist").version == "1.1"
    assert "responds with status 503; checking again for" in ended.err
    assert "it has no wheel for py3.12-x86_64, py3.12-aarch64; checking again" in ended.err


def test_wait_ends_with_an_error_after_the_given_time(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.0")
    started = time.monotonic()
    ended = layers("watch", "--version", "1.1", "--wait", "2s", "--json")
    assert 2 <= time.monotonic() - started < 8
    assert (ended.code, ended.out) == (3, "")
    assert "no demo 1.1; its newest is 1.0 (waited 2 seconds)" in ended.err
    assert index.page_requests() == 3


def test_wait_does_not_wait_for_a_yanked_version(index: PackageIndex, layers: Layers) -> None:
    offer(index, "1.1", yanked="broken")
    for options in (["watch"], ["build"], ["publish", "--yes"]):
        ended = layers(*options, "--version", "1.1", "--wait", "1h")
        assert ended.code == 3
        assert "was yanked" in ended.err
    assert layers("watch", "--version", "latest", "--wait", "1h").code == 2
    assert layers("publish", "--version", "1.1", "--artifacts", "x", "--wait", "1h", "--yes").code == 2
    assert layers("build", "--version", "1.1", "--locked", "--wait", "1h").code == 2


# A yanked version and publish


def test_a_yanked_version_is_not_published(
    index: PackageIndex, layers: Layers, sandbox: Sandbox, tmp_path: Path
) -> None:
    index.add_wheel(make_wheel(tmp_path, "demo", "1.0"), yanked="broken")
    ended = layers("publish", "--version", "1.0", "--yes")
    assert ended.code == 3
    assert "demo 1.0 was yanked from the package index: broken" in ended.err
    assert sandbox.layers().list_layers()["Layers"] == []
    assert not Path(layers.ledger).exists()


def test_a_started_release_of_a_yanked_version_is_completed(
    index: PackageIndex, layers: Layers, sandbox: Sandbox, tmp_path: Path
) -> None:
    entry = index.add_wheel(make_wheel(tmp_path, "demo", "1.0"))
    built = layers("build", "--version", "1.0", "--output", str(tmp_path / "dist"), "--json").json
    known = ("python", "architecture", "layer_name", "sha256", "lock")
    targets = tuple(TargetRecord.model_validate({key: each[key] for key in known}) for each in built["artifacts"])
    record(layers, release(layers.matrix, 1, "1.0", (), targets=targets))
    entry.yanked = "broken"
    assert layers("watch", "--json").json["versions"] == ["1.0"]
    ended = layers("publish", "--version", "1.0", "--wait", "1m", "--yes", "--json")
    assert ended.code == 0, ended.err
    assert {cell["sha256"] for cell in ended.json["cells"]} == {each["sha256"] for each in built["artifacts"]}
    assert json.loads(layers("watch", "--json").out)["versions"] == []
