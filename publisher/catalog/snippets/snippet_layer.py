"""The values in a snippet: the layers of a release, one for each target, and the names that tools accept. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from publisher.catalog.index import Row

_ARCHITECTURE_WORDS = {"x86_64": "X8664", "aarch64": "Arm64"}
_CDK_ARCHITECTURES = {"x86_64": "X86_64", "aarch64": "ARM_64"}


@dataclass(frozen=True)
class SnippetLayer:
    """One target of the release, with its ARN in every region."""

    row: Row  #: one of the rows, for the facts that are the same in all regions
    arns: dict[str, str]

    @property
    def title(self) -> str:
        """The release and the target, for a comment."""
        row = self.row
        release = f"{row.package} {row.version} (layer version {row.layer_version})"
        return f"{release}, Python {row.python}, {row.architecture}"

    @property
    def key(self) -> str:
        """A name that every tool accepts: ``Py312Arm64`` has no dot, no dash and no underscore."""
        return f"Py{self.row.python.replace('.', '')}{_ARCHITECTURE_WORDS[self.row.architecture.value]}"

    @property
    def construct(self) -> str:
        """The id of its construct in a stack: ``StrandsAgentsPy312Arm64``."""
        return f"{pascal(self.row.package)}{self.key}"

    @property
    def variable(self) -> str:
        """The TypeScript variable: ``strandsAgentsPy312Arm64``."""
        return self.construct[0].lower() + self.construct[1:]

    @property
    def python_variable(self) -> str:
        """The Python variable: ``strands_agents_py312arm64``."""
        return f"{snake(self.row.package)}_{self.key.lower()}"

    @property
    def runtime(self) -> str:
        """The runtime in Lambda's API: ``python3.12``."""
        return f"python{self.row.python}"

    @property
    def architecture(self) -> str:
        """The architecture in Lambda's API: ``arm64``."""
        return self.row.architecture.api_name

    @property
    def cdk_runtime(self) -> str:
        """The runtime in the CDK: ``PYTHON_3_12``."""
        return f"PYTHON_{self.row.target_key.python_field}"

    @property
    def cdk_architecture(self) -> str:
        """The architecture in the CDK: ``ARM_64``."""
        return _CDK_ARCHITECTURES[self.row.architecture.value]

    @property
    def arn(self) -> str:
        """The ARN in the first region."""
        return next(iter(self.arns.values()))


def layers_of_rows(rows: Sequence[Row]) -> list[SnippetLayer]:
    """Group the rows by target."""
    by_target: dict[str, list[Row]] = {}
    for row in rows:
        by_target.setdefault(row.target, []).append(row)
    return [
        SnippetLayer(target_rows[0], {row.region: row.arn for row in target_rows}) for target_rows in by_target.values()
    ]


def pascal(text: str) -> str:
    """Return the name in PascalCase, starting with a letter."""
    name = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text))
    return name if name[:1].isalpha() else f"L{name}"


def snake(text: str) -> str:
    """Return the name in snake_case, starting with a letter."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return name if name[:1].isalpha() else f"layer_{name}"
