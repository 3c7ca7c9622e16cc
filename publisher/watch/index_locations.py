"""Find the package indexes that the builder's uv uses, as uv itself reports them.

uv writes the indexes of its settings (environment, ``uv.toml``) into the output of ``pip compile``, with the
credentials in their addresses. Credentials for the name of an index are read from the environment.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from builder.model.errors import FailureClass, InputError
from builder.model.escape import shorten
from builder.resolve import uv
from builder.resolve.other_settings import read_uv_config
from builder.resolve.settings import is_true, uv_config_files

Settings = Sequence[Mapping[str, Any]]


class IndexUnavailableError(InputError):
    """The index cannot be reached now, and may be reachable later."""

    failure_class = FailureClass.TEMPORARY


@dataclass(frozen=True)
class IndexLocation:
    """An index (a page for each project), or find-links (one page or folder with files of any project)."""

    address: str
    credentials: tuple[str, str] | None = None  #: user and password, if the address has none

    @property
    def folder(self) -> Path | None:
        """The folder, if it is one on this machine."""
        try:
            parts = urlsplit(self.address)
        except ValueError:  # an invalid URL, "http://["
            return None
        if parts.scheme in ("http", "https"):
            return None
        return Path(unquote(parts.path)) if parts.scheme == "file" else Path(self.address)

    @property
    def shown(self) -> str:
        """The address for messages: without credentials, and without the path, which may contain some."""
        try:
            return str(self.folder or urlsplit(self.address).netloc.rpartition("@")[2])
        except ValueError:
            return "the address of the index"


@dataclass(frozen=True)
class IndexLocations:
    """All locations in the order of uv. The first index that has a package counts; with ``merged`` all of them do.
    Find-links always count."""

    indexes: tuple[IndexLocation, ...]
    links: tuple[IndexLocation, ...] = ()
    merged: bool = False


def index_locations() -> IndexLocations:
    """Return the locations of uv's settings.

    Raises InputError if they are wrong, IndexUnavailableError if a link fails.
    """
    with tempfile.TemporaryDirectory(prefix="layers-watch-") as folder:
        result = uv.run(
            [
                "pip", "compile", "--emit-index-url", "--emit-find-links", "--no-header", "--no-python-downloads",
                "--python", sys.executable, "-",
            ],
            Path(folder),
            stdin="",
        )  # fmt: skip
    if result.returncode:
        message = shorten(uv.without_addresses(result.stderr.partition("error: ")[2] or result.stderr), 400)
        if "Failed to fetch" in message:  # uv fetches find-links at once
            raise IndexUnavailableError(
                f"the package index cannot be reached: {message}", fix="run the command again later"
            )
        raise InputError(f"uv cannot use its settings: {message}", fix="check the variables UV_… and uv.toml")
    variables = uv.environment(os.environ)
    settings = _settings(variables)
    credentials = _credentials(variables, settings)
    values_of: dict[str, list[str]] = {}
    for line in result.stdout.splitlines():
        option, _, address = line.partition(" ")
        values_of.setdefault(option, []).append(address.strip())
    indexes = (*values_of.get("--extra-index-url", ()), *values_of.get("--index-url", ()))
    return IndexLocations(
        ()
        if _no_index(variables, settings)
        else tuple(IndexLocation(each, credentials=credentials.get(each.rstrip("/"))) for each in indexes),
        tuple(IndexLocation(each) for each in values_of.get("--find-links", ())),
        merged=_strategy(variables, settings).startswith("unsafe"),
    )


def _settings(variables: Mapping[str, str]) -> Settings:
    """Return uv's configuration files, the nearest first, each merged with its ``pip`` section."""
    documents = map(read_uv_config, uv_config_files(variables))
    return [{**document, **document.get("pip", {})} for document in documents]


def _credentials(variables: Mapping[str, str], settings: Settings) -> dict[str, tuple[str, str]]:
    """Return ``UV_INDEX_<NAME>_USERNAME`` and ``…_PASSWORD`` by the address of the index with that name."""
    indexes = " ".join(variables.get(variable, "") for variable in ("UV_INDEX", "UV_DEFAULT_INDEX"))
    with_names = re.findall(r"(?:^|\s)([\w.-]+)=(\S+)", indexes)
    with_names += [(str(i.get("name", "")), str(i.get("url"))) for each in settings for i in each.get("index", ())]
    credentials: dict[str, tuple[str, str]] = {}
    for name, address in with_names:
        variable = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
        pair = variables.get(f"{variable}_USERNAME", ""), variables.get(f"{variable}_PASSWORD", "")
        if name and any(pair):
            credentials.setdefault(address.rstrip("/"), pair)
    return credentials


def _no_index(variables: Mapping[str, str], settings: Settings) -> bool:
    return is_true(variables.get("UV_NO_INDEX")) or any(each.get("no-index") is True for each in settings)


def _strategy(variables: Mapping[str, str], settings: Settings) -> str:
    strategies = (variables.get("UV_INDEX_STRATEGY"), *(each.get("index-strategy") for each in settings))
    return str(next(filter(None, strategies), ""))
