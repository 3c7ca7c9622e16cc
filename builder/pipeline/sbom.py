"""Write the SBOM of a zip: CycloneDX 1.6 JSON, from the lock and the packages' METADATA.

The same content gives the same bytes: there is no timestamp, and the serial number is derived from the content.
The document is written here, because importing cyclonedx-python-lib takes a quarter of the time of ``layers package``.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.metadata import RawMetadata
from packaging.utils import canonicalize_name

from builder.metadata.core_metadata import parse_headers
from builder.metadata.requires_dist import active_requirements
from builder.model.artifact import Locked
from builder.model.strict_json import dump_json
from builder.model.target import Target

#: The UUID namespace of serial numbers.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "strands-layers sbom")
#: A longer License field is the text of a licence, not its name.
_MAX_LICENCE_NAME_CHARACTERS = 120
#: An expression that is one licence of SPDX's list.
_SPDX_IDENTIFIER = re.compile(r"(?!LicenseRef-)[A-Za-z0-9.-]+")


class Component(NamedTuple):
    """One package of a zip."""

    wheel: Locked
    metadata: str  #: the headers of its METADATA
    services: tuple[str, ...] = ()  #: services whose data botocore keeps in a slim layer


def make_sbom(
    target: Target,
    package: str,
    version: str,
    components: Sequence[Component],
    exclude: Sequence[str] = (),
    override: Sequence[str] = (),
) -> bytes:
    """Return the SBOM of a target's zip as JSON.

    ``exclude`` and ``override`` explain why a package is missing or has a version that another does not allow.
    """
    built = {each.wheel.name: _component(each) for each in components}
    raws = {name: raw for name, (raw, _) in built.items()}
    parts = {name: part for name, (_, part) in built.items()}
    root = _root(target, package, version, {"exclude": exclude, "override": override})
    required = _dependencies(raws, target)
    graph: dict[str, Collection[str]] = {parts[name]["bom-ref"]: names for name, names in required.items()}
    graph[root["bom-ref"]] = _direct(required, str(canonicalize_name(package)))
    document = {
        "components": [part for _, part in sorted(parts.items())],
        "dependencies": [
            _sorted({"ref": ref, "dependsOn": sorted(parts[name]["bom-ref"] for name in names)})
            for ref, names in sorted(graph.items())
        ],
        "metadata": {"component": root},
        "version": 1,
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
    }
    content = json.dumps(document, sort_keys=True)
    return dump_json({"serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}", **document}).encode()


def _sorted(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that are not empty, sorted by name."""
    return {name: fact for name, fact in sorted(facts.items()) if fact}


def _properties(facts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": f"layers:{name}", "value": value} for name, value in sorted(facts.items()) if value]


def _direct(required: Mapping[str, set[str]], package: str) -> list[str]:
    """Return the layer's own package, those that nothing requires, and one of each cycle that is not reached yet."""
    indirect = {other for name, others in required.items() for other in others if other != name}
    direct: list[str] = []
    reached: set[str] = set()
    for name in sorted(required, key=lambda each: (each != package, each in indirect, each)):
        if name not in reached:
            direct.append(name)
            reachable = {name}
            while reachable:
                reached |= reachable
                reachable = {other for each in reachable for other in required[each]} - reached
    return direct


def _root(target: Target, package: str, version: str, choices: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the component for the layer itself."""
    facts = {"target": target.id, "python": target.python, "architecture": str(target.architecture)}
    return _sorted(
        {
            "bom-ref": target.id,
            "type": "application",
            "name": target.layer_name,
            "version": version,
            "description": f"AWS Lambda layer of {package} {version}",
            "properties": _properties(facts | {name: ", ".join(values) for name, values in choices.items()}),
        }
    )


@lru_cache(maxsize=1024)
def _component(component: Component) -> tuple[RawMetadata, dict[str, Any]]:
    """Return a package's METADATA, parsed, and its component. Both depend only on the wheel."""
    raw = parse_headers(component.metadata)
    wheel = component.wheel
    purl = f"pkg:pypi/{wheel.name}@{quote(wheel.version, safe='')}"
    services = f"without the data of all services but {', '.join(component.services)}" if component.services else ""
    return raw, _sorted(
        {
            "bom-ref": purl,
            "type": "library",
            "name": wheel.name,
            "version": wheel.version,
            "purl": purl,
            "description": raw.get("summary"),
            "hashes": [{"alg": "SHA-256", "content": wheel.sha256}],
            "licenses": _licences(raw),
            "properties": _properties({"wheel": wheel.filename, "slim": services}),
        }
    )


def _licences(raw: RawMetadata) -> list[dict[str, Any]]:
    """Return a package's licences from the most exact source that it has: expression, name or classifiers."""
    text = (raw.get("license_expression") or raw.get("license") or "").strip()
    identifier = _spdx_identifier(text)
    if identifier is None and _spdx_expression(text):
        return [{"expression": text}]
    prefix = "License :: OSI Approved :: "
    names = {line.removeprefix(prefix) for line in raw.get("classifiers", ()) if line.startswith(prefix)} - {""}
    if identifier or not names:
        is_name = text and "\n" not in text and len(text) <= _MAX_LICENCE_NAME_CHARACTERS
        names = {text} if is_name else set()
    licences = {("id", known) if (known := _spdx_identifier(name)) else ("name", name) for name in names}
    return [{"license": {kind: value}} for kind, value in sorted(licences)]


def _spdx_identifier(text: str) -> str | None:
    """Return the SPDX identifier that the text is, in its usual spelling."""
    expression = _spdx_expression(text)
    return expression if expression and _SPDX_IDENTIFIER.fullmatch(expression) else None


def _spdx_expression(text: str) -> str | None:
    """Return a valid SPDX expression in its usual spelling."""
    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return None


def _dependencies(raws: Mapping[str, RawMetadata], target: Target) -> dict[str, set[str]]:
    """Return the other components that each component requires on the target."""
    active = active_requirements({name: raw.get("requires_dist", []) for name, raw in raws.items()}, target)
    return {
        name: {other for each in requirements if (other := str(canonicalize_name(each.name))) in raws}
        for name, requirements in active.items()
    }
