"""``--version`` and ``--wait``: a named version on the index, waiting for one, yanked versions."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from builder.model.artifact import Locked, read_manifest
from publisher.ledger.release import TargetRecord, Yanked
from tests.conftest import Sandbox
from tests.fakes.command import Layers
from tests.fakes.package_index import PackageIndex, send
from tests.fakes.wheels import make_wheel
from tests.publisher.reconcile.plan_cases import WHEN, release
from tests.publisher.watch.watch_cases import offer, record, released

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


def test_a_region_that_the_matrix_does_not_have_is_refused_without_waiting(index: PackageIndex, layers: Layers) -> None:
    ended = layers("publish", "--version", "1.1", "--wait", "5s", "--region", "ap-south-1", "--yes")
    assert ended.code == 3
    assert "region ap-south-1 is not in the matrix" in ended.err
    assert index.page_requests() == 0


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
