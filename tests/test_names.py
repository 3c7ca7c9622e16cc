"""Names in the code are unique, so that a search for one finds the one thing that it means."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests import REPOSITORY

#: Modules that are named after a command, like the module that does its work; and the handler of a canary function.
NAMED_AFTER_COMMANDS = ("publisher/cli", "scripts/benchmarks", "publisher/canary/function")


def modules() -> list[Path]:
    return sorted(path for part in ("builder", "publisher", "scripts") for path in (REPOSITORY / part).rglob("*.py"))


def test_no_two_classes_have_the_same_name() -> None:
    places = defaultdict(list)
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(str(path.relative_to(REPOSITORY)))
    assert len(places) > 200
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_two_modules_have_the_same_name() -> None:
    places = defaultdict(list)
    for path in modules():
        place = str(path.relative_to(REPOSITORY))
        if not path.name.startswith("__") and not place.startswith(NAMED_AFTER_COMMANDS):
            places[path.stem].append(place)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
