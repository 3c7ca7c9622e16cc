"""Resolving: which wheels a target's layer is made of.

uv is asked once a target, with that target's Python and platform, so that markers and wheels are the target's own and
not this machine's. Nothing is executed: wheels only, and metadata as the index gives it. The answer, for each package
one wheel by its hash, is the lock. It holds no addresses: any index that has these wheels will do.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from builder.artifact import Locked
from builder.errors import BuildError, InputError, LayersError
from builder.matrix import Matrix, Target, parse_version
from builder.progress import Progress
from builder.pylock import NoWheel, read_pylock
from builder.uv import COMMON, Uv, refuse, shortened

Lock = tuple[Locked, ...]


def resolve(
    matrix: Matrix,
    version: str,
    targets: Sequence[Target],
    progress: Progress,
    *,
    exclude_newer: str | None = None,
) -> dict[str, Lock]:
    """The lock of each target by target id. ``version`` is normalised here; all targets get the same one."""
    version = parse_version(version)
    requirements = requirements_of(matrix, version)
    progress.begin("Resolving", len(targets))

    def one(target: Target) -> Lock:
        lock = _resolve_target(matrix, requirements, target, exclude_newer)
        _check_pin(matrix, version, lock, target)
        progress.step(target.id, f"{len(lock)} packages")
        return lock

    return dict(zip((t.id for t in targets), _all(one, targets), strict=True))


def newest(matrix: Matrix, *, exclude_newer: str | None = None) -> str:
    """The newest stable release of the package that has wheels for all targets of the matrix."""
    requirements = (matrix.requirement, *matrix.requirements)

    def one(target: Target) -> str:
        lock = _resolve_target(matrix, requirements, target, exclude_newer, stable=True)
        return _version_in(matrix, lock)

    found = {target.id: version for target, version in zip(matrix.targets, _all(one, matrix.targets), strict=True)}
    lowest = min(found.values(), key=Version)
    if len(set(found.values())) > 1:  # some target lacks a wheel of the newest: all must take the one they share
        resolve(matrix, lowest, matrix.targets, _silent(), exclude_newer=exclude_newer)
    return lowest


def requirements_of(matrix: Matrix, version: str) -> tuple[str, ...]:
    """What is asked for: the package at exactly this version, and whatever else the matrix wants in the layer."""
    return (f"{matrix.requirement}=={version}", *matrix.requirements)


def _all(one, targets: Sequence[Target]):  # type: ignore[no-untyped-def]
    with ThreadPoolExecutor(max_workers=max(1, len(targets))) as pool:
        futures = [pool.submit(one, target) for target in targets]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _silent() -> Progress:
    from builder.progress import Quiet

    return Quiet()


def _resolve_target(
    matrix: Matrix, requirements: Sequence[str], target: Target, exclude_newer: str | None, *, stable: bool = False
) -> Lock:
    arguments = [
        "pip", "compile", *COMMON, "--python-version", target.runtime.full_version,
        "--python-platform", platform_of(target), "--no-header", "--no-annotate", "--format", "pylock.toml",
        "--resolution", "highest", "--prerelease", "disallow" if stable else "if-necessary-or-explicit", "-",
        *(["--exclude-newer", exclude_newer] if exclude_newer else []),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="layers-resolve-") as folder:
        done = Uv(Path(folder)).run(arguments, stdin="\n".join(requirements) + "\n")
    if done.returncode != 0:
        raise _refusal(matrix, requirements, target, done.stderr)
    if missing := re.search(r"`([^`]+)` does not have an extra named `([^`]+)`", done.stderr):
        raise InputError(
            f"{missing[1]} has no extra {missing[2]!r}", where="extras", fix="take it out of the matrix, or spell it so"
        )
    try:
        return read_pylock(done.stdout, target)
    except NoWheel as error:
        raise _no_wheel(error.name, error.version, target) from None
    except (ValueError, KeyError) as error:
        raise BuildError(f"uv's answer is not understood: {error!r}", where=target.id, fix="upgrade uv") from None


def platform_of(target: Target) -> str:
    """The target's platform as uv calls it."""
    return f"{target.architecture}-{target.runtime.manylinux}"


def _version_in(matrix: Matrix, lock: Lock) -> str:
    name = canonicalize_name(matrix.package)
    return next(locked.version for locked in lock if locked.name == name)


def _check_pin(matrix: Matrix, version: str, lock: Lock, target: Target) -> None:
    got = _version_in(matrix, lock)
    if got != version:
        raise InputError(
            f"the index calls this version of {matrix.package} {got}, not {version}",
            where=target.id,
            fix=f"use --version {got}: descriptions, ledger and table must name the version one way",
        )


def _refusal(matrix: Matrix, requirements: Sequence[str], target: Target, stderr: str) -> LayersError:
    """What uv's failure means to whoever asked."""
    general = refuse(stderr, where=target.id)
    if general:
        return general
    flat = " ".join(stderr.split())
    if found := re.search(r"Because (\S+) was not found in the package registry", flat):
        return InputError(
            f"the index has no package {found[1]!r}", where=target.id, fix="check its name in the matrix"
        )
    own = canonicalize_name(matrix.package)
    for found in re.finditer(r"there (?:is|are) no versions? of ([^\s=\[]+)(?:\[[^\]]*\])?==([^\s,]+)", flat):
        if canonicalize_name(found[1]) == own:
            return InputError(
                f"the index has no version {found[2]} of {matrix.package}",
                where=target.id,
                fix=f"name a released one; see `layers build --version latest`",  # noqa: F541
            )
    if found := re.search(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s,]+) has no usable wheels", flat):
        return _no_wheel(found[1], found[2], target)
    if found := re.search(r"Because (?:only )?([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+) has no wheels with a", flat):
        return _no_wheel(found[1], found[2].rstrip(","), target, detail=shortened(stderr))
    return BuildError(
        f"{' '.join(requirements)} cannot be resolved\n{shortened(stderr)}",
        where=target.id,
        fix="change the version, the extras or the requirements in the matrix so that these can go together",
    )


def _no_wheel(name: str, version: str, target: Target, detail: str | None = None) -> BuildError:
    glibc = ".".join(map(str, target.runtime.glibc))
    runtime = target.runtime
    text = (
        f"{name} {version} has no wheel that runs on Python {target.python} for {target.architecture} with "
        f"{runtime.system}'s glibc {glibc} (up to {runtime.manylinux}); a layer is built from wheels only"
    )
    return BuildError(
        f"{text}\n{detail}" if detail else text,
        where=target.id,
        fix=f"take a version of {name} that has one, or take Python {target.python} out of the matrix",
    )
