"""Select the modules that a smoke test imports to prove that each distribution of a layer can be imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from packaging.utils import canonicalize_name

from builder.inspection.distributions import Distribution
from builder.inspection.file_checks import ROOT_OF_ONE_PYTHON
from builder.metadata.module_names import module_name

#: Top-level modules that wheels contain by mistake. They are not part of what the distribution is for.
_STRAY_MODULES: Final = frozenset(
    {
        "bench", "benchmark", "benchmarks", "build", "conftest", "demo", "demos", "dist", "doc", "docs", "example",
        "examples", "sample", "samples", "script", "scripts", "setup", "test", "tests", "testing",
    }
)  # fmt: skip
_NO_PACKAGE: Final = "modules of no package"
#: A file whose name has the ABI tag of an extension module.
_EXTENSION: Final = re.compile(r"\.(?:cpython-\d+-[^/]+|abi3)\.so$")
#: The most modules to try until one can be imported.
_MAX_ATTEMPTS = 20


@dataclass(frozen=True)
class ImportTrial:
    """The imports that prove a distribution: all of ``modules`` must work, or any one, or none."""

    distribution: str
    modules: tuple[str, ...]
    must: Literal["all", "any", "none"]
    extension: str | None = None  #: the largest extension module, which must be loadable, too
    makes_client: bool = False  #: also create an AWS client, which reads botocore's data


def import_plan(distributions: Iterable[Distribution], sizes: Mapping[str, int]) -> list[ImportTrial]:
    """Return one trial for each distribution that has modules, and one for the modules of no distribution.

    ``sizes`` are the unzipped sizes of all files in the layer, by path.

    The module named like the distribution must be importable. If there is none, one of its modules must be: others may
    be optional integrations, which need packages that the layer does not have. Importing a package need not load its
    extension modules (``lxml`` without ``lxml.etree``), so the largest of these must be loadable, too.
    """
    plan = []
    names = set()
    owned: set[str] = set()
    for distribution in distributions:
        owned.update(distribution.files)
        names.add(distribution.name)
        if modules := distribution.import_names():
            trial = _trial(distribution.name, modules)
            plan.append(
                replace(trial, extension=_largest_extension(distribution, sizes)) if trial.must != "none" else trial
            )
    for root in ("python/", *{match[0] for path in sizes if (match := ROOT_OF_ONE_PYTHON.match(path))}):
        rest = tuple(path for path in sizes if path.startswith(root) and path not in owned)
        if modules := Distribution(_NO_PACKAGE, "", "", root, files=rest).import_names():
            plan.append(_trial(_NO_PACKAGE, modules))
    if "botocore" in names and "boto3" not in names:
        plan.append(ImportTrial("boto3 of Lambda's runtime", ("boto3",), "all", makes_client=True))
    return plan


def _largest_extension(distribution: Distribution, sizes: Mapping[str, int]) -> str | None:
    """Return the largest extension module of a distribution. Libraries without an ABI tag may be something else."""
    paths = [path for path in distribution.files if _EXTENSION.search(path) and module_name(path)]
    largest = max(paths, key=lambda path: (sizes.get(path, 0), path), default=None)
    return module_name(largest.removeprefix(distribution.root)) if largest else None


def _trial(name: str, modules: tuple[str, ...]) -> ImportTrial:
    if same_name := tuple(module for module in modules if canonicalize_name(module) == name):
        return ImportTrial(name, same_name, "all")
    candidates = [module for module in modules if module.split(".")[0] not in _STRAY_MODULES]
    public = [module for module in candidates if not any(part.startswith("_") for part in module.split("."))]
    tried = public or candidates or list(modules)
    return ImportTrial(name, tuple(tried[:_MAX_ATTEMPTS]), "any" if candidates else "none")
