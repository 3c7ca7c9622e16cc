"""The user's pip and uv settings that select packages. Each is used, or a note says that it is not.

uv reads its own indexes, credentials and configuration files. pip's settings (environment, ``pip.conf``) are translated
into uv's, unless uv has index settings of its own: then those apply, and a note says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from builder.model.errors import InputError
from builder.resolve.constraint_hashes import constraint_hashes, constraint_texts
from builder.resolve.other_settings import UNUSED_PIP_SETTINGS, config_keys, config_notes, is_off, unused_note
from builder.resolve.pip_config import PipSetting, read_pip_settings

#: uv's variables for the places of packages.
INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX",
)  # fmt: skip
#: uv's keys for them in its configuration files.
INDEX_KEYS = frozenset({"extra-index-url", "find-links", "index", "index-url", "no-index"})
#: pip's settings by their names in pip.conf, and uv's variables with the same meaning.
_PIP_INDEX_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
}
#: pip's settings for the connection to its indexes, and the variables of uv with the same meaning.
_PIP_NETWORK_SETTINGS = {
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "proxy": ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
    "trusted-host": ("UV_INSECURE_HOST",),
}
#: Options of `uv pip compile`, and the variables that set the same files.
_FILE_VARIABLES = {"--constraints": "UV_CONSTRAINT", "--overrides": "UV_OVERRIDE", "--excludes": "UV_EXCLUDE"}

#: Keys of uv's configuration files that replace requirements of packages.
_REPLACING_KEYS = frozenset({"dependency-metadata", "exclude-dependencies", "no-deps", "override-dependencies"})


@dataclass(frozen=True)
class PackageSettings:
    """The user's settings in uv's form."""

    environment: Mapping[str, str]  #: variables that name indexes, translated from pip's
    files: tuple[tuple[str, str], ...]  #: an option (``--constraints``) and a file's path or URL
    notes: tuple[str, ...]  #: for the user: which settings change the resolution, and which are not used

    @property
    def hashes(self) -> Mapping[str, frozenset[str]]:
        """Digests (``sha256:…``) of the wheels that the constraints allow, by package."""
        return constraint_hashes(
            constraint_texts(Path(place) for option, place in self.files if option == "--constraints").values()
        )

    @property
    def options(self) -> list[str]:
        """The `uv pip compile` options for the files."""
        return [part for option, place in self.files for part in (option, place)]

    @property
    def contents(self) -> list[str]:
        """The settings and the files' contents, as parts of a cache key."""
        return [
            *(f"{name}={value}" for name, value in sorted(self.environment.items())),
            *(f"{option} {text}" for option, place in self.files for text in constraint_texts([Path(place)]).values()),
        ]


def package_settings(variables: Mapping[str, str]) -> PackageSettings:
    """Read the settings from the environment ``variables`` and its files. Raises InputError for a missing file."""
    pip = read_pip_settings(variables)
    used = {name: pip[name] for name in _PIP_INDEX_SETTINGS if name in pip}
    uv_has_indexes = has_index_settings(variables)
    environment = {} if uv_has_indexes else {**_network(pip, variables), **_keyring(pip, variables)}
    notes = []
    if used and uv_has_indexes:
        names = ", ".join(f"{name} ({source})" for name, (_, source) in used.items())
        notes.append(f"pip's settings {names} are not used, because uv has index settings of its own")
        used = {}
    missing = [place for place in used.get("find-links", ("", ""))[0].split() if _is_missing(place)]
    notes += [f"warning: {place} of pip's find-links does not exist, and is ignored as pip does" for place in missing]
    files = [
        (option, place, name) for option, name in _FILE_VARIABLES.items() for place in variables.get(name, "").split()
    ]
    if "constraint" in pip:
        value, origin = pip["constraint"]
        files += [("--constraints", place, f"pip's constraint setting ({origin})") for place in value.split()]
    notes += unused_note(variables, {name: pip[name] for name in UNUSED_PIP_SETTINGS if name in pip})
    notes += config_notes(uv_config_files(variables))
    notes += [f"the {option.strip('-')} in {place} apply, by {source}" for option, place, source in files]
    environment |= {
        _PIP_INDEX_SETTINGS[name]: _for_uv(name, value)
        for name, (value, _) in used.items()
        if name != "no-index" or is_true(value)
    }
    environment = {name: value for name, value in environment.items() if value}
    strategy = variables.get("UV_INDEX_STRATEGY")
    if "extra-index-url" in used and not (strategy or "index-strategy" in config_keys(uv_config_files(variables))):
        # pip takes the best version of all indexes; by default uv uses only the first index that has the package.
        environment["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    checked = tuple((option, _check_file(place, source)) for option, place, source in files)
    return PackageSettings(environment, checked, tuple(notes))


def has_index_settings(variables: Mapping[str, str]) -> bool:
    """Whether a variable or configuration file of uv sets package indexes for all packages."""
    if any(not is_off(variables.get(name, "")) for name in INDEX_VARIABLES):
        return True
    return not INDEX_KEYS.isdisjoint(config_keys(uv_config_files(variables)))


def has_config_file(variables: Mapping[str, str]) -> bool:
    """Whether uv has a configuration file, which may name indexes."""
    return bool(variables.get("UV_CONFIG_FILE")) or any(path.exists() for path in uv_config_files(variables))


def uv_config_files(variables: Mapping[str, str]) -> list[Path]:
    """Return uv's configuration files, the nearest first; they need not exist."""
    if file := variables.get("UV_CONFIG_FILE"):
        return [Path(file)]
    if is_true(variables.get("UV_NO_CONFIG")):
        return []
    user = Path(variables.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    system = [Path(folder) for folder in (variables.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    files = [folder / "uv" / "uv.toml" for folder in (*system, Path("/etc"))]
    first = [path for path in files if path.exists()][:1]  # uv reads only this one
    return [user / "uv" / "uv.toml", *([] if is_true(variables.get("UV_NO_SYSTEM_CONFIG")) else first)]


def replaces_requirements(variables: Mapping[str, str]) -> bool:
    """Whether the user's settings replace or ignore requirements of packages."""
    if any(variables.get(_FILE_VARIABLES[option]) for option in ("--overrides", "--excludes")):
        return True
    return not _REPLACING_KEYS.isdisjoint(config_keys(uv_config_files(variables)))


def is_true(word: str | None) -> bool:
    """Whether a boolean variable is true, as uv and pip read it."""
    return (word or "").strip().lower() in ("1", "true", "yes", "y", "on", "t")


def _network(pip: Mapping[str, PipSetting], variables: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings for connections as variables. They win over variables for all programs, as in pip."""
    return {
        variable: " ".join(pip[name][0].split()) if name == "trusted-host" else _absolute(pip[name][0])
        for name, names in _PIP_NETWORK_SETTINGS.items()
        if name in pip
        for variable in names
        if not (variable.startswith("UV_") and variables.get(variable))
    }


def _keyring(pip: Mapping[str, PipSetting], variables: Mapping[str, str]) -> dict[str, str]:
    """Return pip's keyring-provider as uv's variable. uv runs the command ``keyring``; it cannot import the module."""
    is_set = pip.get("keyring-provider", ("", ""))[0] in ("import", "subprocess")
    return {"UV_KEYRING_PROVIDER": "subprocess"} if is_set and not variables.get("UV_KEYRING_PROVIDER") else {}


def _for_uv(name: str, value: str) -> str:
    """Translate a list for uv: pip separates with white space, UV_FIND_LINKS with commas.

    pip ignores folders that do not exist, and uv fails.
    """
    if name != "find-links":
        return " ".join(value.split())
    return ",".join(_absolute(place) for place in value.split() if not _is_missing(place))


def _is_missing(place: str) -> bool:
    """Whether a find-links location is a local one that does not exist."""
    local = unquote(urlsplit(place).path) if place.startswith("file:") else place
    return "://" not in local and not Path(local).expanduser().exists()


def _absolute(place: str) -> str:
    return str(Path(place).expanduser().absolute()) if Path(place).expanduser().exists() else place


def _check_file(place: str, source: str) -> str:
    if re.match(r"[a-z]+://", place):
        raise InputError(f"{source} names a URL", where=place.split("?")[0].rpartition("@")[2], fix="use a local copy")
    if not Path(place).expanduser().is_file():
        raise InputError(f"the file that {source} names does not exist", where=place, fix="correct or unset it")
    return _absolute(place)
