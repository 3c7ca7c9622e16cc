"""Check that a zip's distributions are complete, are for the target, and have their requirements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from builder.inspection.distributions import Distribution
from builder.inspection.file_facts import FileFacts
from builder.inspection.pyc import source_of
from builder.metadata.requires_dist import active_requirements
from builder.model.artifact import Finding
from builder.model.findings import dotted, finding, group_paths
from builder.model.target import Target
from builder.model.versions import allows
from builder.model.wheel_tags import expand_tags, supported_tags

#: Packages that Lambda's runtimes include (developer guide, "Runtime-included SDK versions"); a layer may omit them.
_IN_RUNTIME = frozenset({"boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six"})
#: A glibc version above all real ones, to tell wheels for a newer system from wheels for another machine.
_FUTURE_GLIBC_MINOR = 99
#: uv ignores upper bounds of Requires-Python, because projects set them by mistake; pip does not.
_LOWER_BOUNDS = (">", "~=", "==")


def check_packages(
    packages: Sequence[Distribution], files: Sequence[FileFacts], target: Target | None
) -> Iterator[Finding]:
    """Yield the findings about the distributions in a target's zip. ``target``: None if the zip does not tell it."""
    yield from _check_twice(packages)
    for distribution in packages:
        yield from distribution.problems
        if target:
            yield from _check_tags(distribution, target)
            package = f"{distribution.name} {distribution.version}"
            if found := check_python(package, distribution.requires_python, target, distribution.folder):
                yield found
    if target:
        yield from _check_requirements(packages, target)
    yield from _check_records(packages, files)


def _check_twice(packages: Sequence[Distribution]) -> Iterator[Finding]:
    folders: dict[str, list[str]] = {}
    for distribution in packages:
        folders.setdefault(distribution.name, []).append(distribution.folder)
    for name, all_ in folders.items():
        if len(all_) > 1:
            yield finding(
                "error", "package-twice", f"{name} is in the zip {len(all_)} times: {', '.join(all_)}", all_[0]
            )


def _check_tags(distribution: Distribution, target: Target) -> Iterator[Finding]:
    """Compare the wheel's tags with the target."""
    parsed = {text: expand_tags(text) for text in distribution.tags}
    for text in [text for text, read_tags in parsed.items() if not read_tags][:1]:
        message = f"has a Tag that is not a wheel tag: {text[:100]!r}"
        yield finding("warning", "metadata-malformed", message, f"{distribution.folder}/WHEEL")
    tags = {tag for read_tags in parsed.values() for tag in read_tags}
    if not tags or not tags.isdisjoint(supported_tags(target)):
        return
    package = f"{distribution.name} {distribution.version}"
    shown = ", ".join(distribution.tags[:3]) + (", …" if len(distribution.tags) > 3 else "")
    if not tags.isdisjoint(supported_tags(target, _FUTURE_GLIBC_MINOR)):
        message = f"{package} is a wheel for a newer glibc than {dotted(target.runtime.glibc)} ({shown})"
        yield finding("warning", "wheel-glibc", message, distribution.folder)
    else:
        message = f"{package} is a wheel for {shown}, not for CPython {target.python} on {target.architecture} Linux"
        yield finding("error", "wheel-tag", message, distribution.folder)


def check_python(package: str, requires_python: str | None, target: Target, path: str) -> Finding | None:
    """Return a finding if Requires-Python excludes the target's Python: a warning if only an upper bound does."""
    try:
        bounds = SpecifierSet(requires_python or "")
        lower = SpecifierSet(",".join(str(each) for each in bounds if each.operator.startswith(_LOWER_BOUNDS)))
        is_met, is_new = (each.contains(target.runtime.full_version, prereleases=True) for each in (bounds, lower))
    except ValueError:  # also for a version with more digits than Python converts
        return None
    message = f"{package} requires Python {bounds}, the target has {target.runtime.full_version}"
    return None if is_met else finding("warning" if is_new else "error", "python-required", message, path)


def _check_requirements(packages: Sequence[Distribution], target: Target) -> Iterator[Finding]:
    """Report requirements on this target that are missing in the zip or have another version there.

    This finds a layer that another Python's pip installed, without packages that only the target's Python needs.
    """
    active = active_requirements({each.name: each.requires for each in packages}, target)
    versions = {distribution.name: distribution.version for distribution in packages}
    for distribution in packages:
        for requirement in active[distribution.name]:
            name = str(canonicalize_name(requirement.name))
            statement = f"{distribution.name} {distribution.version} requires {name}{requirement.specifier}"
            if name not in versions:
                if name not in _IN_RUNTIME:
                    message = f"{statement} on Python {target.python}, and the zip does not have it"
                    yield finding("warning", "requirement-missing", message, distribution.folder)
            elif not allows(requirement.specifier, versions[name], if_unreadable=True):
                message = f"{statement}; the zip has {versions[name]}"
                yield finding("warning", "requirement-version", message, distribution.folder)


def _check_records(packages: Sequence[Distribution], files: Sequence[FileFacts]) -> Iterator[Finding]:
    """Report files that differ from the RECORDs, files that are missing, and files that no RECORD lists."""
    for distribution in packages:
        owner = f"{distribution.name} {distribution.version}"
        message = f"has another sha256 than the RECORD of {owner} gives: it was changed after the wheel was built"
        yield from group_paths("error", "record-hash", message, distribution.changed)
        missing = [path for path in distribution.missing if not _is_dropped(path, distribution.root)]
        yield from group_paths("warning", "record-missing", f"is in the RECORD of {owner} and not in the zip", missing)
    yield from group_paths("warning", "record-unknown", "is in no package's RECORD", _find_unrecorded(packages, files))


def _is_dropped(path: str, root: str) -> bool:
    """Whether installers move a RECORD's file or create it themselves: scripts, bytecode, data files."""
    return not path.startswith(root) or path.endswith(".pyc") or path.startswith((f"{root}bin/", f"{root}share/"))


def _find_unrecorded(packages: Sequence[Distribution], files: Sequence[FileFacts]) -> list[str]:
    """Return files in the import roots that no RECORD lists; none if no distribution has a RECORD."""
    recorded = {path for distribution in packages for path in distribution.files}
    if not recorded:
        return []
    notes = {distribution.folder for distribution in packages}
    return [
        path
        for path in sorted(file.path for file in files if not file.is_folder)
        if path.startswith("python/")
        and path not in recorded
        and source_of(path) not in recorded
        and path.rpartition("/")[0] not in notes
        and not path.startswith("python/bin/")
    ]
