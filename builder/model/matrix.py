"""The matrix: what should exist. One YAML file, checked whole, every problem reported with its line.

``load_matrix`` reads and checks; ``Matrix.targets`` are the zips to build, ``Matrix.cells`` the places to publish.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version
from pydantic import AfterValidator, BeforeValidator, Field

from builder.model.durations import parse_duration
from builder.model.errors import InputError
from builder.model.frozen import Frozen
from builder.model.regions import did_you_mean, known_regions, partition_of
from builder.model.runtimes import RUNTIMES, Architecture
from builder.model.target import Target, TargetKey

#: Limits of Lambda's API (developer guide, "Lambda quotas"; botocore's service model).
LAYER_NAME = re.compile(r"[a-zA-Z0-9_-]{1,140}")
DESCRIPTION_LIMIT = 256
LICENSE_LIMIT = 512
QUOTA_PER_SECOND = 15
#: Of a parameter's path, whose name, ARN and all, has at most 1011 characters.
PREFIX_LIMIT = 800
#: Which new versions become releases: each, the first of each minor, those that a person names.
POLICIES = ("every", "minor", "by-hand")


def _python(value: str) -> str:
    if value not in RUNTIMES:
        raise ValueError(f"{value!r} is no Python of Lambda's; known: {', '.join(RUNTIMES)}")
    return value


def _architecture(value: Any) -> Any:
    if value in ("arm64", "arm", "ARM64"):
        raise ValueError("write aarch64 here (the program says arm64 where Lambda's API wants it)")
    if value in ("amd64", "x86-64", "x64"):
        raise ValueError("write x86_64 here")
    return value


def _region(value: str) -> str:
    if value not in known_regions():
        raise ValueError(f"{value!r} is no AWS region" + _hint(value, known_regions()))
    return value


def _package(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", value):
        raise ValueError(f"{value!r} is no package name (extras go under `extras:`, versions to --version)")
    return value


def _requirement(value: str) -> str:
    try:
        requirement = Requirement(value)
    except InvalidRequirement as error:
        raise ValueError(f"{value!r} is no requirement: {str(error).splitlines()[0]}") from None
    if requirement.url:
        raise ValueError(f"{value!r} names an address; a layer is made of released wheels only")
    return value


def _prefix(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_.-]+){1,12}", value) or len(value) > PREFIX_LIMIT:
        raise ValueError(
            f"{value!r} is no path of parameters: up to 12 names of letters, digits, `_`, `.` and `-`, "
            "each with a slash before it, like /strands-agents/layers"
        )
    if re.match(r"/(aws|ssm)", value, re.IGNORECASE):
        raise ValueError(f"{value!r} begins with a name that AWS keeps to itself (aws, ssm)")
    return value


def _releases(value: Any) -> Any:
    return {"policy": value} if isinstance(value, str) else value  # `releases: minor`


def _policy(value: Any) -> Any:
    if isinstance(value, str) and value not in POLICIES:
        meant = {"all": "every", "any": "every", "manual": "by-hand", "never": "by-hand", "none": "by-hand"}.get(value)
        hint = f": did you mean {meant}?" if meant else _hint(value, list(POLICIES))
        raise ValueError(f"{value!r} is no policy ({', '.join(POLICIES)})" + hint)
    return value


def _age(value: Any) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int | float):
        raise ValueError(f'{value!r} of what? write it with its unit: "2 days"')
    return value


def _changelog_url(value: str) -> str:
    if not re.fullmatch(r"https://(?:[!#-;=?-Z_a-z~&]|%[0-9A-Fa-f]{2}|\{version\})+", value):
        raise ValueError("not an https:// URL with {version} as its only placeholder")
    return value


def _bytecode(value: Any) -> Any:
    return "off" if value is False else value  # YAML 1.1 reads a bare `off` as false


def _hint(word: str, choices: frozenset[str] | list[str]) -> str:
    hint = did_you_mean(word, choices)
    return f": {hint}" if hint else ""


PackageName = Annotated[str, AfterValidator(_package)]
PythonVersion = Annotated[str, AfterValidator(_python)]
ArchitectureName = Annotated[Architecture, BeforeValidator(_architecture)]
Region = Annotated[str, AfterValidator(_region)]
RequirementText = Annotated[str, AfterValidator(_requirement)]


class Permission(Frozen):
    """Who may use the layer: everyone, one account, or (with ``*``) the accounts of one organization."""

    principal: Annotated[str, Field(pattern=r"^(\*|\d{12})$")] = "*"
    organization: Annotated[str, Field(pattern=r"^o-[a-z0-9]{10,32}$")] | None = None


class Staging(Frozen):
    """Buckets through which zips reach Lambda: one a region by a name template, filled from ``home``."""

    bucket: str
    home: Region

    def bucket_of(self, account: str, region: str) -> str:
        """The name of a region's bucket."""
        return self.bucket.format(account=account, region=region)


class Releases(Frozen):
    """Which new versions of the package become releases, as ``layers watch`` sees it."""

    policy: Annotated[Literal["every", "minor", "by-hand"], BeforeValidator(_policy)] = "every"
    minimum_age: Annotated[timedelta, BeforeValidator(_age)] | None = None


class Parameters(Frozen):
    """SSM parameters with the ARNs of releases, below a path."""

    prefix: Annotated[str, AfterValidator(_prefix)]


@dataclass(frozen=True)
class Cell:
    """One target in one region: the place of one layer version a release."""

    region: str
    target: Target

    @property
    def id(self) -> str:
        return f"{self.region}/{self.target.id}"


class Matrix(Frozen):
    """What should exist. Build one with ``load_matrix`` (a file) or ``parse_matrix`` (text)."""

    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    package: PackageName
    python: Annotated[tuple[PythonVersion, ...], Field(min_length=1)]
    architectures: Annotated[tuple[ArchitectureName, ...], Field(min_length=1)]
    regions: Annotated[tuple[Region, ...], Field(min_length=1)]
    extras: tuple[PackageName, ...] = ()
    requirements: tuple[RequirementText, ...] = ()
    layer_name: str = "{package}-py{python}-{architecture}"
    description: str = "PyPI package: {package} v{version} (Python {python_version}, {architecture})"
    license: Annotated[str, Field(max_length=LICENSE_LIMIT)] = "Apache-2.0"
    permission: Permission = Permission()
    staging: Staging | None = None
    parameters: Parameters | None = None
    releases: Annotated[Releases, BeforeValidator(_releases)] = Releases()
    bytecode: Annotated[Literal["required", "auto", "off"], BeforeValidator(_bytecode)] = "required"
    requests_per_second: Annotated[float, Field(gt=0, le=QUOTA_PER_SECOND, strict=True)] = 10
    changelog_url: Annotated[str, AfterValidator(_changelog_url)] | None = None

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Every Python × architecture, in the file's order."""
        return tuple(
            Target(python, architecture, self._layer_name(TargetKey(python, architecture)))
            for python in self.python
            for architecture in self.architectures
        )

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every target in every region, region by region."""
        return tuple(Cell(region, target) for region in self.regions for target in self.targets)

    @property
    def requirement(self) -> str:
        """The package with its extras: ``strands-agents[otel]``."""
        return f"{self.package}[{','.join(self.extras)}]" if self.extras else self.package

    def describe(self, target: TargetKey, version: str) -> str:
        """The description of the layer version that holds ``version`` for ``target``."""
        return self.description.format(
            package=self.package,
            version=version,
            python_version=target.python,
            python=target.python_field,
            architecture=str(target.architecture),
        )

    def layer_arn(self, cell: Cell, number: int | None = None) -> str:
        """The ARN of a cell's layer, or of one layer version of it."""
        arn = f"arn:{partition_of(cell.region)}:lambda:{cell.region}:{self.account}:layer:{cell.target.layer_name}"
        return arn if number is None else f"{arn}:{number}"

    def bucket(self, region: str) -> str | None:
        """The staging bucket of a region; None where zips go in the request."""
        return self.staging.bucket_of(self.account, region) if self.staging else None

    def select(self, pythons: tuple[str, ...] = (), architectures: tuple[str, ...] = ()) -> tuple[Target, ...]:
        """The targets of these Pythons and architectures (all, where none is named). InputError on unknown ones."""
        _known("Python", pythons, list(self.python))
        _known("architecture", architectures, [str(a) for a in self.architectures])
        return tuple(
            target
            for target in self.targets
            if (not pythons or target.python in pythons) and (not architectures or target.architecture in architectures)
        )

    def select_regions(self, regions: tuple[str, ...] = ()) -> tuple[str, ...]:
        """These regions in the matrix's order (all, where none is named). InputError on unknown ones."""
        _known("region", regions, list(self.regions))
        return tuple(region for region in self.regions if not regions or region in regions)

    def _layer_name(self, target: TargetKey) -> str:
        return self.layer_name.format(
            package=self.package, python=target.python_field, architecture=str(target.architecture)
        )


def _known(kind: str, asked: tuple[str, ...], choices: list[str]) -> None:
    for word in asked:
        if word not in choices:
            hint = did_you_mean(word.replace("py", "").replace("_", ".") if kind == "Python" else word, choices)
            if word in ("arm64", "ARM64") and "aarch64" in choices:
                hint = "did you mean aarch64?"
            raise InputError(
                f"{kind} {word!r} is not in the matrix ({', '.join(choices)})",
                fix=hint or f"name one of the matrix, or add it to the matrix's {kind.lower()} list",
            )


def parse_version(text: str) -> str:
    """The version as the package index writes it (PEP 440, normalised). InputError where it is none."""
    try:
        return str(Version(text))
    except ValueError:  # InvalidVersion, and what Python says of numbers with thousands of digits
        meant = text.removeprefix("refs/tags/")
        fix = "give the version of the tag alone, without refs/tags/" if meant != text else "give one like 1.62.0"
        raise InputError(f"{text[:80]!a} is no version (PEP 440)", fix=fix) from None
