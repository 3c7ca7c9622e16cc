"""The JSON documents of ``inspect``, ``package``, ``watch`` and ``infra``, which have no model of their own."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict

from builder.model.artifact import Finding
from publisher.watch.incomplete_releases import IncompleteRelease
from publisher.watch.matrix_gaps import EndingPython, MissingPython
from publisher.watch.policy import HeldBack, Proposal
from publisher.watch.rebuild import PackageAdvisory, UnfixedAdvisory


class BytecodeCount(TypedDict):
    """The number of modules, and of those with bytecode that the zip's Python reads."""

    modules: int
    compiled: int


class InspectedBinary(TypedDict):
    """One ELF file. ``needs``: the newest version of each symbol family, such as ``GLIBC``."""

    path: str
    architecture: str
    needs: dict[str, str]
    libraries: list[str]


class InspectedPackage(TypedDict):
    """A distribution in a zip, with its unzipped size."""

    name: str
    version: str
    size: int
    modules: list[str]  #: its top-level names


class InspectedZip(TypedDict):
    """One zip. Sizes in bytes."""

    zip: str
    sha256: str
    python: str | None
    architecture: str | None
    size: int
    size_limit: int
    unzipped_size: int
    unzipped_limit: int
    files: int
    errors: int
    glibc: str | None
    bytecode: BytecodeCount
    slim_services: list[str] | None
    exclude: list[str]  #: packages that the build left out, by the manifest beside the zip
    override: list[str]  #: requirements that replaced what the packages require, by the manifest
    packages: list[InspectedPackage]
    binaries: list[InspectedBinary]
    findings: list[Finding]


class NamedPackage(TypedDict):
    """A package that only one of the zips has."""

    name: str
    version: str


#: ``from`` is a keyword of Python, so these keys need the functional form.
UpdatedPackage = TypedDict("UpdatedPackage", {"name": str, "from": str, "to": str})


class PackageChanges(TypedDict):
    """How the packages of two zips differ."""

    added: list[NamedPackage]
    removed: list[NamedPackage]
    updated: list[UpdatedPackage]


class FileChanges(TypedDict):
    """How the files of two zips differ: their paths."""

    added: list[str]
    removed: list[str]
    changed: list[str]


class ZipComparison(TypedDict):
    """How the second zip differs from the first. Sizes in bytes."""

    same_bytes: bool
    packages: PackageChanges
    size_difference: int
    unzipped_size_difference: int
    files: FileChanges


class InspectDocument(TypedDict):
    """``layers inspect --json``. ``comparison``: for exactly two zips."""

    zips: list[InspectedZip]
    comparison: ZipComparison | None


class PackagedZip(TypedDict):
    """A zip that ``layers package`` wrote. Sizes in bytes."""

    file: str
    sha256: str
    size: int
    unzipped_size: int


class DependenciesZip(PackagedZip):
    """The zip with the dependencies. ``packages``: name → version."""

    sbom: str | None
    packages: dict[str, str]


class PackageDocument(TypedDict):
    """``layers package --json``."""

    python: str
    architecture: Literal["x86_64", "aarch64"]
    app: PackagedZip
    dependencies: DependenciesZip | None
    requirements: str | None
    lock: str | None
    on_layer: str | None
    total_unzipped: int


class NeededRebuild(TypedDict):
    """A release that a rebuild fixes."""

    layer_version: int
    version: str
    advisories: list[PackageAdvisory]


class WatchDocument(TypedDict):
    """``layers watch --json``. The three keys about advisories are null without ``--advisories``."""

    package: str
    newest: str | None
    versions: list[str]
    release: Proposal | None
    held_back: list[HeldBack]
    incomplete: list[IncompleteRelease]
    rebuild: list[NeededRebuild] | None
    unfixed: list[UnfixedAdvisory] | None
    unknown: list[str] | None
    missing_regions: list[str]
    missing_pythons: list[MissingPython]
    ending_pythons: list[EndingPython]


class NamedVersionDocument(TypedDict):
    """``layers watch --version V --json``."""

    package: str
    version: str
    versions: list[str]


class InfraFile(TypedDict):
    """One template in a folder."""

    path: str
    state: Literal["written", "unchanged", "differs", "missing", "not needed"]


class InfraFilesDocument(TypedDict):
    """``layers infra --output DIR --json`` and ``--check``."""

    files: list[InfraFile]


class InfraTemplate(TypedDict):
    """``layers infra --json``: a CloudFormation template."""

    AWSTemplateFormatVersion: str
    Description: str
    Resources: dict[str, Any]
    Parameters: NotRequired[dict[str, Any]]
    Conditions: NotRequired[dict[str, Any]]
    Outputs: NotRequired[dict[str, Any]]
