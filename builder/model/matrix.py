"""The matrix: what should exist. ``Matrix.targets`` are the zips to build, ``Matrix.cells`` the places to publish.

``builder.model.matrix_file`` reads one from YAML, with every problem at its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated

from packaging.version import Version
from pydantic import Field

from builder.model.errors import InputError
from builder.model.frozen import Frozen
from builder.model.matrix_keys import (
    Announce,
    ArchitectureName,
    Budget,
    Bytecode,
    ChangelogUrl,
    NormalizedName,
    OverrideText,
    PackageName,
    Parameters,
    Permission,
    PythonVersion,
    Region,
    Releases,
    ReleasesKey,
    RequirementText,
    Signing,
    SlimKey,
    Staging,
    Unsupported,
)
from builder.model.regions import partition_of
from builder.model.selection import is_all, parse_architecture, parse_python, parse_region, split_words
from builder.model.target import Target, TargetKey

#: Limits of Lambda's API (developer guide, "Lambda quotas"; botocore's service model).
LAYER_NAME = re.compile(r"[a-zA-Z0-9_-]{1,140}")
MAX_DESCRIPTION_CHARACTERS = 256
MAX_LICENSE_CHARACTERS = 512
QUOTA_PER_SECOND = 15


@dataclass(frozen=True)
class Cell:
    """One target in one region: it gets one layer version for each release."""

    region: str
    target: Target

    @property
    def id(self) -> str:
        return f"{self.region}/{self.target.id}"

    @property
    def key(self) -> tuple[str, str]:
        """Region and target id, the key of its records in the ledger and the index."""
        return self.region, self.target.id


class Matrix(Frozen):
    """What should exist. Build one with ``load_matrix`` (a file) or ``parse_matrix`` (text)."""

    account: Annotated[str, Field(pattern=r"^[0-9]{12}$")]
    package: PackageName
    python: Annotated[tuple[PythonVersion, ...], Field(min_length=1)]
    architectures: Annotated[tuple[ArchitectureName, ...], Field(min_length=1)]
    regions: Annotated[tuple[Region, ...], Field(min_length=1)]
    unsupported: tuple[Unsupported, ...] = ()
    extras: tuple[PackageName, ...] = ()
    requirements: tuple[RequirementText, ...] = ()
    exclude: tuple[NormalizedName, ...] = ()  #: packages that are left out of the layer although others require them
    override: tuple[OverrideText, ...] = ()  #: requirements that replace every other requirement of the same package
    layer_name: str = "{package}-py{python}-{architecture}"
    description: str = "PyPI package: {package} v{version} (Python {python_version}, {architecture})"
    license: Annotated[str, Field(max_length=MAX_LICENSE_CHARACTERS)] = "Apache-2.0"
    permission: Permission = Permission()
    staging: Staging | None = None
    parameters: Parameters | None = None
    releases: ReleasesKey = Releases()
    changelog_url: ChangelogUrl | None = None
    bytecode: Bytecode = "required"
    slim: SlimKey = None
    budget: Budget | None = None
    signing: Signing | None = None
    announce: Announce | None = None
    requests_per_second: Annotated[float, Field(gt=0, le=QUOTA_PER_SECOND, strict=True)] = 10

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Every Python × architecture, in the file's order."""
        return tuple(
            Target(python, architecture, self.name_of(TargetKey(python, architecture)))
            for python, architecture in product(self.python, self.architectures)
        )

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell, region by region, without the unsupported ones."""
        return tuple(cell for region in self.regions for cell in self.cells_in(region))

    def cells_in(self, region: str, targets: Iterable[Target] | None = None) -> tuple[Cell, ...]:
        """The cells of a region, without the unsupported ones."""
        chosen = self.targets if targets is None else targets
        return tuple(Cell(region, target) for target in chosen if self.unsupported_entry(region, target) is None)

    def unsupported_entry(self, region: str, target: TargetKey) -> Unsupported | None:
        """The entry of ``unsupported`` that covers a cell, or None."""
        return next((entry for entry in self.unsupported if entry.covers(region, target)), None)

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
        """Return the ARN of a cell's layer, or of one version of that layer."""
        arn = f"arn:{partition_of(cell.region)}:lambda:{cell.region}:{self.account}:layer:{cell.target.layer_name}"
        return arn if number is None else f"{arn}:{number}"

    def bucket(self, region: str) -> str | None:
        """Return the staging bucket of a region; None without ``staging`` (the zip is sent in the request)."""
        return self.staging.bucket_of(self.account, region) if self.staging else None

    def select(self, pythons: Sequence[str] = (), architectures: Sequence[str] = ()) -> tuple[Target, ...]:
        """Return the targets of these Pythons and architectures, in any accepted spelling; all if both are empty.

        Raises InputError for one that the matrix does not have.
        """
        chosen = _select_from("Python", pythons, self.python, parse_python)
        machines = _select_from("architecture", architectures, self.architectures, parse_architecture)
        return tuple(each for each in self.targets if each.python in chosen and each.architecture in machines)

    def select_regions(self, regions: Sequence[str]) -> tuple[str, ...]:
        """Return these regions in the matrix's order; all if empty. Raises InputError for one that it does not have."""
        chosen = _select_from("region", regions, self.regions, parse_region)
        return tuple(region for region in self.regions if region in chosen)

    def name_of(self, target: TargetKey) -> str:
        """Return the name of a target's layer, also of a target that the matrix no longer has."""
        return self.layer_name.format(
            package=self.package, python=target.python_field, architecture=str(target.architecture)
        )


def _select_from(kind: str, words: Sequence[str], known: Sequence[str], parse: Callable[[str], str]) -> Sequence[str]:
    """Return the members of ``known`` that the words select."""
    chosen = []
    if words and not split_words(words):
        raise InputError(f"no {kind} is given", fix=f"use one of {', '.join(map(str, known))}, or omit the option")
    for word in split_words(words):
        if is_all(word):
            return known
        try:
            item = parse(word)
        except ValueError as error:
            raise InputError(str(error), where=f"{kind} {word[:40]!r}") from None
        if item not in known:
            raise InputError(
                f"{kind} {item!s} is not in the matrix ({', '.join(map(str, known))})",
                fix=f"use one of these, or add it to the matrix's list of {kind.lower()}s",
            )
        chosen.append(item)
    return chosen or known


def parse_version(text: str) -> str:
    """Return a version as the package index writes it (PEP 440, normalized). Raises InputError if it is invalid."""
    try:
        return str(Version(text))
    except ValueError:  # InvalidVersion, or a number with more digits than Python converts
        meant = re.search(r"[=@]\s*(v?\d[\w.+!-]{0,40})$", text, re.ASCII)  # a requirement
        fix = f"did you mean {meant[1]}?" if meant else "give one like 1.62.0, or latest"
        if text.startswith("refs/tags/"):
            fix = "give the version of the tag alone, without refs/tags/"
        raise InputError(f"{text[:80]!a} is not a version (PEP 440)", fix=fix) from None
