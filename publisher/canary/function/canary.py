"""The handler of a canary: import the package of the layer, and return its version, origin and import time."""

import importlib
import importlib.metadata
import importlib.util
import platform
import re
import time
from types import ModuleType

#: Top-level folders of wheels that are not importable packages.
NO_PACKAGES = {"test", "tests", "docs", "examples", "scripts", "bin"}


def handler(event: "dict[str, str]", context: object) -> "dict[str, object]":
    distribution = importlib.metadata.distribution(event["package"])
    names = import_names(distribution)
    started = time.perf_counter()
    modules = [importlib.import_module(name) for name in names]
    seconds = time.perf_counter() - started
    return {
        "version": distribution.version,
        "metadata_from": str(distribution.locate_file("")),
        "loaded_from": {module.__name__: loaded_from(module) for module in modules},
        "import_seconds": seconds,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def import_names(distribution: importlib.metadata.Distribution) -> "list[str]":
    """Return the names to import: top-level packages and modules; in a namespace package, the packages below it.

    If one is named like the distribution, only that one: the others may need extras. Private ones only if there are
    no others.
    """
    packages, modules = set(), set()
    for path in distribution.files or ():
        *folders, file = path.parts
        stem = file.split(".")[0]
        parts = (*folders, stem)
        if file.endswith((".py", ".so")) and all(part.isidentifier() for part in parts) and parts[0] not in NO_PACKAGES:
            packages.add(parts[:-1]) if stem == "__init__" else modules.add(parts)
    packages.discard(())
    tops = packages | {parts for parts in modules if len(parts) == 1}
    roots = {parts for parts in tops or modules if not any(parts[:n] in packages for n in range(1, len(parts)))}
    names = sorted(".".join(parts) for parts in roots) or unrecorded(distribution)
    public = [name for name in names if not any(part.startswith("_") for part in name.split("."))] or names
    return [name for name in public if folded(name) == folded(distribution.metadata["Name"])] or public


def unrecorded(distribution: importlib.metadata.Distribution) -> "list[str]":
    """Return the names of a package without a RECORD; none if it has no modules."""
    modules = (distribution.read_text("top_level.txt") or "").split()
    guess = folded(distribution.metadata["Name"]).replace("-", "_")
    return sorted(modules) or ([guess] if guess.isidentifier() and importlib.util.find_spec(guess) else [])


def folded(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def loaded_from(module: ModuleType) -> str:
    return module.__file__ or str(next(iter(module.__path__), ""))
