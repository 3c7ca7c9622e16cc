"""Choose a package's wheel for a target: the compatible one with the best tag, as installers do."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builder.model.artifact import Locked
from builder.model.errors import BuildError, InputError
from builder.model.file_access import digest_of
from builder.model.target import Target
from builder.model.wheel_tags import supported_tags
from builder.resolve import uv
from builder.resolve.bounds import ProjectIndex
from builder.resolve.download_failures import download_error, hash_mismatch

#: The algorithms that pip accepts in ``--hash``, and the number of hexadecimal digits of each.
DIGEST_LENGTHS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}


def choose_wheel(
    package: dict[str, Any],
    target: Target,
    allowed: Sequence[Collection[str]],
    index: ProjectIndex | None,
    origin: str | None,
) -> Locked | None:
    """Return the best wheel of a package in a pylock document, or None if no wheel runs on the target.

    ``allowed``: sets of digests (``sha256:…``); the wheel must have one of each. ``index``: the only one of the
    package; the lock keeps the wheel's place too. ``origin``: the file and line that require the package. Raises
    InputError for another digest, BuildError if the index names another.
    """
    name, version = str(package.get("name")), str(package.get("version"))
    archive = package.get("archive")  # a direct reference
    wheels: list[dict[str, Any]] = [archive] if archive else package.get("wheels", [])
    wheels = [each for each in wheels if not any(map(_hashes(each).isdisjoint, allowed))] or wheels
    ranked = [(rank, wheel) for wheel in wheels if (rank := _rank(wheel, target)) is not None]
    if not ranked:
        return None
    wheel = max(ranked, key=lambda each: each[0])[1]
    url = index.authenticate(url_of(wheel), os.environ) if index else url_of(wheel)
    return Locked(
        name=canonicalize_name(name),
        version=version,
        filename=filename_of(wheel),
        sha256=_sha256(name, wheel, url, allowed, target, origin),
        url=url if archive or index else None,
    )


def _hashes(wheel: dict[str, Any]) -> set[str]:
    return {f"{kind}:{digest}".lower() for kind, digest in wheel.get("hashes", {}).items()}


def has_wheel(package: Mapping[str, Any], target: Target) -> bool:
    """Whether a package of a pylock document has a wheel that runs on the target."""
    return any(_rank(wheel, target) is not None for wheel in package.get("wheels", []))


def _rank(wheel: Mapping[str, Any], target: Target) -> tuple[Any, ...] | None:
    """Return a value that is larger for a better wheel; None for one that does not run on the target."""
    filename = filename_of(wheel)
    try:
        _, _, build, wheel_tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return None
    supported = supported_tags(target)
    ranks = [supported[tag] for tag in wheel_tags if tag in supported]
    # Of wheels with the same tag, installers take the highest build number; a wheel without one has the lowest.
    return (-min(ranks), build, filename) if ranks else None


def filename_of(wheel: Mapping[str, Any]) -> str:
    """Return the file name of a wheel in a pylock document."""
    place = str(wheel.get("url") or wheel.get("path") or "")
    return str(wheel.get("name") or unquote(urlsplit(place).path).rsplit("/", 1)[-1])


def url_of(wheel: Mapping[str, Any]) -> str:
    """Return the URL of a wheel in a pylock document."""
    return str(wheel.get("url") or Path(wheel.get("path") or "/").absolute().as_uri())


def _sha256(
    name: str,
    wheel: dict[str, Any],
    url: str,
    allowed: Sequence[Collection[str]],
    target: Target,
    origin: str | None,
) -> str:
    """Return the sha256 of a wheel, after a check of the ``allowed`` digests, or else of those that the index lists.

    The file is read only if the sha256 that the index lists is missing, or cannot be compared with all of them.
    """
    listed = _hashes(wheel)
    digests = {each for each in listed if each.startswith("sha256:")}
    if not digests or any(digests.isdisjoint(each) and _kinds(each) != {"sha256"} for each in allowed):
        digests = _digests_of_file(url) if url.startswith("file:") else _downloaded_digests(name, url, target)
    for each in allowed:
        if digests.isdisjoint(each):
            shown = " ".join(sorted(digest for digest in digests if _kinds([digest]) <= _kinds(each)))
            raise InputError(
                f"hash mismatch: {filename_of(wheel)} has {shown}, which is not among its hashes in the requirements, "
                "the lock or the constraints (PIP_CONSTRAINT, UV_CONSTRAINT)",
                where=origin or target.id,
                fix="write hashes for every package and platform (`uv pip compile --generate-hashes`), or lock again "
                "(--no-lock resolves without a lock file)",
            )
    checked = [each for each in listed if each.partition(":")[0] in DIGEST_LENGTHS]
    if not allowed and checked and digests.isdisjoint(checked):
        raise hash_mismatch(name, checked, sorted(digests), target.id, "its page names")
    return next(each.partition(":")[2] for each in digests if each.startswith("sha256:"))


def _kinds(digests: Iterable[str]) -> set[str]:
    """Return the algorithms of digests."""
    return {each.partition(":")[0] for each in digests}


def _digests_of_file(url: str) -> set[str]:
    return {f"{kind}:{digest_of(Path(unquote(urlsplit(url).path)), kind)}" for kind in DIGEST_LENGTHS}


def _downloaded_digests(name: str, url: str, target: Target) -> set[str]:
    """Return the digests of a wheel, all of the same content. uv downloads it, because it has the credentials.

    uv shows every digest of a wheel that it refuses, so expect impossible ones.
    """
    impossible = " ".join(f"--hash={kind}:{'0' * digits}" for kind, digits in DIGEST_LENGTHS.items())
    command = [
        "pip", "install", "--target", "checked", "--require-hashes", "--requirements", "wheel.txt", "--no-deps",
        "--no-python-downloads", "--python", sys.executable, *uv.platform_options(target),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="layers-hash-") as folder:
        (Path(folder) / "wheel.txt").write_text(f"{name} @ {url} {impossible}\n", "utf-8")
        flat = uv.one_line(uv.run(command, Path(folder)).stderr)
    if match := re.search(r"Hash mismatch for .* Computed: ((?:sha\d+:[0-9a-f]+ ?)+)", flat):
        return set(match[1].split())
    raise download_error(flat, target.id) or BuildError(
        f"the wheel of {name} must be downloaded to check its hash, and it cannot be: "
        f"{uv.without_addresses(flat)[-200:].strip()}",
        where=target.id,
        fix="check the index, then run the command again",
    )
