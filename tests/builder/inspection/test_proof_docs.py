"""docs/proof.md names every code that a finding can have, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import builder.inspection
from builder.model.runtimes import RUNTIMES
from tests import REPOSITORY

DOCS = REPOSITORY / "docs" / "proof.md"
#: Strings that look like codes but are not.
OTHERS = {"python-dateutil", "site-packages", "utf-8"}


def codes() -> set[str]:
    found = {f"elf-{family.lower()}" for runtime in RUNTIMES.values() for family in runtime.system.newest_image}
    for path in Path(builder.inspection.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value} if re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", node.value) else set()
    return found - OTHERS | {"link", "empty"}


def test_the_documentation_explains_every_finding_code() -> None:
    explained = set()
    for line in DOCS.read_text("utf-8").splitlines():
        if line.startswith("| `"):
            explained |= set(re.findall(r"`([a-z0-9-]+)`", line.split("|")[1]))
    assert explained == codes(), "docs/proof.md must have one row for each code, and no other"
