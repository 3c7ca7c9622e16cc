"""The modules that a canary function imports, for any package."""

from __future__ import annotations

import importlib.metadata
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from publisher.canary.function.canary import import_names
from publisher.canary.function_zip import function_zip
from tests.fakes.zips import distribution

EMPTY = b""


def installed(folder: Path, files: Mapping[str, bytes]) -> importlib.metadata.Distribution:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (found,) = importlib.metadata.distributions(path=[str(folder / "python")])
    return found


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["demo/__init__.py", "demo/sub/__init__.py", "demo/data.json"], ["demo"]),
        (["demo.py", "_demo_speed.cpython-312-x86_64-linux-gnu.so"], ["demo"]),
        (["_demo.abi3.so"], ["_demo"]),
        (["one/__init__.py", "two/__init__.py", "tests/__init__.py", "examples/run.py"], ["one", "two"]),
        (["company/cloud/storage/__init__.py", "company/cloud/storage/a.py"], ["company.cloud.storage"]),
        (["company/one/__init__.py", "company/two/__init__.py", "company/note.py"], ["company.one", "company.two"]),
        (["company/tool.py"], ["company.tool"]),
        (["bin/demo.py", "demo/__init__.py", "share/not-a-module/x.py", "../../bin/demo"], ["demo"]),
        (["De_Mo/__init__.py", "demo/__init__.py", "beside/__init__.py"], ["demo"]),
        (["company/_private/__init__.py", "company/one/__init__.py"], ["company.one"]),
        ([], []),
    ],
)
def test_the_modules_to_import_follow_the_files(tmp_path: Path, files: list[str], names: list[str]) -> None:
    content = distribution("demo", files=dict.fromkeys(files, EMPTY))
    assert import_names(installed(tmp_path, content)) == names


def test_a_namespace_package_is_preferred_to_its_siblings_if_the_names_match(tmp_path: Path) -> None:
    beside = ("_storage", "storage_control")
    files = [f"company/cloud/{name}/__init__.py" for name in ("storage", *beside)]
    content = distribution("company_cloud.storage", files=dict.fromkeys(files, EMPTY))
    assert import_names(installed(tmp_path, content)) == ["company.cloud.storage"]


def test_without_record_the_names_come_from_top_level_txt(tmp_path: Path) -> None:
    content = {path: data for path, data in distribution("demo").items() if not path.endswith("RECORD")}
    info = "python/demo-1.0.dist-info"
    found = installed(tmp_path, {**content, f"{info}/top_level.txt": b"demo\n_private\n"})
    assert import_names(found) == ["demo"]


def test_the_zip_is_reproducible_and_readable_by_lambdas_user() -> None:
    before = function_zip()
    function_zip.cache_clear()
    assert function_zip() == before
    with zipfile.ZipFile(io.BytesIO(before)) as archive:
        (info,) = archive.infolist()
        assert (info.filename, info.date_time[0], info.external_attr >> 16) == ("canary.py", 1980, 0o100644)
