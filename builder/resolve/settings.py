"""The user's pip and uv settings that select packages. Each is used, or a note says that it is not.

uv reads its own indexes, credentials and configuration files. pip's settings (environment, ``pip.conf``) are translated
into uv's, unless uv has index settings of its own: then those apply, and a note says so.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from builder.model.errors import InputError
from builder.resolve.other_settings import UNUSED_PIP_SETTINGS, config_notes, unused_note

#: uv's variables for the places of packages.
INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX",
)  # fmt: skip
#: pip's settings by their names in pip.conf, and uv's variables with the same meaning.
_PIP_INDEX_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
}
#: Options of `uv pip compile`, and the variables that set the same files.
_FILE_VARIABLES = {"--constraints": "UV_CONSTRAINT", "--overrides": "UV_OVERRIDE", "--excludes": "UV_EXCLUDE"}

#: Keys of uv's configuration files that replace requirements of packages.
_REPLACING_KEYS = re.compile(r"override-dependencies|exclude-dependencies|dependency-metadata|no-deps")


@dataclass(frozen=True)
class PackageSettings:
    """The user's settings in uv's form."""

    environment: Mapping[str, str]  #: variables that name indexes, translated from pip's
    files: tuple[tuple[str, str], ...]  #: an option (``--constraints``) and a file's path or URL
    notes: tuple[str, ...]  #: for the user: which settings change the resolution, and which are not used

    @property
    def options(self) -> list[str]:
        """The `uv pip compile` options for the files."""
        return [part for option, place in self.files for part in (option, place)]

    @property
    def contents(self) -> list[str]:
        """The settings and the files' contents, as parts of a cache key."""
        return [
            *(f"{name}={value}" for name, value in sorted(self.environment.items())),
            *(f"{option} {Path(place).read_text('utf-8', 'replace')}" for option, place in self.files),
        ]


def package_settings(variables: Mapping[str, str]) -> PackageSettings:
    """Read the settings from the environment ``variables`` and its files. Raises InputError for a missing file."""
    parsers = _pip_config(variables)

    def pip_settings(names: Iterable[str]) -> dict[str, tuple[str, str]]:
        return {name: setting for name in names if (setting := _pip_setting(name, variables, parsers))}

    pip = pip_settings([*_PIP_INDEX_SETTINGS, "constraint"])
    used = {name: setting for name, setting in pip.items() if name in _PIP_INDEX_SETTINGS}
    notes = []
    if used and has_index_settings(variables):
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
    notes += unused_note(variables, pip_settings(UNUSED_PIP_SETTINGS)) + config_notes(uv_config_files(variables))
    notes += [f"the {option.strip('-')} in {place} apply, by {source}" for option, place, source in files]
    environment = {
        _PIP_INDEX_SETTINGS[name]: _for_uv(name, value) for name, (value, _) in used.items() if not _is_off(name, value)
    }
    environment = {name: value for name, value in environment.items() if value}
    if "extra-index-url" in used and not variables.get("UV_INDEX_STRATEGY"):
        # pip takes the best version of all indexes; by default uv uses only the first index that has the package.
        environment["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return PackageSettings(
        environment,
        tuple((option, _check_file(place, source)) for option, place, source in files),
        tuple(notes),
    )


def has_index_settings(variables: Mapping[str, str]) -> bool:
    """Whether a variable or configuration file of uv sets package indexes."""
    return any(variables.get(name) for name in INDEX_VARIABLES) or has_config_file(variables)


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
    return [folder / "uv" / "uv.toml" for folder in (user, *system, Path("/etc"))]


def replaces_requirements(variables: Mapping[str, str]) -> bool:
    """Whether the user's settings replace or ignore requirements of packages."""
    if any(variables.get(_FILE_VARIABLES[option]) for option in ("--overrides", "--excludes")):
        return True
    texts = (path.read_text("utf-8", "replace") for path in uv_config_files(variables) if path.is_file())
    return any(_REPLACING_KEYS.search(text) for text in texts)


def is_true(word: str | None) -> bool:
    """Whether a boolean variable is true, as uv and pip read it."""
    return (word or "").strip().lower() in ("1", "true", "yes", "y", "on", "t")


def _pip_setting(
    name: str, variables: Mapping[str, str], parsers: Mapping[Path, configparser.RawConfigParser]
) -> tuple[str, str] | None:
    """Return the value and origin of one pip setting: the environment, else the nearest pip.conf."""
    variable = "PIP_" + name.upper().replace("-", "_")
    if value := variables.get(variable):
        return value, variable
    for section in ("install", "global"):  # a section for the command wins, in whichever file it is
        for path, parser in parsers.items():
            for spelling in (name, name.replace("-", "_")):
                if value := parser.get(section, spelling, fallback="").strip():
                    return value, str(path)
    return None


def _pip_config(variables: Mapping[str, str]) -> dict[Path, configparser.RawConfigParser]:
    """Parse pip's configuration files that exist, highest precedence first."""
    settings = {}
    for path in _pip_config_files(variables):
        try:
            state = path.stat()
            settings[path] = _parse_file(path, state.st_mtime_ns, state.st_size)
        except OSError:
            continue
    return settings


@lru_cache(maxsize=8)
def _parse_file(path: Path, _changed: int, _size: int) -> configparser.RawConfigParser:
    """Parse a file once, not once for each target, unless it changes."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text("utf-8", "replace"))
    except configparser.Error as error:
        raise InputError(
            f"not a pip configuration file: {str(error).splitlines()[0]}", where=str(path), fix="correct or remove it"
        ) from None
    return parser


def _pip_config_files(variables: Mapping[str, str]) -> Iterator[Path]:
    """Return pip's configuration files, highest precedence first (pip documentation, "Configuration")."""
    config_file = variables.get("PIP_CONFIG_FILE")
    if config_file == os.devnull:
        return
    if config_file:
        yield Path(config_file)
    if environment := variables.get("VIRTUAL_ENV"):
        yield Path(environment) / "pip.conf"
    if sys.platform == "darwin":
        yield Path.home() / "Library" / "Application Support" / "pip" / "pip.conf"
    yield Path(variables.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pip" / "pip.conf"
    yield Path.home() / ".pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    for folder in (variables.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"):
        yield Path(folder) / "pip" / "pip.conf"


def _is_off(name: str, value: str) -> bool:
    return name == "no-index" and not is_true(value)


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
