"""SSM parameters: those that the ledger requires, and that publish, yank and audit maintain them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import InputError
from builder.model.matrix import Matrix
from builder.model.matrix_file import parse_matrix
from builder.model.progress import Quiet
from publisher.aws.gateway import ParameterRefused, Refused
from publisher.ledger.release import Release, Yanked
from publisher.parameters import update
from publisher.parameters.expected import Parameter, expected_parameters, to_remove, to_write
from publisher.parameters.update import differences, update_parameters
from tests.conftest import Sandbox
from tests.fakes.command import SMALL, Layers
from tests.publisher.reconcile.plan_cases import WHEN, release, small_matrix

PREFIX = "/demo/layers"
YANKED = Yanked(date=datetime(2026, 11, 24, tzinfo=timezone.utc), reason="broken")


def matrix_of() -> Matrix:
    return small_matrix(python=["3.12"], regions=["us-east-1", "cn-north-1"], parameters={"prefix": PREFIX})


def complete(number: int, **changes: object) -> Release:
    matrix = matrix_of()
    made = release(matrix, number, f"1.{number}", matrix.cells, completed=WHEN)
    return made.model_copy(update=changes)


FOLDERS = (f"{PREFIX}/3.12/x86_64/", f"{PREFIX}/py3.12/x86_64/")


def by_version(releases: Sequence[Release], region: str = "us-east-1") -> dict[str, str]:
    """Return the parameters by package version, with the number of each ARN."""
    plan = expected_parameters(matrix_of(), releases)[region]
    found = [each for each in plan.parameters if each.name.startswith(FOLDERS[1])]
    return {each.name.removeprefix(FOLDERS[1]): each.arn.rpartition(":")[2] for each in found}


def values(releases: Sequence[Release], region: str = "us-east-1") -> dict[str, str]:
    """Return the parameters by layer version: the last part of the name and the number of the ARN."""
    plan = expected_parameters(matrix_of(), releases)[region]
    found = [each for each in plan.parameters if each.name.startswith(FOLDERS[0])]
    return {each.name.removeprefix(FOLDERS[0]): each.arn.rpartition(":")[2] for each in found}


# -- required parameters -----------------------------------------------------------------------------------------------


def test_each_complete_release_has_a_parameter_and_the_newest_is_latest() -> None:
    assert values([complete(1), complete(2)]) == {"1": "1", "2": "2", "latest": "2"}
    plan = expected_parameters(matrix_of(), [complete(1)])["cn-north-1"]
    assert [each.arn for each in plan.parameters] == [
        "arn:aws-cn:lambda:cn-north-1:123456789012:layer:demo-py3_12-x86_64:1"
    ] * 4
    assert plan.parameters[0].description == "demo 1.1, layer version 1 (Python 3.12, x86_64)"


def test_a_release_that_is_not_complete_or_not_public_has_none() -> None:
    assert values([complete(1), complete(2, completed=None)]) == {"1": "1", "latest": "1"}
    hidden = tuple(cell.model_copy(update={"public": False}) for cell in complete(2).cells)
    assert values([complete(1), complete(2, cells=hidden)]) == {"1": "1", "latest": "1"}


def test_latest_never_points_to_a_yanked_release() -> None:
    assert values([complete(1), complete(2, yanked=YANKED)]) == {"1": "1", "latest": "1"}
    plan = expected_parameters(matrix_of(), [complete(1, yanked=YANKED)])["us-east-1"]
    latest = f"{PREFIX}/3.12/x86_64/latest"
    assert plan.parameters == ()
    version = f"{PREFIX}/py3.12/x86_64/1.1"
    assert to_remove(plan, {latest: complete(1).cells[0].arn}) == (latest,)
    assert to_remove(plan, {version: complete(1).cells[0].arn}) == (version,)
    assert to_remove(plan, {latest: "something of somebody's"}) == ()


def test_a_package_version_has_a_parameter_that_follows_its_rebuilds() -> None:
    assert by_version([complete(1), complete(2)]) == {"1.1": "1", "1.2": "2", "latest": "2"}
    rebuilt = complete(3, version="1.1")
    assert by_version([complete(1), complete(2), rebuilt]) == {"1.1": "3", "1.2": "2", "latest": "3"}
    yanked = rebuilt.model_copy(update={"yanked": YANKED})
    assert by_version([complete(1), complete(2), yanked]) == {"1.1": "1", "1.2": "2", "latest": "2"}
    assert set(by_version([complete(1, version="1!2.0+cu121")])) == {"1_2.0_cu121", "latest"}


def test_without_parameters_in_the_matrix_there_are_none() -> None:
    assert expected_parameters(small_matrix(), [complete(1)]) == {}


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=6))
def test_after_an_update_every_parameter_is_right(states: list[tuple[bool, bool]]) -> None:
    releases = [
        complete(number, completed=WHEN if done else None, yanked=YANKED if gone else None)
        for number, (done, gone) in enumerate(states, 1)
    ]
    usable = [number for number, (done, gone) in enumerate(states, 1) if done and not gone]
    assert values(releases) == {str(n): str(n) for n in usable} | ({"latest": str(usable[-1])} if usable else {})
    store = Store({f"{PREFIX}/3.12/x86_64/latest": release_arn for release_arn in [complete(1).cells[0].arn]})
    kept = update_parameters(matrix_of(), releases, {"us-east-1": store, "cn-north-1": Store()}, Clock(), Quiet())
    assert kept.failed == {}
    assert kept.right == 4 * len(values(releases))
    plan = expected_parameters(matrix_of(), releases)["us-east-1"]
    assert (to_write(plan, store.held), to_remove(plan, store.held)) == ((), ())


# -- updating ----------------------------------------------------------------------------------------------------------


class Clock:
    slept = 0.0

    def monotonic(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


class Store:
    """Parameters in memory. The first ``lag`` reads after a write do not show it."""

    def __init__(self, held: Mapping[str, str] | None = None, lag: int = 0, refuses: bool = False) -> None:
        self.held = dict(held or {})
        self._old = dict(self.held)
        self._lag, self._refuses = lag, refuses

    def read(self, names: Sequence[str]) -> Mapping[str, str]:
        if self._refuses:
            raise Refused("AccessDeniedException: no")
        late = self._lag > 0 and self._old != self.held
        self._lag -= late
        return {name: value for name, value in (self._old if late else self.held).items() if name in names}

    def write(self, parameter: Parameter) -> None:
        self.held[parameter.name] = parameter.arn

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            self.held.pop(name, None)


def test_a_failed_region_is_named_and_the_others_are_updated() -> None:
    store = Store()
    kept = update_parameters(
        matrix_of(), [complete(1)], {"us-east-1": Store(refuses=True), "cn-north-1": store}, Clock(), Quiet()
    )
    assert {region: (str(f), f.failure_class.value) for region, f in kept.failed.items()} == {
        "us-east-1": ("AccessDeniedException: no", "permanent")
    }
    assert (kept.right, kept.written, len(store.held)) == (4, 4, 4)


def test_a_parameter_of_another_type_is_named_and_the_others_are_written() -> None:
    foreign = f"{PREFIX}/3.12/x86_64/1"

    class Typed(Store):
        def write(self, parameter: Parameter) -> None:
            if parameter.name == foreign:
                raise ParameterRefused("HierarchyTypeMismatchException: it is a SecureString")
            super().write(parameter)

    store = Typed({foreign: "a secret"})
    kept = update_parameters(matrix_of(), [complete(1)], {"us-east-1": store, "cn-north-1": Store()}, Clock(), Quiet())
    assert str(kept.failed["us-east-1"]).startswith(f"{foreign}: HierarchyTypeMismatchException")
    assert store.held[foreign] == "a secret"
    assert len(store.held) == 4


def test_a_long_value_of_somebody_else_is_shortened() -> None:
    stores = {region: Store({f"{PREFIX}/3.12/x86_64/1": "x" * 4096}) for region in matrix_of().regions}
    found = differences(matrix_of(), [complete(1)], stores, Quiet())
    assert max(len(each.detail) for each in found) < 300


@pytest.mark.parametrize(("lag", "right"), [(3, 8), (99, 4)])
def test_a_lagging_read_is_retried(lag: int, right: int) -> None:
    clock = Clock()
    kept = update_parameters(
        matrix_of(), [complete(1)], {"us-east-1": Store(lag=lag), "cn-north-1": Store()}, clock, Quiet()
    )
    assert kept.right == right
    assert ("us-east-1" in kept.failed) is (right == 4)
    assert clock.slept > 1


# -- commands ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def layers(sandbox: Sandbox, tmp_path: Path) -> Layers:
    return Layers(tmp_path, {**SMALL, "parameters": {"prefix": PREFIX}})


def stored(sandbox: Sandbox, region: str = "us-east-1", folder: str = "3.12") -> dict[str, str]:
    """Return the parameters of a region by the last part of their name, with the number of each ARN."""
    pages = sandbox.client("ssm", region).get_paginator("get_parameters_by_path")
    found = [each for page in pages.paginate(Path=PREFIX, Recursive=True) for each in page["Parameters"]]
    assert all(f":{region}:" in each["Value"] for each in found)
    start = f"{PREFIX}/{folder}/"
    return {
        each["Name"].removeprefix(start): each["Value"].rpartition(":")[2]
        for each in found
        if each["Name"].startswith(start)
    }


def both(**numbers: str) -> dict[str, str]:
    return {f"{arch}/{word}": value for arch in ("x86_64", "aarch64") for word, value in numbers.items()}


def test_publish_writes_every_region_and_yank_resets_latest(sandbox: Sandbox, layers: Layers) -> None:
    first = layers.publish("1.0", "--json")
    assert first.code == 0
    assert first.json["parameters"] == {"right": 16, "written": 16, "removed": 0, "failed": {}}
    assert layers.publish("1.1").code == 0
    for region in ("us-east-1", "eu-west-1"):
        assert stored(sandbox, region) == both(**{"1": "1", "2": "2", "latest": "2"})
    again = layers.publish("1.1")
    assert "24 parameters are as recorded (0 written)" in again.out

    assert layers("yank", "--layer-version", "2", "--reason", "broken", "--yes").code == 0
    assert stored(sandbox) == both(**{"1": "1", "2": "2", "latest": "1"})
    assert stored(sandbox, folder="py3.12") == both(**{"1.0": "1", "latest": "1"})
    assert layers("yank", "--layer-version", "1", "--reason", "broken", "--yes").code == 0
    assert stored(sandbox) == both(**{"1": "1", "2": "2"})
    assert layers("yank", "--layer-version", "2", "--undo", "--yes", "--json").json["parameters"]["written"] == 12
    assert stored(sandbox) == both(**{"1": "1", "2": "2", "latest": "2"})


def test_an_incomplete_release_is_not_latest(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    assert layers.publish("1.1", "--region", "us-east-1").code == 0
    assert stored(sandbox) == both(**{"1": "1", "latest": "1"})
    assert layers.publish("1.1").code == 0
    assert stored(sandbox) == both(**{"1": "1", "2": "2", "latest": "2"})


def test_audit_reports_differences_and_repairs_them_on_request(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    assert layers("audit").code == 0
    client = sandbox.client("ssm", "eu-west-1")
    client.put_parameter(Name=f"{PREFIX}/3.12/x86_64/latest", Value="arn:other", Type="String", Overwrite=True)
    client.delete_parameter(Name=f"{PREFIX}/3.12/aarch64/1")

    audit = layers("audit", "--json")
    assert audit.code == 6
    assert [(d["region"], d["target"], d["problem"], d["remedy"]) for d in audit.json["drift"]] == [
        ("eu-west-1", "py3.12-aarch64", "parameter", "layers audit --repair"),
        ("eu-west-1", "py3.12-x86_64", "parameter", "layers audit --repair"),
    ]
    assert "holds arn:other" in audit.json["drift"][1]["detail"]
    assert layers("audit", "--repair").code == 2  # no terminal and no --yes
    repaired = layers("audit", "--repair", "--yes", "--json")
    assert (repaired.code, repaired.json["drift"], repaired.json["parameters"]["written"]) == (0, [], 2)
    assert stored(sandbox, "eu-west-1") == both(**{"1": "1", "latest": "1"})
    assert layers("audit").code == 0


def test_latest_leaves_a_release_that_is_yanked_while_an_audit_repairs_it(
    sandbox: Sandbox, layers: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without staging there is no lock: another machine yanks between the repair's read and its write."""
    assert layers.publish("1.0").code == layers.publish("1.1").code == 0
    sandbox.client("ssm", "eu-west-1").delete_parameter(Name=f"{PREFIX}/3.12/x86_64/latest")

    def yank_first(*arguments: Any) -> Any:
        monkeypatch.setattr(update, "update_parameters", update_parameters)
        assert layers("yank", "--layer-version", "2", "--reason", "broken", "--yes").code == 0
        return update_parameters(*arguments)

    monkeypatch.setattr(update, "update_parameters", yank_first)
    assert layers("audit", "--repair", "--yes").code == 0
    for region in ("us-east-1", "eu-west-1"):
        assert stored(sandbox, region) == both(**{"1": "1", "2": "2", "latest": "1"})


def test_without_the_key_in_the_matrix_nothing_is_written_and_repair_is_refused(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    layers = Layers(tmp_path)
    published = layers.publish("1.0", "--json")
    assert "parameters" not in published.json
    assert stored(sandbox) == {}
    assert layers("audit", "--repair", "--yes").code == 2


@pytest.mark.parametrize(
    "value",
    ["{prefix: demo}", "{prefix: /demo/}", "{prefix: /aws/x}", "{prefix: '/a b'}", "{prefix: 3}", "/demo", "{path: /a}",
     "{prefix: /a/b/c/d/e/f/g/h/i/j/k/l/m}"],
)  # fmt: skip
def test_a_prefix_that_ssm_refuses_is_a_matrix_error_with_its_line(value: str) -> None:
    text = (
        'account: "123456789012"\npackage: demo\npython: ["3.12"]\narchitectures: [x86_64]\nregions: [us-east-1]\n'
        f"parameters: {value}\n"
    )
    with pytest.raises(InputError, match=r"m\.yaml:6: parameters"):
        parse_matrix(text, "m.yaml")
    assert parse_matrix(text.replace(value, "{prefix: /demo/x_1.2}"), "m.yaml").parameters is not None
