"""The import graph: no cycles between modules or folders, and imports in one direction only."""

from __future__ import annotations

from functools import cache
from graphlib import TopologicalSorter

import grimp
import pytest


@cache
def imports() -> dict[str, frozenset[str]]:
    """Return each module with what it imports, also inside functions. External packages are nodes by their name."""
    graph = grimp.build_graph("builder", "publisher", "scripts", include_external_packages=True, cache_dir=None)
    return {module: frozenset(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def folder(module: str) -> str:
    """Return ``builder.model`` for ``builder.model.matrix``."""
    return ".".join(module.split(".")[:2])


def test_there_is_no_import_cycle_between_modules() -> None:
    TopologicalSorter(imports()).prepare()  # CycleError names the cycle


def test_there_is_no_import_cycle_between_folders() -> None:
    folders: dict[str, set[str]] = {}
    for module, imported in imports().items():
        folders.setdefault(folder(module), set()).update(folder(each) for each in imported)
    TopologicalSorter({name: others - {name} for name, others in folders.items()}).prepare()


@pytest.mark.parametrize(
    ("importer", "forbidden"),
    [
        ("builder", ("publisher", "scripts", "tests")),  # the builder does not use AWS or ledgers
        ("publisher", ("scripts", "tests")),
        ("scripts", ("tests",)),
        ("builder.model", ("builder", "publisher")),  # the lowest layer
        ("publisher.reconcile", ("publisher.cli", "publisher.catalog", "publisher.report")),  # reconcile does not print
        ("publisher.catalog", ("publisher.aws", "publisher.audit", "publisher.reconcile")),  # the catalog needs no AWS
        ("publisher.aws", ("publisher.cli", "publisher.ledger", "publisher.reconcile")),
    ],
)
def test_a_folder_does_not_import_a_forbidden_one(importer: str, forbidden: tuple[str, ...]) -> None:
    wrong = [
        f"{module} imports {other}"
        for module, imported in imports().items()
        if is_in(module, importer)
        for other in imported
        if not is_in(other, importer) and any(is_in(other, each) for each in forbidden)
    ]
    assert wrong == []


def is_in(module: str, package: str) -> bool:
    """Return whether the module is the package or in it."""
    return module == package or module.startswith(f"{package}.")
