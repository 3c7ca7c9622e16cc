"""The environment that uv gets: the user's indexes and certificates, no settings that change the resolution."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.model.errors import BuildError, FailureClass
from builder.resolve import uv
from builder.resolve.uv import environment, local_files, without_addresses


def test_indexes_credentials_and_certificates_are_passed_on() -> None:
    own = {
        "UV_INDEX": "a=https://x/simple",
        "UV_INDEX_A_PASSWORD": "p",
        "SSL_CERT_FILE": "/c",
        "HTTPS_PROXY": "http://p",
    }
    assert own.items() <= environment(own).items()


def test_settings_that_change_the_resolution_are_not_passed_on() -> None:
    own = {"UV_PRERELEASE": "allow", "UV_EXCLUDE_NEWER": "2020-01-01", "UV_PYTHON": "3.8"}
    assert not own.keys() & environment(own).keys()


def test_relative_paths_start_at_the_users_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheels").mkdir()
    monkeypatch.chdir(tmp_path)
    seen = environment({"UV_FIND_LINKS": "wheels,https://x/links", "UV_CACHE_DIR": "cache"})
    assert seen["UV_FIND_LINKS"] == f"{tmp_path / 'wheels'},https://x/links"
    assert seen["UV_CACHE_DIR"] == str(tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("UV_INDEX", "./wheels own=wheels https://x/simple", "{0}/wheels own={0}/wheels https://x/simple"),
        ("UV_EXTRA_INDEX_URL", "wheels", "{0}/wheels"),
        ("UV_DEFAULT_INDEX", "own=wheels", "own={0}/wheels"),
        ("UV_INDEX_URL", "wheels", "{0}/wheels"),
        ("SSL_CERT_FILE", "ca.pem", "{0}/ca.pem"),
    ],
)
def test_indexes_and_certificates_in_relative_folders_are_found(
    name: str, value: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheels").mkdir()
    monkeypatch.chdir(tmp_path)
    assert environment({name: value, "PIP_CONFIG_FILE": os.devnull})[name] == expected.format(tmp_path)


def test_pips_index_is_used_if_uv_has_none() -> None:
    assert environment({"PIP_INDEX_URL": "https://x/simple"})["UV_DEFAULT_INDEX"] == "https://x/simple"
    both = environment({"PIP_INDEX_URL": "https://x/simple", "UV_DEFAULT_INDEX": "https://y/simple"})
    assert both["UV_DEFAULT_INDEX"] == "https://y/simple"


@pytest.mark.parametrize(
    "own",
    [
        {"UV_INDEX": "file:///missing"},
        {"UV_FIND_LINKS": "missing"},
        {"UV_FIND_LINKS": "https://x/links"},
        {"UV_INDEX": "a=https://x/y https://z/"},
        {"PIP_INDEX_URL": "https://x/simple"},
        {"UV_NO_INDEX": "1"},
        {"UV_CONFIG_FILE": "uv.toml"},
        {"PIP_INDEX_URL": "file:///missing"},
    ],
)
def test_a_place_that_is_not_a_folder_has_unknown_files(
    own: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert local_files({**_no_settings(tmp_path), **own}) is None


def test_the_public_index_has_no_local_files(tmp_path: Path) -> None:
    assert local_files(_no_settings(tmp_path)) == []


@pytest.mark.parametrize("setting", ["UV_FIND_LINKS={}", "PIP_FIND_LINKS={}", "UV_INDEX=own=file://{}"])
def test_the_files_of_a_local_index_are_listed_until_one_changes(setting: str, tmp_path: Path) -> None:
    index = tmp_path / "in%20dex"
    (index / "demo").mkdir(parents=True)
    wheel = index / "demo" / "demo-1.whl"
    wheel.write_bytes(b"1")
    name, _, place = setting.partition("=")
    value = place.format(str(index).replace("%", "%25") if "file:" in place else index)
    own = {**_no_settings(tmp_path), name: value}
    before = local_files(own)
    assert before is not None
    assert [path for path, _, _ in before] == [str(wheel)]
    assert local_files(own) == before
    wheel.write_bytes(b"12")
    assert local_files(own) not in (None, before)
    wheel.unlink()
    assert local_files(own) == []


def test_a_very_large_or_broken_local_index_has_unknown_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    index.mkdir()
    (index / "demo-1.whl").symlink_to(tmp_path / "missing")
    own = {**_no_settings(tmp_path), "UV_FIND_LINKS": str(index)}
    assert local_files(own) is None
    (tmp_path / "missing").write_bytes(b"")
    assert local_files(own) is not None
    monkeypatch.setattr("builder.resolve.uv.MAX_LOCAL_FILES", 0)
    assert local_files(own) is None


def test_uvs_configuration_file_may_name_a_local_folder(tmp_path: Path) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text("")
    assert local_files(_no_settings(tmp_path)) is None


def _no_settings(folder: Path) -> dict[str, str]:
    """Return an environment without configuration files of uv and pip."""
    return {"XDG_CONFIG_HOME": str(folder), "PIP_CONFIG_FILE": os.devnull}


def test_addresses_are_removed_from_messages() -> None:
    assert without_addresses("failed: https://user:secret@host/simple/x/ at") == "failed: the index at"


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"UV_DEFAULT_INDEX": "ftp://user:secret@host/simple"}, "ftp://user:secret@host/simple"),
        ({"UV_INDEX": "https://host/simple?a=b corp=/no/such/folder"}, "corp=/no/such/folder"),
        ({"UV_INDEX": "corp=HTTPS://host/simple /"}, None),
        ({"UV_DEFAULT_INDEX": "file:///no/such/folder", "UV_FIND_LINKS": "/no such/folder"}, None),
        ({}, None),
    ],
)
def test_an_index_that_is_no_url_and_no_folder_is_unusable(variables: dict[str, str], place: str | None) -> None:
    assert uv.unusable_index(variables) == place


def test_uv_that_does_not_end_is_a_temporary_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv, "MAX_SECONDS", 0)
    with pytest.raises(BuildError, match="uv has not ended after 0 minutes") as caught:
        uv.run(["pip", "list"], tmp_path)
    assert caught.value.failure_class is FailureClass.TEMPORARY
