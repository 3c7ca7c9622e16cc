"""SBOMs: valid by the official schema, the same bytes for the same content, licences as packages declare them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from builder.model.artifact import Locked
from builder.pipeline.sbom import Component, make_sbom
from tests.fakes.zips import target

SHA = "ab" * 32


def component(name: str, version: str = "1.0", headers: str = "") -> Component:
    filename = f"{name}-{version}-py3-none-any.whl"
    wheel = Locked(name=canonicalize_name(name), version=version, filename=filename, sha256=SHA)
    return Component(wheel, f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{headers}\n")


def made(*components: Component, python: str = "3.12") -> dict[str, Any]:
    text = make_sbom(target(python), "a", "1.0", components).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    return document


def test_each_package_has_version_hash_and_purl() -> None:
    document = made(component("a"), component("Zope.Interface", "2.0"))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    zope = document["components"][1]
    assert (zope["name"], zope["version"]) == ("zope-interface", "2.0")
    assert zope["purl"] == "pkg:pypi/zope-interface@2.0"
    assert zope["hashes"] == [{"alg": "SHA-256", "content": SHA}]
    assert document["metadata"]["component"]["name"] == "layer"


@pytest.mark.parametrize(
    ("headers", "licences"),
    [
        ("License-Expression: MIT\n", [{"license": {"id": "MIT"}}]),
        ("License-Expression: Apache-2.0 OR BSD-3-Clause\n", [{"expression": "Apache-2.0 OR BSD-3-Clause"}]),
        ("License: apache-2.0\n", [{"license": {"id": "Apache-2.0"}}]),
        ("License: Our Own\n", [{"license": {"name": "Our Own"}}]),
        (
            "License: Dual License\nClassifier: License :: OSI Approved :: MIT License\n"
            "Classifier: License :: OSI Approved :: BSD License\n",
            [{"license": {"name": "BSD License"}}, {"license": {"name": "MIT License"}}],
        ),
        ("License-Expression: MIT AND LicenseRef-Ours\n", [{"expression": "MIT AND LicenseRef-Ours"}]),
        ("Classifier: License :: OSI Approved :: \n", None),
        ("License: " + "very long " * 30 + "\n", None),
        ("", None),
    ],
)
def test_licences_follow_the_metadata(headers: str, licences: list[dict[str, Any]] | None) -> None:
    assert made(component("a", headers=headers))["components"][0].get("licenses") == licences


def test_dependencies_are_those_on_the_target() -> None:
    needs = "Requires-Dist: b[x]\nRequires-Dist: c; python_version < '3.11'\nRequires-Dist: absent\n"
    parts = (component("a", headers=needs), component("b", headers="Requires-Dist: c; extra == 'x'\n"), component("c"))
    for python, expected in (("3.12", ["b"]), ("3.10", ["b", "c"])):
        graph = {each["ref"]: each.get("dependsOn", []) for each in made(*parts, python=python)["dependencies"]}
        assert graph["pkg:pypi/a@1.0"] == [f"pkg:pypi/{name}@1.0" for name in expected]
        assert graph["pkg:pypi/b@1.0"] == ["pkg:pypi/c@1.0"]
        assert graph[f"py{python}-x86_64"] == ["pkg:pypi/a@1.0"]


@pytest.mark.filterwarnings("error")
def test_packages_that_require_each_other_are_reachable_from_the_layer() -> None:
    parts = [component(a, headers=f"Requires-Dist: {b}\n") for a, b in ("xy", "yx", "zx", "pq", "qp")]
    graph = {each["ref"]: each.get("dependsOn", []) for each in made(*parts)["dependencies"]}
    assert graph["py3.12-x86_64"] == ["pkg:pypi/p@1.0", "pkg:pypi/z@1.0"]


def test_the_serial_number_depends_on_the_content() -> None:
    one = make_sbom(target(), "a", "1.0", [component("a"), component("b")])
    assert one == make_sbom(target(), "a", "1.0", [component("b"), component("a")])
    other = make_sbom(target(), "a", "1.0", [component("a"), component("b", "2.0")])
    assert json.loads(one)["serialNumber"] != json.loads(other)["serialNumber"]
    assert b"timestamp" not in one


@given(headers=st.text(st.characters(codec="utf-8", exclude_characters="\r\x00\x0b\x0c"), max_size=60))
@settings(max_examples=40, deadline=None)
def test_any_metadata_gives_a_valid_sbom(headers: str) -> None:
    made(component("a", headers=f"License: {headers}\nSummary: {headers}"))
