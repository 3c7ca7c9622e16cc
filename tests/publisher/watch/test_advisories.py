"""Advisories for the packages of a release: real pip-audit, and a local service with the API of OSV."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from builder.model.artifact import Locked
from builder.model.errors import BuildError, InputError
from builder.model.target import Target
from publisher.ledger.folder import file_name, record_bytes
from publisher.watch.advisories import Advisory, Pin, PipAudit, one_of_each
from publisher.watch.rebuild import AdvisoryReport, examine
from tests.fakes.command import Layers
from tests.fakes.package_index import PackageIndex
from tests.fakes.serving import serving
from tests.fakes.wheels import make_wheel
from tests.publisher.reconcile.plan_cases import WHEN, digest, release


@dataclass
class Service:
    """An advisory service with its advisories for each package and the requests that it received."""

    address: str = ""
    named: dict[str, list[tuple[str, list[str], list[str]]]] = field(default_factory=dict)  #: id, versions, fixed
    asked: list[str] = field(default_factory=list)
    answer: tuple[int, bytes] | None = None  #: replaces the advisories

    def says(self, question: dict[str, Any]) -> dict[str, Any]:
        name, version = question["package"]["name"], question["version"]
        self.asked.append(f"{name}=={version}")
        found = [
            {
                "id": each,
                "aliases": [f"ALSO-{each}"],
                "summary": "bad",
                "affected": [
                    {
                        "package": {"name": name, "ecosystem": "PyPI"},
                        "ranges": [
                            {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, *({"fixed": f} for f in fixed)]}
                        ],
                    }
                ],
            }
            for each, versions, fixed in self.named.get(name, ())
            if version in versions
        ]
        return {"vulns": found} if found else {}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = made.answer or (200, json.dumps(made.says(question)).encode())
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        made.address = f"{address}/v1/query"
        monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
        monkeypatch.setenv("PIP_AUDIT_OSV_URL", made.address)
        monkeypatch.setenv("PIP_AUDIT_FORMAT", "columns")  # a setting that layers overrides
        yield made


@pytest.fixture
def layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layers:
    """Return ``layers`` that runs pip-audit once for the same pins: each start takes a second."""
    run = cache(partial(PipAudit.of, PipAudit()))
    monkeypatch.setattr(PipAudit, "of", lambda _self, pins: run(frozenset(pins)))
    return Layers(tmp_path)


def locked(**versions: str) -> tuple[Locked, ...]:
    return tuple(Locked(name=n, version=v, filename=f"{n}.whl", sha256=digest(n)) for n, v in versions.items())


def record(layers: Layers, **locks: tuple[Locked, ...] | None) -> None:
    """Record a complete release of demo 1.0 at layer version 4 with these locks for x86_64 and aarch64."""
    made = release(layers.matrix, 4, "1.0", layers.matrix.cells, completed=WHEN)
    targets = tuple(target.model_copy(update={"lock": locks[target.architecture.value]}) for target in made.targets)
    Path(layers.ledger).mkdir()
    (Path(layers.ledger) / file_name(4)).write_bytes(record_bytes(made.model_copy(update={"targets": targets})))


def test_an_advisory_that_a_new_build_fixes_proposes_a_rebuild(
    service: Service, index: PackageIndex, layers: Layers, tmp_path: Path
) -> None:
    """Two targets have two versions of one package: each is requested once and named."""
    record(
        layers,
        x86_64=locked(demo="1.0", needed="1.0", other="3.0"),
        aarch64=locked(demo="1.0", needed="1.1", other="3.0"),
    )
    service.named["needed"] = [("GHSA-1", ["1.0", "1.1"], ["1.2", "0.9.5"])]
    index.add_wheel(make_wheel(tmp_path, "demo", "1.0", requires=("needed", "other")))
    for name, version in (("needed", "1.1"), ("needed", "1.2"), ("other", "3.0")):
        index.add_wheel(make_wheel(tmp_path, name, version))
    result = layers("watch", "--advisories", "--json").json
    common = {"id": "GHSA-1", "aliases": ["ALSO-GHSA-1"], "package": "needed", "fixed": ["0.9.5", "1.2"]}
    assert result["rebuild"] == [
        {
            "layer_version": 4,
            "version": "1.0",
            "advisories": [
                {**common, "version": "1.0", "targets": ["py3.12-x86_64"]},
                {**common, "version": "1.1", "targets": ["py3.12-aarch64"]},
            ],
        }
    ]
    assert (result["unfixed"], result["unknown"], result["versions"]) == ([], [], [])
    assert sorted(service.asked) == ["demo==1.0", "needed==1.0", "needed==1.1", "needed==1.2", "other==3.0"]
    lines = layers("watch", "--advisories", "--format", "github").out.splitlines()
    assert lines[:3] == ["version=", "versions=[]", "rebuild=1.0"]
    assert "1.0 needs a rebuild: GHSA-1 needed 1.0 (fixed in 0.9.5, 1.2)" in lines[3]


def test_an_advisory_that_a_new_build_does_not_fix_proposes_no_rebuild(
    service: Service, index: PackageIndex, layers: Layers, tmp_path: Path
) -> None:
    """There is no fix, the package requires the affected version, or the newer version is affected too."""
    same = locked(demo="1.0", needed="1.0", other="3.0", third="1.0")
    record(layers, x86_64=same, aarch64=same)
    service.named["needed"] = [("GHSA-1", ["1.0"], ["1.2"])]
    service.named["other"] = [("GHSA-2", ["3.0"], [])]
    service.named["third"] = [("GHSA-3", ["1.0", "1.1"], ["2.0"])]
    index.add_wheel(make_wheel(tmp_path, "demo", "1.0", requires=("needed<1.2", "other", "third<2")))
    for name, version in (("needed", "1.0"), ("needed", "1.2"), ("other", "3.0"), ("third", "1.1"), ("third", "2.0")):
        index.add_wheel(make_wheel(tmp_path, name, version))
    result = layers("watch", "--advisories", "--json").json
    assert result["rebuild"] == []
    assert {each["id"]: each["reason"] for each in result["unfixed"]} == {
        "GHSA-1": "a new build contains the same version",
        "GHSA-2": "no fixed version is known",
        "GHSA-3": "a new build contains 1.1, which the advisory names too",
    }
    assert result["unfixed"][0]["targets"] == ["py3.12-x86_64", "py3.12-aarch64"]
    table = layers("watch", "--advisories").out
    assert "GHSA-2 other 3.0 (no fix is known): no fixed version is known" in table
    assert "nothing to do" in table


def test_without_advisories_no_rebuild_is_proposed(service: Service, index: PackageIndex, layers: Layers) -> None:
    index.add("demo-1.0-py3-none-any.whl")
    record(layers, x86_64=locked(demo="1.0"), aarch64=None)
    result = layers("watch", "--advisories", "--json").json
    assert result["rebuild"] == []
    assert result["unknown"] == ["py3.12-aarch64 (no lock is recorded)"]
    assert service.asked == ["demo==1.0"]


def test_an_empty_ledger_needs_no_request(service: Service, index: PackageIndex, layers: Layers) -> None:
    index.add("demo-1.0-py3-none-any.whl")
    assert layers("watch", "--advisories", "--json").json["rebuild"] == []
    assert service.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((500, b""), marks=pytest.mark.slow),
        (200, b'{"vulns": [{}]}'),
        pytest.param((200, b"<html>"), marks=pytest.mark.slow),
        pytest.param((404, b"{}"), marks=pytest.mark.slow),
    ],
)
def test_an_invalid_response_of_the_service_is_an_error(
    answer: tuple[int, bytes], service: Service, index: PackageIndex, layers: Layers
) -> None:
    index.add("demo-1.1-py3-none-any.whl")
    record(layers, x86_64=locked(demo="1.0"), aarch64=locked(demo="1.0"))
    service.answer = answer
    ended = layers("watch", "--advisories", "--format", "github")
    assert (ended.code, ended.out) == (3, "")
    assert "the advisory service failed" in ended.err
    assert "PIP_AUDIT_VULNERABILITY_SERVICE" in ended.err


def test_a_refused_connection_is_named_without_the_address(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", "http://127.0.0.1:9/secret")
    with pytest.raises(InputError, match="failed: ConnectionError") as caught:
        PipAudit().of({Pin("demo", "1.0")})
    assert "secret" not in str(caught.value)


def test_a_missing_pip_audit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.watch.advisories.find_spec", lambda _name: None)
    with pytest.raises(InputError, match="pip-audit is not installed"):
        PipAudit().of({Pin("demo", "1.0")})


def test_each_request_has_a_package_once() -> None:
    pins = {Pin("a", "1"), Pin("a", "2"), Pin("b", "1"), Pin("a", "3")}
    groups = list(one_of_each(pins))
    assert sorted(pin for group in groups for pin in group) == sorted(pins)
    assert [len(group) for group in groups] == [2, 1, 1]
    assert list(one_of_each(())) == []


# Behaviour of other services


class FakeAdvisories:
    """A service with these advisories; other pins are unknown."""

    def __init__(self, **said: list[str]) -> None:
        self.said = said

    def of(self, pins: Collection[Pin]) -> Mapping[Pin, tuple[Advisory, ...]]:
        return {
            pin: tuple(Advisory(i, (), ("9",)) for i in self.said[pin.name]) for pin in pins if pin.name in self.said
        }


def examined(
    layers: Layers, said: FakeAdvisories, resolve: Callable[[str, Target], tuple[Locked, ...]] | None = None
) -> AdvisoryReport:
    made = release(layers.matrix, 1, "1.0", layers.matrix.cells)
    lock = locked(demo="1.0", needed="1.0")
    targets = tuple(target.model_copy(update={"lock": lock}) for target in made.targets)
    return examine(layers.matrix, [made.model_copy(update={"targets": targets})], said, resolve or (lambda *_: lock))


def test_a_service_that_knows_no_package_is_an_error(layers: Layers) -> None:
    with pytest.raises(InputError, match="knows none of the 2 packages"):
        examined(layers, FakeAdvisories())
    assert examined(layers, FakeAdvisories(demo=[])).unknown == ("needed 1.0",)


def test_a_release_that_cannot_be_built_again_proposes_no_rebuild(layers: Layers) -> None:
    def refuse(_version: str, target: Target) -> tuple[Locked, ...]:
        raise BuildError("it is gone", where=target.id)

    found = examined(layers, FakeAdvisories(demo=[], needed=["A", "B"]), refuse)
    assert [(each.id, each.reason) for each in found.unfixed] == [
        ("A", "it cannot be built again: it is gone"),
        ("B", "it cannot be built again: it is gone"),
    ]
    assert found.fixed == ()


def test_an_advisory_is_fixed_if_a_new_build_leaves_the_package_out(layers: Layers) -> None:
    found = examined(layers, FakeAdvisories(demo=[], needed=["A"]), lambda *_: locked(demo="1.0"))
    assert [each.targets for each in found.fixed] == [("py3.12-x86_64", "py3.12-aarch64")]
