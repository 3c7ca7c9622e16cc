"""Fuzzing: requirements, projects and lock files are read or refused by name, whatever they contain."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from builder.model.errors import LayersError
from builder.model.text_files import read_toml
from builder.package.dependencies import check_python
from builder.package.local_packages import local_packages
from builder.requirements.declared import Selection
from builder.requirements.reader import find_requirements, read_requirements
from builder.requirements.uv_lock_check import find_differences
from tests.builder.requirements.conftest import TARGET
from tests.fakes.fuzzing import damaged, fuzz, mutated

DIGEST = "0" * 64
SMALL: dict[str, Any] = {
    "project": {"name": "agent", "version": "1", "dependencies": ["tinydep[fast]"],
                "optional-dependencies": {"api": ["other"]}},
}  # fmt: skip
PROJECT: dict[str, Any] = {
    "project": {
        "name": "agent", "version": "1", "requires-python": ">=3.10", "dynamic": ["readme"],
        "dependencies": ["tinydep[fast]>=1", "x @ https://example.org/x-1.0-py3-none-any.whl", "agent[api]"],
        "optional-dependencies": {"api": ["other; python_version > '3'"]},
    },
    "dependency-groups": {"dev": ["pytest", {"include-group": "lint"}], "lint": ["ruff"]},
    "build-system": {"requires": ["uv_build"]},
    "tool": {
        "uv": {
            "default-groups": ["dev"], "dev-dependencies": ["mypy"],
            "sources": {"other": [{"index": "mine", "extra": "api"}, {"path": "lib"}], "tinydep": {"workspace": True}},
            "index": [{"name": "mine", "url": "https://example.org/simple", "explicit": True}],
            "workspace": {"members": ["lib"], "exclude": ["x*"]}, "constraint-dependencies": ["base<3"],
            "exclude-dependencies": ["zzz"], "environments": ["sys_platform == 'linux'"], "resolution": "highest",
            "conflicts": [[{"extra": "api"}, {"group": "lint"}]],
        },
        "poetry": {
            "dependencies": {
                "python": "^3.10", "poe": "^1.2", "loc": {"path": "lib", "develop": True},
                "alt": {"version": ">=1 || <3", "extras": ["a"], "markers": "python_version > '3'", "python": ">=3.8"},
                "multi": [{"version": "1", "python": "<3.11"}, {"version": "2", "source": "mine"}],
            },
            "extras": {"e": ["alt"]}, "group": {"g": {"dependencies": {"gg": "*"}}},
            "source": [{"name": "mine", "url": "https://example.org/simple", "priority": "explicit"}],
        },
        "pdm": {"dev-dependencies": {"pd": ["pp"]}, "resolution": {"overrides": {"urllib3": "<2"}, "excludes": ["zz"]}},
        "hatch": {"envs": {"default": {"dependencies": ["h"]}}},
        "setuptools": {"dynamic": {"dependencies": {"file": ["requirements.txt"]}}},
    },
}  # fmt: skip


def _package(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "files": [{"file": name, "hash": f"sha256:{DIGEST}"}], **more}


POETRY_LOCK = {
    "package": [
        _package("base", groups=["main", "dev"], markers={"dev": "python_version < '3.11'"}),
        _package("other", groups=["main"], markers="extra == 'api'", source={"type": "url", "url": "https://h/o.whl"}),
        _package("tinydep", dependencies={"base": {"version": "^1.0", "optional": True}},
                 extras={"fast": ["base (>=1,<2)"]}),
    ],
    "extras": {"api": ["other"]},
    "metadata": {"lock-version": "2.1", "content-hash": "0", "files": {"base": []}},
}  # fmt: skip
PDM_LOCK = {
    "metadata": {"groups": ["default", "api"], "content_hash": "sha256:1"},
    "package": [
        _package("base", groups=["default"], marker="python_version >= '3.10'"),
        _package("other", groups=["api"], url="https://example.org/other-1.0-py3-none-any.whl"),
        _package("tinydep"),
        _package("tinydep", extras=["fast"], dependencies=["base>=1", "tinydep==1.0"]),
    ],
}
PYLOCK = {
    "lock-version": "1.0", "created-by": "t", "extras": ["api"], "dependency-groups": ["dev"],
    "requires-python": ">=3.10",
    "packages": [
        {
            "name": name, "version": "1.0", "marker": "'api' in extras or python_version > '3'",
            "wheels": [{"name": f"{name}-1.0-py3-none-any.whl", "path": "x/w.whl", "hashes": {"sha256": DIGEST}}],
        } for name in ("base", "tinydep")
    ] + [{"name": "d", "directory": {"path": "lib", "editable": True}}],
}  # fmt: skip
PIPFILE: dict[str, Any] = {
    "source": [{"url": "https://index.example/simple", "verify_ssl": True, "name": "pypi"}],
    "packages": {"tinydep": {"version": "*", "extras": ["fast"], "index": "pypi", "markers": "python_version > '3'"},
                 "loc": {"path": "lib"}, "o": {"version": "*", "sys_platform": "== 'win32'"}},
    "dev-packages": {"pytest": "*"}, "requires": {"python_version": "3.12"},
}  # fmt: skip
PIPFILE_LOCK = {
    "_meta": {"hash": {"sha256": DIGEST}, "requires": {"python_version": "3.12"}},
    "default": {
        "tinydep": {"hashes": [f"sha256:{DIGEST}"], "version": "==1.0", "markers": "python_version >= '3'"},
        "loc": {"path": "lib", "editable": True}, "other": {"file": "https://example.org/other-1.0-py3-none-any.whl"},
    },
}  # fmt: skip
UV_LOCK = {
    "package": [
        {"name": "agent", "version": "1", "source": {"editable": "."}, "metadata": {
            "requires-dist": [{"name": "other", "marker": "extra == 'api'", "specifier": "==1.*", "extras": ["x"]}],
            "requires-dev": {"dev": [{"name": "grouped", "specifier": "<2"}]}}},
        {"name": "other", "version": "1.0", "source": {"registry": "x"}},
    ],
    "manifest": {"constraints": [{"name": "grouped", "specifier": "<1.5"}], "excludes": ["zzz"],
                 "dependency-groups": {"dev": [{"name": "grouped"}]}},
}  # fmt: skip
REQUIREMENTS = rb"""--pre
tinydep[fast]>=1,<2 ; python_version >= "3.10" --hash=sha256:00 \
    --hash=sha256:11
-e ./lib
./lib[extra]
x @ https://example.org/x-1.0-py3-none-any.whl
"""
WORDS = (
    b"-r ", b"-c ", b"-e ", b"--hash=", b" @ ", b"file://", b"\\\n", b"# coding: utf-16\n", b"# coding: zip\n", b"[",
    b";", b"===", b"../", b"\0", b"--", b"http://[", b"-r requirements.txt\n", b"-r .\n", b"~nobody/", b"git+",
)  # fmt: skip
SELECTIONS = st.sampled_from([Selection(), Selection(all_extras=True, groups=("dev",)), Selection(use_lock=False)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an app, with a local package."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "pyproject.toml").write_bytes(_toml({"project": {"name": "lib", "version": "1"}}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _toml(value: Mapping[str, Any]) -> bytes:
    return "".join(f"{_key(key)} = {_literal(each)}\n" for key, each in value.items()).encode()


def _key(text: object) -> str:
    return json.dumps(str(text).encode("utf-8", "replace").decode()).replace("\x7f", "\\u007f")


def _literal(value: Any) -> str:
    """Return a value in TOML, on one line. TOML has no null."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return str(value).lower() if isinstance(value, bool | int | float) else _key(value or "")


def _reader(folder: Path, name: str, others: Mapping[str, bytes]) -> Callable[[tuple[bytes, Selection]], None]:
    """Return a function that writes the file beside others, and reads the app's requirements."""
    for other, content in others.items():
        (folder / other).write_bytes(content)

    def read(example: tuple[bytes, Selection]) -> None:
        (folder / name).write_bytes(example[0])
        with suppress(LayersError):
            source, _ = find_requirements(folder)
            if source is None:  # a pyproject.toml that no longer declares a project
                assert name == "pyproject.toml"
                return
            requirements = read_requirements(source, TARGET, example[1])
            check_python(requirements, TARGET)
            local_packages(requirements, TARGET)

    return read


@pytest.mark.parametrize(
    ("name", "document", "others"),
    [
        ("pyproject.toml", PROJECT, {}),
        ("poetry.lock", POETRY_LOCK, {"pyproject.toml": SMALL}),
        ("pdm.lock", PDM_LOCK, {"pyproject.toml": SMALL}),
        ("pylock.toml", PYLOCK, {"pyproject.toml": SMALL}),
        ("pylock.toml", PYLOCK, {}),
        ("Pipfile", PIPFILE, {}),
        ("Pipfile.lock", PIPFILE_LOCK, {"Pipfile": PIPFILE}),
    ],
)
def test_any_project_and_lock_file_is_read_or_refused(
    folder: Path, name: str, document: dict[str, Any], others: Mapping[str, dict[str, Any]]
) -> None:
    def encoded(value: Any) -> bytes:
        return json.dumps(value).encode() if name == "Pipfile.lock" else _toml(value)

    read = _reader(folder, name, {other: _toml(each) for other, each in others.items()})
    read((encoded(document), Selection()))
    fuzz(st.tuples(damaged(document).map(encoded) | mutated(encoded(document)), SELECTIONS), read)


def test_any_requirements_file_is_read_or_refused(folder: Path) -> None:
    fuzz(st.tuples(mutated(REQUIREMENTS, WORDS), SELECTIONS), _reader(folder, "requirements.txt", {}))


def test_any_uv_lock_is_compared_or_refused(folder: Path) -> None:
    """uv reads the lock itself; the comparison with the project must not rely on that."""
    lock = folder / "uv.lock"
    (folder / "pyproject.toml").write_bytes(_toml(SMALL))

    def compare(content: bytes) -> None:
        lock.write_bytes(content)
        with suppress(LayersError):
            document = read_toml(lock)
            assert document is not None
            list(find_differences(document, lock, folder, set()))

    compare(_toml(UV_LOCK))
    fuzz(damaged(UV_LOCK).map(_toml), compare)
