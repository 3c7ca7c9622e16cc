"""Metadata that an index serves (PEP 658) and that differs from the wheel's own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from builder.archive.packed import pack
from builder.model.artifact import Locked, Manifest
from builder.model.errors import BuildError
from builder.model.progress import Quiet
from builder.pipeline.build import build
from builder.pipeline.lock_check import check_metadata
from builder.wheels.layer_content import PackedWheel
from tests.fakes.package_index import PackageIndex, running_index, send, use_index
from tests.fakes.wheels import make_wheel, matrix_of, target_of

HEADERS = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"


def serve_metadata(index: PackageIndex, metadata: bytes, patch: pytest.MonkeyPatch) -> None:
    """Let the index serve this metadata for demo's wheel."""
    whole = index.page

    def page(project: str) -> tuple[bytes, str]:
        body, form = whole(project)
        document = json.loads(body)
        if project == "demo":
            document["files"][0]["core-metadata"] = {"sha256": hashlib.sha256(metadata).hexdigest()}
        return json.dumps(document).encode(), form

    patch.setattr(index, "page", page)
    index.fault = lambda handler: handler.path.endswith(".metadata") and send(handler, 200, metadata)


def made(
    folder: Path, patch: pytest.MonkeyPatch, served: str, requires: tuple[str, ...], keys: Mapping[str, object]
) -> Manifest:
    """Build demo, whose wheel requires ``requires``, from an index that serves other metadata."""
    patch.setenv("LAYERS_CACHE_DIR", str(folder / "cache"))
    with running_index() as index:
        use_index(patch, f"{index.address}/simple", folder)
        for name in ("one", "two"):
            index.add_wheel(make_wheel(folder, name))
        index.add_wheel(make_wheel(folder, "demo", requires=requires))
        serve_metadata(index, f"{HEADERS}{served}".encode(), patch)
        matrix = matrix_of("demo", bytecode="off", **keys)
        return build(matrix, "1.0", matrix.targets, folder / "out", Quiet())


@pytest.mark.parametrize(
    ("served", "requires", "problem"),
    [
        ("Requires-Dist: two\n", ("one",), "demo-1.0-py3-none-any.whl requires one, which the lock does not have"),
        ("", ("one",), "requires one, which the lock does not have"),
        ("Requires-Dist: one\n", ("one>=2",), "requires one>=2, the lock has 1.0"),
    ],
)
def test_metadata_of_an_index_that_hides_a_requirement_is_refused(
    served: str, requires: tuple[str, ...], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BuildError, match="metadata in a wheel differs") as caught:
        made(tmp_path, monkeypatch, served, requires, {})
    assert problem in str(caught.value)
    assert "http://127.0.0.1" in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_metadata_of_an_index_that_adds_a_requirement_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = made(tmp_path, monkeypatch, "Requires-Dist: two\n", (), {})
    assert "two is required by no wheel's own metadata" in str(manifest.artifacts[0].findings)


@pytest.mark.parametrize(
    ("requires", "keys"),
    [
        (("one", 'two; extra == "x"', 'two; python_version < "3"'), {}),
        (("one==9",), {"override": ["one==1.0"]}),
        (("one", "two"), {"exclude": ["two"]}),
    ],
)
def test_equal_metadata_is_accepted(
    requires: tuple[str, ...], keys: Mapping[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = "".join(f"Requires-Dist: {each}\n" for each in requires)
    artifact = made(tmp_path, monkeypatch, served, requires, keys).artifacts[0]
    assert [each.name for each in artifact.lock] == ["demo", "one"]
    assert not [each for each in artifact.findings if each.code == "metadata-differs"]


def test_an_extra_that_a_requirement_lost_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = made(tmp_path, monkeypatch, "Requires-Dist: one[gone]\n", ("one[gone]", "two"), {"exclude": ["two"]})
    (finding,) = (each for each in manifest.artifacts[0].findings if each.code == "extra-missing")
    assert finding.message == "one 1.0 has no extra 'gone', which demo 1.0 requires: it adds nothing"


def test_an_upper_bound_of_requires_python_that_uv_ignores_is_a_warning(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", metadata="Requires-Python: >=3.8,<3.12\n")
    matrix = matrix_of("demo", bytecode="off")
    (artifact,) = build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet()).artifacts
    (finding,) = artifact.findings
    assert (finding.level, finding.code) == ("warning", "python-required")
    assert (
        "demo-1.0-py3-none-any.whl: its METADATA requires Python <3.12,>=3.8, the target has 3.12." in finding.message
    )


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ("Name: other\nVersion: 1.0\n", "its METADATA says other 1.0, not demo 1.0"),
        ("Requires-Python: >=3.13\n", "its METADATA requires Python >=3.13, the target has 3.12."),
        ("Requires-Python: ==3.11.*\n", "its METADATA requires Python ==3.11.*, the target has 3.12."),
        ("Requires-Python: nonsense\n", None),
    ],
)
def test_the_headers_of_a_wheel_must_be_of_the_locked_package(metadata: str, problem: str | None) -> None:
    text = metadata if "Name" in metadata else f"Name: demo\nVersion: 1.0\n{metadata}"
    wheel = PackedWheel(
        Locked(name="demo", version="1.0", filename="demo-1.0-py3-none-any.whl", sha256="0" * 64),
        {
            f"demo-1.0.dist-info/{name}": pack(content)
            for name, content in (("METADATA", text.encode()), ("RECORD", b""))
        },
    )
    if problem is None:
        assert check_metadata([wheel], target_of(), None) == []
    else:
        with pytest.raises(BuildError, match=re.escape(problem)):
            check_metadata([wheel], target_of(), None)
