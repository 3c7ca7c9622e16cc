"""The cached runtime client: only a folder that nobody else can have written is run."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from builder.model.errors import BuildError
from builder.resolve import uv
from builder.smoke.runtime_client import client_folder
from tests.fakes.wheels import target_of


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a client that a stand-in for uv installed."""
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))

    def install(arguments: list[str], folder: Path) -> CompletedProcess[str]:
        Path(arguments[arguments.index("--target") + 1]).mkdir()
        return CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(uv, "run", install)
    return client_folder(target_of())


def test_a_cached_client_is_used_again(installed: Path) -> None:
    assert client_folder(target_of()) == installed


def test_a_folder_that_others_may_write_is_refused(installed: Path) -> None:
    installed.chmod(0o777)
    with pytest.raises(BuildError, match="LAYERS_CACHE_DIR"):
        client_folder(target_of())


def test_a_folder_of_another_user_is_refused(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = installed.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    with pytest.raises(BuildError, match="another user"):
        client_folder(target_of())
