"""Choose a package's wheel for a target: the compatible one with the best tag, as installers do."""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging import tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builder.model.artifact import Locked
from builder.model.errors import BuildError
from builder.model.target import Target
from builder.model.wheel_tags import supported_tags
from builder.resolve import uv
from builder.resolve.download_failures import download_error


def choose_wheel(
    package: dict[str, Any], target: Target, allowed: Collection[str] = (), *, keep_url: bool = False
) -> Locked | None:
    """Return the best wheel of a package in a pylock document, or None if no wheel runs on the target.

    ``allowed``: sha256 digests to prefer. ``keep_url``: the lock keeps the wheel's place too.
    """
    name, version = str(package.get("name")), str(package.get("version"))
    archive = package.get("archive")  # a direct reference
    wheels: list[dict[str, Any]] = [archive] if archive else package.get("wheels", [])
    wheels = [each for each in wheels if each.get("hashes", {}).get("sha256") in allowed] or wheels
    ranked = [(rank, wheel) for wheel in wheels if (rank := _rank(_filename(wheel), target)) is not None]
    if not ranked:
        return None
    wheel = min(ranked, key=lambda each: each[0])[1]
    url = _url(wheel)
    by_hash = allowed and url.startswith("file:")  # uv cannot select by hash among the files of a folder
    return Locked(
        name=canonicalize_name(name),
        version=version,
        filename=_filename(wheel),
        sha256=wheel.get("hashes", {}).get("sha256") or _digest(name, url, wheel.get("hashes", {}), target),
        url=url if archive or keep_url or by_hash else None,
    )


def has_wheel(package: Mapping[str, Any], target: Target) -> bool:
    """Whether a package of a pylock document has a wheel that runs on the target."""
    return any(_rank(_filename(wheel), target) is not None for wheel in package.get("wheels", []))


def _rank(filename: str, target: Target) -> tuple[Any, ...] | None:
    try:
        _, _, build, wheel_tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return None
    order = _order(target)
    ranks = [order[tag] for tag in wheel_tags if tag in order]
    # Of wheels with the same tag, installers take the highest build number.
    return (min(ranks), tuple(-part if isinstance(part, int) else part for part in build), filename) if ranks else None


@lru_cache(maxsize=32)
def _order(target: Target) -> dict[tags.Tag, int]:
    return {tag: index for index, tag in enumerate(supported_tags(target))}


def _filename(wheel: dict[str, Any]) -> str:
    place = str(wheel.get("url") or wheel.get("path") or "")
    return str(wheel.get("name") or unquote(urlsplit(place).path).rsplit("/", 1)[-1])


def _url(wheel: dict[str, Any]) -> str:
    return str(wheel.get("url") or Path(wheel.get("path") or "/").absolute().as_uri())


def _digest(name: str, url: str, hashes: Mapping[str, str], target: Target) -> str:
    """Return the sha256 of a wheel for which the index has none, after checking the hash that the index has instead.

    uv downloads the wheel, because it has the credentials.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return hashlib.sha256(Path(unquote(parts.path)).read_bytes()).hexdigest()
    quiet = ["--no-deps", "--no-python-downloads", "--python", sys.executable]
    with tempfile.TemporaryDirectory(prefix="layers-hash-") as folder:
        if strong := {kind: digest for kind, digest in hashes.items() if kind != "md5"}:  # uv refuses md5
            line = f"{name} @ {url} {' '.join(f'--hash={kind}:{digest}' for kind, digest in strong.items())}"
            (Path(folder) / "wheel.txt").write_text(f"{line}\n", "utf-8")
            install = ["pip", "install", "--target", "checked", "--require-hashes", "--requirements", "wheel.txt"]
            checked = uv.run([*install, *quiet, *uv.platform_options(target)], Path(folder))
            if not checked.ok:
                raise _unverified(name, checked.err, target)
        command = ["pip", "compile", "--generate-hashes", "--no-header", "--no-annotate", "--no-build", *quiet, "-"]
        result = uv.run(command, Path(folder), stdin=f"{name} @ {url}\n")
    if match := re.search(r"--hash=sha256:([0-9a-f]{64})", result.out):
        return match[1]
    raise _unverified(name, result.err, target)


def _unverified(name: str, text: str, target: Target) -> BuildError:
    flat = uv.one_line(text)
    return download_error(flat, target.id, expected="its page names") or BuildError(
        f"the index has no sha256 for a wheel of {name}, and it cannot be downloaded: "
        f"{uv.without_addresses(flat)[-200:].strip()}",
        fix="check the index, then run the command again",
    )
