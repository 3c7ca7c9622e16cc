"""Import times by package, from the output of ``-X importtime``."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from builder.inspection.distributions import Distribution
from builder.smoke.import_profile import STANDARD_LIBRARY, ImportedModule, by_package, parse_import_times

LOG = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |     json.decoder
import time:        50 |        150 |   json
a line of the package's own
import time:      1000 |       1000 |     other.part
import time:        10 |         10 |       missing
import time:       500 |       1510 |   other
import time:       300 |       1960 | main
import time:        40 |         40 | later
"""


def distribution(name: str, *modules: str) -> Distribution:
    files = tuple(f"python/{module}/__init__.py" for module in modules)
    return Distribution(name, "1.0", f"python/{name}.dist-info", "python/", files=files)


def test_each_package_has_its_own_and_its_total_time() -> None:
    rows = by_package(parse_import_times(LOG), [distribution("main", "main"), distribution("the-other", "other")])
    found = {row.package: (row.own_ms, row.total_ms, row.modules, row.imported_by) for row in rows}
    assert found["main"] == (0.3, 2.0, 1, None)
    assert found["the-other"] == (1.5, 1.5, 3, "main")  # includes its failed import
    assert found[STANDARD_LIBRARY] == (0.2, 0.2, 3, "main")
    assert [row.package for row in rows][:2] == ["main", "the-other"]


def test_the_import_tree_of_python_is_read() -> None:
    command = [sys.executable, "-I", "-S", "-X", "importtime", "-c", "import json"]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    modules = {module.name: module for module in parse_import_times(log)}
    assert "json.decoder" in [child.name for child in modules["json"].children]
    assert modules["json"].total + 100 >= sum(child.total for child in modules["json"].children)  # each is rounded


TREES = st.recursive(
    st.builds(ImportedModule, st.sampled_from("abcd"), st.integers(0, 1000), st.just(0)),
    lambda children: st.builds(
        ImportedModule, st.sampled_from("abcd"), st.integers(0, 1000), st.just(0), st.lists(children, max_size=3)
    ),
    max_leaves=12,
)


def _complete(module: ImportedModule) -> ImportedModule:
    module.total = module.own + sum(_complete(child).total for child in module.children)
    return module


def _lines(module: ImportedModule, depth: int = 0) -> str:
    below = "".join(_lines(child, depth + 1) for child in module.children)
    return f"{below}import time: {module.own:9} | {module.total:10} | {'  ' * depth}{module.name}\n"


@given(st.lists(TREES.map(_complete), max_size=4))
def test_own_times_add_up_to_the_whole_and_the_tree_survives_the_log(trees: list[ImportedModule]) -> None:
    assert parse_import_times("".join(_lines(tree) for tree in trees)) == trees
    rows = by_package(trees, [distribution(name, name) for name in "abc"])
    whole = sum(tree.total for tree in trees) / 1000
    assert abs(sum(row.own_ms for row in rows) - whole) < 0.3
    assert all(row.own_ms <= row.total_ms + 0.2 <= whole + 0.4 for row in rows)
