"""pip's settings, with pip's precedence: variables, then the sections of its configuration files."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from builder.model.errors import InputError
from builder.model.file_access import read_file
from builder.model.text_files import MAX_FILE_BYTES

#: The value of a setting, and the variable or file that it comes from.
PipSetting = tuple[str, str]


def read_pip_settings(variables: Mapping[str, str]) -> dict[str, PipSetting]:
    """Return the settings of `pip install` by name (``index-url``). Empty ones are ignored, as pip does.

    A variable wins over every file, and the section ``[install]`` over ``[global]``, in whichever file it is.
    """
    parsers = _parsers(variables)
    settings: dict[str, PipSetting] = {}
    for section in ("global", "install"):
        merged = {
            _name(key): (value.strip(), str(path))
            for path, parser in parsers.items()
            if parser.has_section(section)
            for key, value in parser.items(section)
        }
        settings |= {name: setting for name, setting in merged.items() if setting[0]}
    named = {_name(variable[4:]): (value, variable) for variable, value in variables.items() if variable[:4] == "PIP_"}
    return settings | {name: setting for name, setting in named.items() if setting[0]}


def _name(key: str) -> str:
    """Return the name of a setting as pip writes it: ``--Find_Links`` in a file is ``find-links``."""
    return key.lower().replace("_", "-").removeprefix("--")


def _parsers(variables: Mapping[str, str]) -> dict[Path, configparser.RawConfigParser]:
    """Parse pip's configuration files that exist, lowest precedence first."""
    parsers = {}
    for path in _config_files(variables):
        with suppress(OSError):  # a missing file, or one in a folder that this user cannot read
            path.stat()
            parsers[path] = _parse(path)
    return parsers


def _parse(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(read_file(path, "pip's configuration file", MAX_FILE_BYTES).decode("utf-8", "replace"))
    except configparser.Error as error:
        raise InputError(
            f"not a pip configuration file: {str(error).splitlines()[0]}", where=str(path), fix="correct or remove it"
        ) from None
    return parser


def _config_files(variables: Mapping[str, str]) -> Iterator[Path]:
    """Yield pip's configuration files, lowest precedence first (pip documentation, "Configuration")."""
    config_file = variables.get("PIP_CONFIG_FILE")
    if config_file == os.devnull:
        return
    for folder in (variables.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"):
        yield Path(folder) / "pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    yield Path.home() / ".pip" / "pip.conf"
    yield Path(variables.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pip" / "pip.conf"
    if sys.platform == "darwin":
        yield Path.home() / "Library" / "Application Support" / "pip" / "pip.conf"
    if environment := variables.get("VIRTUAL_ENV"):
        yield Path(environment) / "pip.conf"
    if config_file:
        yield Path(config_file)
