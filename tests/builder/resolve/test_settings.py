"""Settings of pip and uv that select packages: each is used or named in one line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.model.errors import BuildError, InputError
from builder.resolve.resolver import resolve
from builder.resolve.settings import package_settings
from builder.resolve.uv import environment
from tests.fakes.package_index import SETTINGS, running_index
from tests.fakes.wheels import empty_uv_cache, make_wheel, matrix_of

MATRIX = matrix_of("demo")
(TARGET,) = MATRIX.targets


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without settings, and a folder of wheels that none names: demo requires `other`, in two versions."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name in [each for each in os.environ if each.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "none"))
    empty_uv_cache(monkeypatch, tmp_path / "uv-cache")
    links = tmp_path / "links"
    links.mkdir()
    make_wheel(links, "demo", requires=("other",))
    make_wheel(links, "other", "1.0")
    make_wheel(links, "other", "2.0")
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def by_pip_variables(home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("PIP_FIND_LINKS", str(home / "links"))
    patch.setenv("PIP_NO_INDEX", "1")


def by_pip_conf(home: Path, _: pytest.MonkeyPatch) -> None:
    text = f"[global]\nfind-links =\n    {home / 'links'}\n[install]\nno_index = true\n"
    write(home / "config" / "pip" / "pip.conf", text)


def by_pip_config_file(home: Path, patch: pytest.MonkeyPatch) -> None:
    file = write(home / "company.conf", f"[global]\nfind-links = {home / 'links'}\nno-index = yes\n")
    patch.setenv("PIP_CONFIG_FILE", str(file))


@pytest.mark.parametrize("settings", [by_pip_variables, by_pip_conf, by_pip_config_file])
def test_pips_index_settings_are_used(
    settings: Callable[[Path, pytest.MonkeyPatch], None], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(home, monkeypatch)
    assert [(each.name, each.version) for each in resolve(MATRIX, "1.0", TARGET)] == [("demo", "1.0"), ("other", "2.0")]
    assert package_settings(os.environ).notes == ()


def test_the_index_that_codeartifact_configures_is_used(home: Path) -> None:
    write(home / ".pip" / "pip.conf", "[global]\nindex-url = https://aws:token@example.com/pypi/simple/\n")
    assert environment(os.environ)["UV_DEFAULT_INDEX"] == "https://aws:token@example.com/pypi/simple/"


def test_pips_extra_index_is_searched_for_the_best_version(home: Path) -> None:
    """pip takes the best version of all indexes; uv by itself takes the first index that has the package."""
    own = {"PIP_EXTRA_INDEX_URL": "https://a/simple", "HOME": str(home)}
    assert environment(own)["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert environment({**own, "UV_INDEX_STRATEGY": "first-index"})["UV_INDEX_STRATEGY"] == "first-index"
    assert "UV_INDEX_STRATEGY" not in environment({"PIP_INDEX_URL": "https://a/simple", "HOME": str(home)})


def test_extra_indexes_are_used_before_the_default_one(home: Path) -> None:
    seen = environment({"PIP_EXTRA_INDEX_URL": "https://a/simple  https://b/simple", "HOME": str(home)})
    assert seen["UV_INDEX"] == "https://a/simple https://b/simple"


def test_pips_settings_beside_uvs_are_named(home: Path) -> None:
    write(home / "config" / "pip" / "pip.conf", "[global]\nindex-url = https://user:secret@example.com/simple\n")
    own = {**os.environ, "UV_INDEX": "https://other.example.com/simple"}
    (note,) = package_settings(own).notes
    assert "index-url" in note
    assert "are not used" in note
    assert "secret" not in note
    assert "UV_DEFAULT_INDEX" not in environment(own)


@pytest.mark.parametrize("variable", ["UV_CONSTRAINT", "PIP_CONSTRAINT"])
def test_constraints_are_applied_and_named(variable: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_pip_variables(home, monkeypatch)
    monkeypatch.setenv(variable, str(write(home / "c.txt", "other<2\n")))
    assert resolve(MATRIX, "1.0", TARGET)[1].version == "1.0"
    (note,) = package_settings(os.environ).notes
    assert "c.txt" in note
    assert variable in note


def test_overrides_and_exclusions_of_uv_are_applied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_pip_variables(home, monkeypatch)
    monkeypatch.setenv("UV_OVERRIDE", str(write(home / "o.txt", "other==1.0\n")))
    assert resolve(MATRIX, "1.0", TARGET)[1].version == "1.0"
    monkeypatch.setenv("UV_EXCLUDE", str(write(home / "e.txt", "other\n")))
    assert [each.name for each in resolve(MATRIX, "1.0", TARGET)] == ["demo"]


def test_constraints_of_uvs_configuration_file_are_applied(home: Path) -> None:
    text = f'no-index = true\nfind-links = ["{home / "links"}"]\nconstraint-dependencies = ["other<2"]\n'
    write(home / "config" / "uv" / "uv.toml", text)
    assert resolve(MATRIX, "1.0", TARGET)[1].version == "1.0"


@pytest.mark.parametrize(
    ("variable", "value"), [("PIP_CONSTRAINT", "none.txt"), ("UV_OVERRIDE", "https://u:p@x/o.txt")]
)
def test_a_file_that_cannot_be_used_is_an_error(variable: str, value: str, home: Path) -> None:
    with pytest.raises(InputError, match=variable) as caught:
        package_settings({variable: value, "HOME": str(home)})
    assert "u:p" not in str(caught.value)


def test_a_changed_pip_conf_is_read_again(home: Path) -> None:
    path = write(home / "config" / "pip" / "pip.conf", "[global]\nno-index = true\n")
    assert package_settings(os.environ).environment["UV_NO_INDEX"] == "true"
    write(path, "[global]\nno-index = yes\n")
    assert package_settings(os.environ).environment["UV_NO_INDEX"] == "yes"


def test_a_broken_pip_conf_is_named(home: Path) -> None:
    path = write(home / "config" / "pip" / "pip.conf", "index-url = x\n")
    with pytest.raises(InputError, match=r"pip\.conf: not a pip configuration file"):
        package_settings(os.environ)
    assert package_settings({**os.environ, "PIP_CONFIG_FILE": os.devnull}).environment == {}
    assert path.exists()


def test_settings_that_would_choose_other_packages_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_pip_variables(home, monkeypatch)
    conf = write(home / "config" / "pip" / "pip.conf", "[global]\npre = true\n[install]\nno-deps = yes\nabi =\n")
    for name, value in {"UV_PRERELEASE": "allow", "UV_NO_SOURCES": "0", "UV_NO_DEV": "1", "PIP_NO_BINARY": "x"}.items():
        monkeypatch.setenv(name, value)
    names = f"UV_NO_DEV, UV_PRERELEASE, no-binary (PIP_NO_BINARY), no-deps ({conf}), pre ({conf})"
    (note,) = package_settings(os.environ).notes
    assert note.endswith(f": {names}")
    assert [each.version for each in resolve(MATRIX, "1.0", TARGET)] == ["1.0", "2.0"]


def test_keys_of_uvs_configuration_file_are_named_or_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home / "config" / "uv" / "uv.toml"
    write(file, "prerelease = 'allow'\nno-index = true\n[pip]\nresolution = 'lowest'\nno-binary = []\n")
    applied, unused = package_settings(os.environ).notes
    assert applied == f"prerelease of {file} applies"
    assert unused.endswith(f": resolution ({file})")
    for text, words in {
        "[pip]\nno-emit-package = ['other']": "uv's setting no-emit-package",
        "no-binary = true": "uv's setting no-binary",
        "[pip]\nno-deps = true": "uv's setting no-deps",
        "\nnope = 1": f"{file}:2: not a valid configuration file of uv: TOML parse error: unknown field `nope`",
        "no-index = tru": f"{file}:1: not a valid configuration file of uv",
    }.items():
        write(file, text)
        with pytest.raises(InputError) as caught:
            resolve(MATRIX, "1.0", TARGET)
        assert words in str(caught.value)
        assert str(file) in str(caught.value)


def test_pips_section_for_install_wins_over_global_in_any_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / "config" / "pip" / "pip.conf", f"[global]\nfind-links = {home}\n")
    write(home / "none" / "pip" / "pip.conf", f"[install]\nfind-links = {home / 'links'}\nno-index = true\n")
    assert package_settings(os.environ).environment["UV_FIND_LINKS"] == str(home / "links")


def test_missing_find_links_of_pip_are_ignored_as_pip_does(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", f"{home}/absent file://{home}/absent2 {home}/links")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert [each.version for each in resolve(MATRIX, "1.0", TARGET)] == ["1.0", "2.0"]
    assert [note for note in package_settings(os.environ).notes if "absent" in note and "does not exist" in note]


def test_a_configuration_file_of_uv_without_indexes_leaves_pips_in_effect(home: Path) -> None:
    """Ignoring pip's index because of uv's cache folder would take packages from the public index."""
    write(home / ".pip" / "pip.conf", "[global]\nindex-url = https://example.com/simple/\n")
    explicit = '[[index]]\nname = "one"\nurl = "https://one/simple"\nexplicit = true\n'
    file = write(home / "config" / "uv" / "uv.toml", f'cache-dir = "{home / "uv-cache"}"\n{explicit}')
    assert environment({**os.environ, "UV_NO_INDEX": "0"})["UV_DEFAULT_INDEX"] == "https://example.com/simple/"
    assert package_settings(os.environ).notes == ()
    write(file, '[pip]\nindex-url = "https://other/simple"\n')
    assert "UV_DEFAULT_INDEX" not in environment(os.environ)


def test_the_index_strategy_of_uvs_configuration_file_wins(home: Path) -> None:
    write(home / "config" / "uv" / "uv.toml", "index-strategy = 'first-index'\n")
    assert "UV_INDEX_STRATEGY" not in environment({**os.environ, "PIP_EXTRA_INDEX_URL": "https://a/simple"})


@pytest.mark.parametrize("key", ["--index-url", "index_url", "Index-URL"])
def test_keys_of_pip_conf_are_read_as_pip_spells_them(key: str, home: Path) -> None:
    write(home / ".pip" / "pip.conf", f"[global]\n{key} = https://example.com/simple/\n")
    assert environment(os.environ)["UV_DEFAULT_INDEX"] == "https://example.com/simple/"


def test_pip_conf_files_have_pips_precedence(home: Path) -> None:
    """The last of XDG_CONFIG_DIRS wins. An empty value removes the one of a file of lower precedence."""
    for name in ("first", "last"):
        write(home / name / "pip" / "pip.conf", f"[global]\nindex-url = https://{name}/simple\nno-index = true\n")
    variables = {**os.environ, "XDG_CONFIG_DIRS": f"{home / 'first'}:{home / 'last'}"}
    write(home / "config" / "pip" / "pip.conf", "[global]\nno-index =\n")
    seen = environment(variables)
    assert seen["UV_DEFAULT_INDEX"] == "https://last/simple"
    assert "UV_NO_INDEX" not in seen


def test_pips_settings_for_connections_apply_to_its_indexes(home: Path) -> None:
    certificate = write(home / "ca.pem", "")
    conf = f"cert = {certificate}\nproxy = http://proxy:3128\ntrusted-host =\n  a\n  b:8443\n"
    write(home / ".pip" / "pip.conf", f"[global]\nindex-url = https://example.com/simple/\n{conf}")
    seen = environment({**os.environ, "https_proxy": "http://other:1"})
    assert seen["SSL_CERT_FILE"] == str(certificate)
    assert seen["UV_INSECURE_HOST"] == "a b:8443"
    assert seen["HTTP_PROXY"] == seen["https_proxy"] == "http://proxy:3128"
    assert "UV_INSECURE_HOST" not in environment({**os.environ, "UV_INDEX": "https://x/simple"})


def test_universal_of_uvs_configuration_file_adds_no_packages_of_other_systems(home: Path) -> None:
    make_wheel(home / "links", "demo", requires=("other ; sys_platform == 'win32'",))
    index = f'[[index]]\nurl = "{home / "links"}"\nformat = "flat"\ndefault = true\n'
    write(home / "config" / "uv" / "uv.toml", f"{index}[pip]\nuniversal = true\n")
    assert [each.name for each in resolve(MATRIX, "1.0", TARGET)] == ["demo"]


@pytest.mark.parametrize("provider", ["subprocess", "import"])
def test_pips_keyring_has_the_password_of_pips_index(
    provider: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = write(home / "bin" / "keyring", '#!/bin/sh\n[ "$1" = get ] && [ "$3" = bob ] && echo s3cret\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    with running_index() as index:
        index.account = "bob:s3cret"
        for wheel in (home / "links").iterdir():
            index.add_wheel(wheel)
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.address}/simple".replace("//", "//bob@"))
        with pytest.raises(BuildError, match="401 Unauthorized"):
            resolve(MATRIX, "1.0", TARGET)
        monkeypatch.setenv("PIP_KEYRING_PROVIDER", provider)
        assert [each.name for each in resolve(MATRIX, "1.0", TARGET)] == ["demo", "other"]


def test_the_hashes_of_a_constraints_file_are_checked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip checks them; uv drops them when it resolves."""
    by_pip_variables(home, monkeypatch)
    digest = hashlib.sha256((home / "links" / "other-2.0-py3-none-any.whl").read_bytes()).hexdigest()
    file = write(home / "c.txt", f"# --hash=sha256:{digest}\nOther==2.0 \\\n    --hash=sha256:{digest}\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(file))
    assert resolve(MATRIX, "1.0", TARGET)[1].version == "2.0"
    for wrong in ("sha256:" + "0" * 64, "sha512:" + "0" * 128):
        write(file, f"other==2.0 --hash={wrong}\n")
        with pytest.raises(InputError, match=r"hash mismatch: other-2\.0-py3-none-any\.whl"):
            resolve(MATRIX, "1.0", TARGET)


def test_the_hashes_of_included_constraints_are_checked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_pip_variables(home, monkeypatch)
    file = write(home / "c.txt", "-c more/d.txt\n")
    write(home / "more" / "d.txt", f"-c ../c.txt\nother==2.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(file))
    with pytest.raises(InputError, match="hash mismatch"):
        resolve(MATRIX, "1.0", TARGET)
    before = package_settings(os.environ).contents
    write(home / "more" / "d.txt", "other==1.0\n")
    assert package_settings(os.environ).contents != before


def test_only_the_first_system_configuration_of_uv_is_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{home / 'a'}:{home / 'b'}")
    write(home / "b" / "uv" / "uv.toml", "no-binary = true\n")
    write(home / "a" / "uv" / "uv.toml", "offline = false\n")
    assert package_settings(os.environ).notes == ()


def test_system_configuration_of_uv_is_not_read_if_it_is_turned_off(home: Path) -> None:
    write(home / "none" / "uv" / "uv.toml", "no-binary = true\n")
    with pytest.raises(InputError, match="no-binary"):
        package_settings(os.environ)
    assert package_settings({**os.environ, "UV_NO_SYSTEM_CONFIG": "1"}).notes == ()


def test_prereleases_of_one_package_by_uvs_configuration_file_are_named(home: Path) -> None:
    file = write(home / "config" / "uv" / "uv.toml", "prerelease-package = { other = 'allow' }\n")
    assert package_settings(os.environ).notes == (f"prerelease-package of {file} applies",)
