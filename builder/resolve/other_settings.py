"""The user's settings of uv and pip that choose packages: those that apply in any case, and those that are not used.

No setting is ignored silently: a note names it, and a key that would leave packages out of the lock is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from builder.model.errors import InputError
from builder.model.text_files import read_toml

#: uv's variables that would choose other packages. ``builder.resolve.uv`` removes them.
UNUSED_UV_VARIABLES = (
    "UV_BUILD_CONSTRAINT", "UV_DEV", "UV_EXCLUDE_NEWER", "UV_NO_BINARY", "UV_NO_BINARY_PACKAGE", "UV_NO_DEFAULT_GROUPS",
    "UV_NO_DEV", "UV_NO_GROUP", "UV_NO_SOURCES", "UV_NO_SOURCES_PACKAGE", "UV_PRERELEASE", "UV_REQUIRE_HASHES",
    "UV_RESOLUTION", "UV_TORCH_BACKEND",
)  # fmt: skip
#: pip's settings of the same kind.
UNUSED_PIP_SETTINGS = (
    "abi", "all-releases", "build-constraint", "editable", "group", "ignore-requires-python", "implementation",
    "no-binary", "no-deps", "only-final", "platform", "pre", "python-version", "require-hashes", "requirement",
    "requirements-from-script", "uploaded-prior-to",
)  # fmt: skip
#: Keys of uv's configuration files that uv applies to a resolution, beside those of indexes.
_APPLIED = frozenset(
    {
        "constraint-dependencies", "dependency-metadata", "exclude-dependencies", "exclude-newer",
        "exclude-newer-package", "override-dependencies", "prerelease", "prerelease-package", "torch-backend",
    }
)  # fmt: skip
#: Keys that the program's own options replace.
_UNUSED = frozenset(
    {"no-sources", "no-sources-package", "python-platform", "python-version", "require-hashes", "resolution"}
)
#: Keys that would leave packages out of the lock, or make it impossible. uv has no options that turn them off.
_REFUSED = frozenset(
    {
        "all-extras", "extra", "group", "no-binary", "no-binary-package", "no-deps", "no-emit-package", "no-extra",
        "output-file",
    }
)  # fmt: skip
_OFF = ("", "0", "false", "no", "n", "off", "f")


def is_off(value: object) -> bool:
    """Whether a setting has no effect: it is empty or false."""
    return str(value).strip().lower() in _OFF or value == []


def unused_note(variables: Mapping[str, str], pip: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return a note that names the settings that are not used, if there are any; ``pip`` has values and origins."""
    names = [name for name in UNUSED_UV_VARIABLES if not is_off(variables.get(name, ""))]
    names += [f"{name} ({origin})" for name, (value, origin) in pip.items() if not is_off(value)]
    return [_unused_warning(names)] if names else []


def config_notes(files: Iterable[Path]) -> list[str]:
    """Return notes on uv's configuration files. Raises InputError for a key that would leave packages out."""
    notes = []
    for path in files:
        document = read_uv_config(path)
        keys = _keys(document) | _keys(document.get("pip"))
        if refused := sorted(keys & _REFUSED):
            raise InputError(
                f"uv's setting {refused[0]} cannot be used: it would leave packages out, or build them from source",
                where=str(path),
                fix="remove it, or set UV_NO_CONFIG=1 and name indexes with UV_INDEX and UV_DEFAULT_INDEX",
            )
        if applied := sorted(keys & _APPLIED):
            notes.append(f"{', '.join(applied)} of {path} applies")
        if unused := sorted(keys & _UNUSED):
            notes.append(_unused_warning([f"{name} ({path})" for name in unused]))
    return notes


def config_keys(files: Iterable[Path]) -> frozenset[str]:
    """Return the keys that uv's configuration files set. An ``[[index]]`` counts if it is for all packages."""
    keys: set[str] = set()
    for path in files:
        document = read_uv_config(path)
        if isinstance(indexes := document.get("index"), list):
            document["index"] = [each for each in indexes if not (isinstance(each, dict) and each.get("explicit"))]
        keys |= _keys(document) | _keys(document.get("pip"))
    return frozenset(keys)


def _unused_warning(names: Iterable[str]) -> str:
    return f"warning: not used, because the command's options choose packages: {', '.join(names)}"


def _keys(table: Any) -> frozenset[str]:
    return (
        frozenset(key for key, value in table.items() if not is_off(value)) if isinstance(table, dict) else frozenset()
    )


def read_uv_config(path: Path) -> dict[str, Any]:
    """Return the file's content; empty if it cannot be read, because uv itself reports that."""
    try:
        return read_toml(path)
    except InputError:
        return {}
