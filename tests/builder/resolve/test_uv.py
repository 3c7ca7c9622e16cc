"""The environment that uv gets: the user's indexes and certificates, no settings that change the resolution."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.resolve.uv import asks_the_web_only, environment, without_addresses


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


def test_pips_index_is_used_if_uv_has_none() -> None:
    assert environment({"PIP_INDEX_URL": "https://x/simple"})["UV_DEFAULT_INDEX"] == "https://x/simple"
    both = environment({"PIP_INDEX_URL": "https://x/simple", "UV_DEFAULT_INDEX": "https://y/simple"})
    assert both["UV_DEFAULT_INDEX"] == "https://y/simple"


@pytest.mark.parametrize(
    ("own", "web"),
    [
        ({}, True),
        ({"UV_INDEX": "a=https://x/y https://z/"}, True),
        ({"UV_INDEX": "file:///x"}, False),
        ({"UV_FIND_LINKS": "wheels"}, False),
        ({"UV_FIND_LINKS": "https://x/links,wheels"}, False),
        ({"UV_NO_INDEX": "1"}, False),
        ({"UV_CONFIG_FILE": "uv.toml"}, False),
        ({"PIP_INDEX_URL": "file:///x"}, False),
    ],
)
def test_a_local_folder_among_the_indexes_is_recognized(own: dict[str, str], web: bool, tmp_path: Path) -> None:
    assert asks_the_web_only({"XDG_CONFIG_HOME": str(tmp_path), **own}) is web


def test_uvs_configuration_file_may_name_a_local_folder(tmp_path: Path) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text("")
    assert not asks_the_web_only({"XDG_CONFIG_HOME": str(tmp_path)})


def test_addresses_are_removed_from_messages() -> None:
    assert without_addresses("failed: https://user:secret@host/simple/x/ at") == "failed: the index at"
