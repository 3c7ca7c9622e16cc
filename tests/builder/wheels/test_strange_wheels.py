"""Builds from wheels that are malformed, or legal and unusual."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from builder.model.artifact import Manifest
from builder.model.errors import BuildError
from builder.model.progress import Quiet
from builder.pipeline import wheel_packing
from builder.pipeline.build import build
from builder.wheels import unpack
from builder.wheels.layer_content import MAX_HEADER_BYTES
from tests.fakes.package_index import running_index, use_index
from tests.fakes.wheels import make_wheel, matrix_of

WHEEL = "demo-1.0-py3-none-any.whl"


def made(output: Path) -> Manifest:
    matrix = matrix_of("demo", bytecode="off")
    return build(matrix, "1.0", matrix.targets, output, Quiet())


def test_metadata_with_megabytes_of_headers_is_refused(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", metadata="Classifier: a\n" * (MAX_HEADER_BYTES // 14))
    with pytest.raises(BuildError, match="bytes of headers") as caught:
        made(tmp_path / "out")
    assert caught.value.where == WHEEL
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_long_description_is_accepted(line_end: str, index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", metadata=f"{line_end}{line_end}{'a' * 2 * MAX_HEADER_BYTES}")
    assert made(tmp_path / "out").artifacts


MALFORMED: dict[str, dict[str, Any]] = {
    "entry_points.txt": {"entry_points": "[console_scripts\n"},
    "Script path": {"entry_points": "[console_scripts]\n../../run = demo:main\n"},
    "wheel data type: other": {"files": {"demo-1.0.data/other/a.py": ""}},
    "File name too long": {"files": {f"demo/{'x' * 300}.py": ""}},
    "File exists": {"files": {"demo/a": "", "demo/a/b.py": ""}},
    "wheel major version": {"wheel_version": "2.0"},
    "`RECORD` file is invalid": {"files": {"a,b,no size": ""}},
    "the name of its .data folder": {"files": {"Demo-1.0.0.data/purelib/a.py": ""}},
    "it has 2 RECORDs of demo": {"files": {"demo-1.0.data/purelib/Demo-2.dist-info/RECORD": ""}},
}


#: Changes of a wheel: from the name of a file in it to the file's new name, None to delete it.
INCOMPLETE: dict[str, tuple[str, str | None]] = {
    "RECORD": ("demo-1.0.dist-info/RECORD", None),
    "WHEEL": ("demo-1.0.dist-info/WHEEL", None),
    "METADATA": ("demo-1.0.dist-info/METADATA", None),
    "Multiple .dist-info": ("demo/__init__.py", "other-2.0.dist-info/METADATA"),
}


@pytest.mark.parametrize("cause", INCOMPLETE)
def test_a_wheel_with_a_wrong_dist_info_folder_is_named(cause: str, index: Path, tmp_path: Path) -> None:
    path = make_wheel(index, "demo")
    old, new = INCOMPLETE[cause]
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            if name != old or new:
                archive.writestr(new or name if name == old else name, data)
    with pytest.raises(BuildError, match=f"the wheel is malformed: .*{cause}") as caught:
        made(tmp_path / "out")
    assert (caught.value.where or "").startswith("demo")
    assert str(tmp_path) not in str(caught.value)


def test_the_metadata_of_another_package_in_a_wheel_is_not_taken_for_its_own(index: Path, tmp_path: Path) -> None:
    other = "demo-1.0.data/purelib/another-2.0.dist-info"
    make_wheel(index, "demo", files={f"{other}/METADATA": "Name: another\nVersion: 2.0\n", f"{other}/RECORD": ""})
    (locked,) = made(tmp_path / "out").artifacts[0].lock
    assert (locked.name, locked.version) == ("demo", "1.0")


def test_a_wheel_that_is_too_large_for_lambda_is_refused_before_it_is_compressed(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "demo", files={"demo/model.bin": "a" * 50_000})
    monkeypatch.setattr(unpack, "UNZIPPED_LIMIT_BYTES", 40_000)
    monkeypatch.setattr(wheel_packing, "pack", None)
    with pytest.raises(BuildError, match=r"50,\d\d\d bytes unzipped; Lambda allows 40,000") as caught:
        made(tmp_path / "out")
    assert caught.value.where == WHEEL
    assert "--exclude demo" in str(caught.value)


@pytest.mark.parametrize("cause", MALFORMED)
def test_a_malformed_wheel_is_named_with_the_cause(cause: str, index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", **MALFORMED[cause])
    with pytest.raises(BuildError, match=f"the wheel is malformed: .*{cause}") as caught:
        made(tmp_path / "out")
    assert caught.value.where in (WHEEL, "demo 1.0", "Demo-1.0.0.data")
    assert "run the command again" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("tag", ["cp312-cp312-win_amd64", "py2-none-any"])
def test_a_wheel_file_with_other_tags_than_the_file_name_is_a_warning(tag: str, index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", tag=tag).rename(index / WHEEL)
    findings = made(tmp_path / "out").artifacts[0].findings
    assert [each.message for each in findings if each.code == "wheel-tag"] == [
        f"{WHEEL} says {tag} in its WHEEL file, unlike its file name"
    ]


@pytest.mark.parametrize("names", [("py3-none-any", "py2.py3-none-any"), ("py2.py3-none-any", "py3-none-any")])
def test_a_wheel_file_with_a_tag_of_the_file_name_is_accepted(
    names: tuple[str, str], index: Path, tmp_path: Path
) -> None:
    make_wheel(index, "demo", tag=names[0]).rename(index / f"demo-1.0-{names[1]}.whl")
    assert "wheel-tag" not in {each.code for each in made(tmp_path / "out").artifacts[0].findings}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_wheel_with_two_entries_of_one_name_is_malformed(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
    with running_index() as served:
        use_index(monkeypatch, f"{served.address}/simple", tmp_path)
        wheel = make_wheel(index, "demo")
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr("demo/__init__.py", "other = 1\n")
        served.add_wheel(wheel)
        with pytest.raises(BuildError, match=r"the wheel is malformed: .*multiple entries") as caught:
            made(tmp_path / "out")
    assert "run the command again" not in str(caught.value)
