"""What every snippet is made of: the layers of a release, one a target, and the names that tools take. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from builder.model.runtimes import RUNTIMES
from builder.model.target import python_order
from publisher.catalog.index import Row

_ARCHITECTURE_WORDS = {"x86_64": "X8664", "aarch64": "Arm64"}
_CDK_ARCHITECTURES = {"x86_64": "X86_64", "aarch64": "ARM_64"}


@dataclass(frozen=True)
class Layer:
    """One target of the release, with its ARN in every region."""

    row: Row  #: any of them: what is the same in all regions
    arns: dict[str, str]

    @property
    def title(self) -> str:
        """What a comment says of it."""
        row = self.row
        release = f"{row.package} {row.version} (layer version {row.layer_version})"
        return f"{release}, Python {row.python}, {row.architecture}"

    @property
    def key(self) -> str:
        """A name that every tool takes: ``Py312Arm64`` has no dot, no dash and no underscore."""
        return f"Py{self.row.python.replace('.', '')}{_ARCHITECTURE_WORDS[self.row.architecture.value]}"

    @property
    def construct(self) -> str:
        """The name of its construct in a stack: ``StrandsAgentsPy312Arm64``."""
        return f"{pascal(self.row.package)}{self.key}"

    @property
    def runtime(self) -> str:
        return RUNTIMES[self.row.python].api_name if self.row.python in RUNTIMES else f"python{self.row.python}"

    @property
    def architecture(self) -> str:
        return self.row.architecture.api_name

    @property
    def cdk_runtime(self) -> str:
        return f"PYTHON_{self.row.target_key.python_field}"

    @property
    def cdk_architecture(self) -> str:
        return _CDK_ARCHITECTURES[self.row.architecture.value]

    @property
    def arn(self) -> str:
        """The ARN in the first region."""
        return next(iter(self.arns.values()))


def by_layer(rows: Sequence[Row]) -> list[Layer]:
    """The rows, put together by target."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.target, []).append(row)
    return [Layer(same[0], {row.region: row.arn for row in same}) for same in found.values()]


def pascal(text: str) -> str:
    """A name in CapitalLetters that begins with one."""
    name = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text))
    return name if name[:1].isalpha() else f"L{name}"


def snake(text: str) -> str:
    """A name in lower_case that begins with a letter."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return name if name[:1].isalpha() else f"layer_{name}"


def example_of(layers: Sequence[Layer]) -> Layer:
    """The layer that a template's function uses: one that is in most regions, of those the newest Python's."""
    return max(layers, key=lambda layer: (len(layer.arns), python_order(layer.row.python)))


def heading(layers: Sequence[Layer]) -> str:
    """The comment at the top."""
    row = layers[0].row
    return f"# {row.package} {row.version} (layer version {row.layer_version})"
