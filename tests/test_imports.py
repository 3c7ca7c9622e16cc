"""The import graph: no cycle among modules or folders, and imports in one direction only."""

from __future__ import annotations

from functools import cache
from graphlib import TopologicalSorter

import grimp
import pytest


@cache
def imports() -> dict[str, frozenset[str]]:
    """Each module of the two packages, with all that it imports, also inside functions."""
    graph = grimp.build_graph("builder", "publisher", cache_dir=None)
    return {module: frozenset(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def folder(module: str) -> str:
    """``builder.model`` of ``builder.model.matrix``."""
    return ".".join(module.split(".")[:2])


def test_no_module_imports_itself_through_others() -> None:
    TopologicalSorter(imports()).prepare()  # CycleError names the cycle


def test_no_folder_imports_itself_through_others() -> None:
    folders: dict[str, set[str]] = {}
    for module, imported in imports().items():
        folders.setdefault(folder(module), set()).update(folder(each) for each in imported)
    TopologicalSorter({name: others - {name} for name, others in folders.items()}).prepare()


@pytest.mark.parametrize(
    ("importer", "forbidden"),
    [
        ("builder", ("publisher",)),  # the builder knows nothing of AWS or ledgers
        ("builder.model", ("builder", "publisher")),  # the ground floor stands on nothing
        ("publisher.reconcile", ("publisher.cli", "publisher.catalog", "publisher.report")),  # it prints nothing
        ("publisher.aws", ("publisher.cli", "publisher.ledger", "publisher.reconcile")),
    ],
)
def test_imports_go_in_one_direction(importer: str, forbidden: tuple[str, ...]) -> None:
    wrong = [
        f"{module} imports {other}"
        for module, imported in imports().items()
        if is_in(module, importer)
        for other in imported
        if not is_in(other, importer) and any(is_in(other, each) for each in forbidden)
    ]
    assert wrong == []


def is_in(module: str, package: str) -> bool:
    """Whether the module is the package or in it."""
    return module == package or module.startswith(f"{package}.")
