"""The handler that smoke tests a layer without Strands: one import for each distribution. See ``import_plan``."""

import importlib
import json
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from smoke_facts import facts  # type: ignore[import-not-found]


def try_imports() -> "dict[str, str]":
    """Import according to the plan; return the error of each distribution that cannot be imported."""
    with open(os.environ["SMOKE_PLAN"], encoding="utf-8") as file:  # noqa: PTH123
        plan = json.load(file)
    failed = hidden_by_pth()
    for trial in plan:
        errors = {}
        for name in trial["modules"]:
            try:
                importlib.import_module(name)
                if trial["makes_client"]:
                    importlib.import_module("boto3").session.Session().client("sts")
            except BaseException as error:  # noqa: BLE001 - a package may raise anything, SystemExit included
                errors[name] = f"{type(error).__name__}: {error}"[:500]
            else:
                if trial["must"] != "all":
                    break
        required = len(trial["modules"]) if trial["must"] == "any" else 1
        if trial["must"] != "none" and len(errors) >= required:
            name, reason = next(iter(errors.items()))
            failed[trial["distribution"]] = f"import {name}: {reason}"
        elif refused := extension_error(trial["extension"]):
            failed[trial["distribution"]] = refused
    return failed


def extension_error(name: "str | None") -> "str | None":
    """Return the error if the dynamic linker refuses an extension module.

    Other errors do not count: a module may need an optional package, or not be a module at all (no ``PyInit_…``).
    """
    try:
        importlib.import_module(name or "sys")
    except ImportError as error:
        if error.path and error.path.endswith(".so") and "PyInit_" not in str(error):
            return f"import {name}: {type(error).__name__}: {error}"[:500]
    except BaseException:  # noqa: BLE001, S110 - a package may raise anything, SystemExit included
        pass
    return None


def hidden_by_pth() -> "dict[str, str]":
    """Return an error for each ``.pth`` file without which modules are not found: Lambda does not process them."""
    failed = {}
    for pth in (file for root in sys.path for file in sorted(Path(root).glob("*.pth"))):
        for line in pth.read_text("utf-8", "replace").splitlines():
            folder = pth.parent / line.strip()
            is_code = line.startswith(("#", "import ", "import\t"))
            if is_code or not line.strip() or not os.path.isdir(folder):  # noqa: PTH112 - Path raises for long names
                continue
            files = [each for each in folder.iterdir() if each.suffix in ("", ".py", ".so")]
            names = sorted({each.name.partition(".")[0] for each in files})
            modules = [name for name in names if name.isidentifier() and name != "__pycache__"]
            if modules and not any(map(find_spec, modules)):
                failed[pth.name] = (
                    f"import {modules[0]}: ModuleNotFoundError: only {pth.name} makes it importable, "
                    "and Lambda does not process .pth files"
                )
    return failed


if os.environ["_HANDLER"].startswith("smoke_imports"):  # otherwise the agent's handler calls this later
    _started = time.perf_counter()
    FAILED = try_imports()
    IMPORT_SECONDS = time.perf_counter() - _started


def handler(event: object, context: object) -> "dict[str, object]":
    """Return which distributions could not be imported, and how long the imports took."""
    return {**facts(), "failed": FAILED, "import_seconds": IMPORT_SECONDS}
