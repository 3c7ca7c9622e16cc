"""Builds from wheels made in the test: contents of a zip, warnings, limits."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from builder.inspection.inspector import inspect_zip
from builder.model.artifact import read_manifest
from builder.model.errors import BuildError
from builder.model.work_folder import work_folder
from builder.pipeline import build as building
from builder.pipeline import preflight
from builder.pipeline.build import build
from tests import REPOSITORY
from tests.builder.pipeline.small_builds import FILES, contents, made
from tests.fakes.notes import Notes
from tests.fakes.wheels import make_wheel, matrix_of

pytestmark = pytest.mark.usefixtures("index")


def test_the_manifest_describes_the_zip(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files=FILES, requires=("other",))
    make_wheel(index, "other")
    manifest = made(tmp_path / "out")
    (artifact,) = manifest.artifacts
    files = contents(tmp_path / "out" / artifact.file)
    assert sorted(files) == [
        "python/demo-1.0.dist-info/METADATA",
        "python/demo-1.0.dist-info/RECORD",
        "python/demo-1.0.dist-info/WHEEL",
        "python/demo/__init__.py",
        "python/demo/__pycache__/__init__.cpython-312.pyc",
        "python/demo/data.txt",
        "python/demo/old.py",
        "python/demo/sub/__init__.py",
        "python/demo/sub/__pycache__/__init__.cpython-312.pyc",
        "python/other-1.0.dist-info/METADATA",
        "python/other-1.0.dist-info/RECORD",
        "python/other-1.0.dist-info/WHEEL",
        "python/other/__init__.py",
        "python/other/__pycache__/__init__.cpython-312.pyc",
    ]
    data = (tmp_path / "out" / artifact.file).read_bytes()
    assert (artifact.sha256, artifact.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert artifact.findings == ()
    assert artifact.unzipped_size == sum(map(len, files.values()))
    assert [(p.name, p.version, p.filename) for p in artifact.lock] == [
        ("demo", "1.0", "demo-1.0-py3-none-any.whl"),
        ("other", "1.0", "other-1.0-py3-none-any.whl"),
    ]
    wheel = (index / "demo-1.0-py3-none-any.whl").read_bytes()
    assert artifact.lock[0].sha256 == hashlib.sha256(wheel).hexdigest()
    assert artifact.sbom is not None
    sbom = (tmp_path / "out" / artifact.sbom).read_bytes()
    assert hashlib.sha256(sbom).hexdigest() == artifact.sbom_sha256
    assert {c["name"] for c in json.loads(sbom)["components"]} == {"demo", "other"}
    assert read_manifest(tmp_path / "out") == manifest


def test_record_lists_the_files_of_the_zip(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files=FILES, entry_points="[console_scripts]\ndemo = demo:main\n")
    files = contents(tmp_path / "out" / made(tmp_path / "out").artifacts[0].file)
    rows = [line.split(",") for line in files["python/demo-1.0.dist-info/RECORD"].decode().splitlines()]
    listed = {f"python/{path}": size for path, _, size in rows}
    assert listed.keys() == {path for path in files if not path.endswith(".pyc")}
    assert all(len(files[path]) == int(size) for path, size in listed.items() if size)


def test_the_first_of_two_wheels_keeps_a_common_file(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files={"shared.py": "of = 'demo'\n"}, requires=("other", "third"))
    make_wheel(index, "other", files={"shared.py": "of = 'other'\n"})
    make_wheel(index, "third", files={"shared.py": "of = 'demo'\n"})
    (artifact,) = made(tmp_path / "out").artifacts
    files = contents(tmp_path / "out" / artifact.file)
    assert files["python/shared.py"] == b"of = 'demo'\n"
    assert [(f.code, f.path) for f in artifact.findings] == [("wheels-collide", "python/shared.py")]
    assert b"shared.py" not in files["python/other-1.0.dist-info/RECORD"]
    assert b"shared.py" in files["python/third-1.0.dist-info/RECORD"]


def test_two_wheels_with_the_same_files_are_one_warning(index: Path, tmp_path: Path) -> None:
    files = {f"pix/f{number}.py": "" for number in range(20)}
    make_wheel(index, "demo", requires=("pix-gui", "pix-headless", "pix-none"))
    for kind in ("gui", "headless", "none"):
        own = dict.fromkeys(files, f"kind = {kind!r}\n")
        make_wheel(index, f"pix_{kind}", files={**own, f"pix/{kind}.py": ""})
    matrix, notes = matrix_of("demo", "3.11", "3.12"), Notes()
    manifest = build(matrix, "1.0", matrix.targets, tmp_path / "out", notes)
    assert notes.lines == [
        f"warning: wheels-collide: python/pix/f0.py: pix-gui and pix-{loser} both have this file and 19 more, "
        "with different content; the layer has the content of pix-gui"
        for loser in ("headless", "none")
    ]
    assert [len(artifact.findings) for artifact in manifest.artifacts] == [2, 2]
    layer = contents(tmp_path / "out" / manifest.artifacts[1].file)
    assert {layer[f"python/{path}"] for path in files} == {b"kind = 'gui'\n"}
    assert {"python/pix/gui.py", "python/pix/headless.py", "python/pix/none.py"} <= layer.keys()
    assert b"pix/none.py" in layer["python/pix_none-1.0.dist-info/RECORD"]
    assert b"pix/f0.py" not in layer["python/pix_none-1.0.dist-info/RECORD"]
    for artifact in manifest.artifacts:
        assert not [each for each in inspect_zip(tmp_path / "out" / artifact.file).findings if "record" in each.code]


def test_a_warning_for_some_targets_names_them(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files={"a.py": "1"}, requires=("other; python_version < '3.12'",))
    make_wheel(index, "other", files={"a.py": "2"})
    matrix, notes = matrix_of("demo", "3.11", "3.12", bytecode="off"), Notes()
    build(matrix, "1.0", matrix.targets, tmp_path / "out", notes)
    assert [line for line in notes.lines if "wheels-collide" in line and line.endswith(" (py3.11-x86_64)")]


def test_too_many_files_for_a_zip_are_an_error_with_the_largest_packages(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "demo", files={f"demo/d/f{n}.py": "" for n in range(60)}, requires=("other",))
    make_wheel(index, "other")
    monkeypatch.setattr(preflight, "MAX_ZIP_FILES", 20)
    with pytest.raises(BuildError, match=r"(?s)130 files.* 20\b.*largest are demo 125 files, other 5 files") as caught:
        made(tmp_path / "out")
    assert "bytecode" not in str(caught.value)
    monkeypatch.setattr(preflight, "MAX_ZIP_FILES", 100)
    with pytest.raises(BuildError, match=r"62 files of it are bytecode, and it fits without"):
        made(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    (artifact,) = made(tmp_path / "out", matrix_of("demo", bytecode="off")).artifacts
    assert "pyc-none" not in {each.code for each in artifact.findings}  # the user knows


def test_the_error_for_a_too_large_layer_offers_to_leave_out_bytecode(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "demo", files={"demo/big.py": "".join(f"def f{n}(): return {n}\n" for n in range(999))})
    monkeypatch.setattr(preflight, "UNZIPPED_LIMIT_BYTES", 40_000)
    with pytest.raises(BuildError, match=r"set `bytecode: off` in the matrix, or use --no-bytecode"):
        made(tmp_path / "out")
    assert made(tmp_path / "out", matrix_of("demo", bytecode="off")).artifacts


def test_markers_are_evaluated_for_the_target(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", requires=("backport; python_version < '3.11'",))
    make_wheel(index, "backport")
    matrix = matrix_of("demo", "3.10", "3.12", bytecode="off")
    old, new = made(tmp_path / "out", matrix).artifacts
    assert [p.name for p in old.lock] == ["backport", "demo"]
    assert [p.name for p in new.lock] == ["demo"]
    assert old.interpreter is None
    assert not [name for name in contents(tmp_path / "out" / old.file) if name.endswith(".pyc")]


def test_a_size_above_lambdas_limit_is_refused(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(index, "demo", files={"demo/noise": os.urandom(9000)}, requires=("other",))
    make_wheel(index, "other")
    monkeypatch.setattr(preflight, "ZIPPED_LIMIT_BYTES", 5000)
    with pytest.raises(BuildError, match="Lambda allows 5,000 in a request") as caught:
        made(tmp_path / "out")
    assert "demo 0.0 MB, other" in str(caught.value)
    staged = matrix_of("demo", staging={"bucket": "b-{region}", "home": "us-east-1"})
    assert made(tmp_path / "staged", staged).artifacts[0].size > 5000
    monkeypatch.setattr(preflight, "UNZIPPED_LIMIT_BYTES", 8000)
    with pytest.raises(BuildError, match=r"the layer has [\d,]+ bytes unzipped; Lambda allows 8,000"):
        made(tmp_path / "out", matrix_of("demo", layer_name="x-{python}-{architecture}"))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_no_files(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "demo")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "x.zip")

    monkeypatch.setattr(building, "write_zip_file", full)
    with pytest.raises(BuildError, match="No space left on device"):
        made(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


SCRIPT = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
from builder.pipeline.build import build
from builder.resolve import locks
from builder.model.progress import Quiet
from tests.fakes.wheels import matrix_of
matrix = matrix_of("demo")
build(matrix, "1.0", matrix.targets, Path(sys.argv[1]), Quiet())
"""


def test_what_a_killed_build_left_is_deleted(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo")
    output = tmp_path / "out"
    (output / ".layers-build-old" / "files" / "wheels").mkdir(parents=True)
    with work_folder(output, ".layers-build-") as other:  # of a build at the same time
        made(output)
        assert other.is_dir()
    assert [path.name for path in output.glob(".layers-build-*")] == []


def test_umask_time_zone_and_hash_seed_do_not_change_the_bytes(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files=FILES, executable=("demo/data.txt",), requires=("other",))
    make_wheel(index, "other", files={"other/names.py": "a = 'x' in {'copy', 'dict', None, 'json'}\n"})
    root = REPOSITORY
    results = set()
    for number, (umask, zone, seed) in enumerate([("022", "UTC", "1"), ("077", "Asia/Tokyo", "2")]):
        home = tmp_path / f"home{number}"
        home.mkdir()
        environment = {
            **os.environ, "TZ": zone, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root), "LC_ALL": "C", "HOME": str(home),
            "LAYERS_CACHE_DIR": str(tmp_path / f"cache{number}"), "UV_CACHE_DIR": str(home / "uv"),
            "PYENV_ROOT": os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv"),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, "out", umask], cwd=home, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        results.add(tuple(sorted((p.name, p.read_bytes()) for p in (home / "out").iterdir())))
    assert len(results) == 1


def test_the_packages_of_a_zip_can_be_imported(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files={"demo/more.py": "from demo import version\n"})
    path = tmp_path / "out" / made(tmp_path / "out").artifacts[0].file
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        archive.extractall(tmp_path / "opt")
    code = "import demo.more, importlib.metadata as m; print(demo.more.version, m.version('demo'))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path / "opt" / "python")}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1.0", "1.0"]
