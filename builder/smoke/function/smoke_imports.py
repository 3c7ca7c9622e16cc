"""The handler of a smoke of a layer without Strands: its packages, imported."""

import importlib
import json
import os
import time

from smoke_facts import facts  # type: ignore[import-not-found]

FAILED: "dict[str, str]" = {}

_started = time.perf_counter()
for _name in json.loads(os.environ["SMOKE_MODULES"]):
    try:
        importlib.import_module(_name)
    except (Exception, SystemExit) as _error:  # noqa: BLE001 - whatever a package raises is what is asked for
        FAILED[_name] = f"{type(_error).__name__}: {_error}"
IMPORT_SECONDS = time.perf_counter() - _started


def handler(event: object, context: object) -> "dict[str, object]":
    return {**facts(), "failed": FAILED, "import_seconds": IMPORT_SECONDS}
