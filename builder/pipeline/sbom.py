"""Write the SBOM of a zip: CycloneDX 1.6 JSON, from the lock and the packages' METADATA.

The same content gives the same bytes: there is no timestamp, and the serial number is derived from the content.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component as BomComponent
from cyclonedx.model.component import ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import fixup_id, is_expression
from packageurl import PackageURL
from packaging.metadata import RawMetadata
from packaging.utils import canonicalize_name

from builder.metadata.core_metadata import parse_headers
from builder.metadata.requires_dist import active_requirements
from builder.model.artifact import dump_json
from builder.model.target import Target

#: The UUID namespace of serial numbers.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "strands-layers sbom")
#: A longer License field is the text of a licence, not its name.
_MAX_LICENCE_NAME_CHARACTERS = 120


@dataclass(frozen=True)
class Component:
    """One package of a zip."""

    name: str
    version: str
    filename: str  #: the wheel's
    sha256: str  #: of the wheel
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
    built = {str(canonicalize_name(each.name)): _component(each) for each in components}
    raws = {name: raw for name, (raw, _) in built.items()}
    parts = {name: part for name, (_, part) in built.items()}
    bom = Bom(components=parts.values())
    bom.metadata.component = root = _root(target, package, version, {"exclude": exclude, "override": override})
    required = _dependencies(raws, target)
    for name, names in required.items():
        bom.register_dependency(parts[name], [parts[other] for other in sorted(names)])
    bom.register_dependency(root, [parts[name] for name in _direct(required, str(canonicalize_name(package)))])
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    document["metadata"].pop("timestamp", None)
    document.pop("serialNumber", None)
    content = json.dumps(document, sort_keys=True)
    return dump_json({"serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}", **document}).encode()


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


def _root(target: Target, package: str, version: str, choices: Mapping[str, Sequence[str]]) -> BomComponent:
    """Return the component for the layer itself."""
    facts = {"target": target.id, "python": target.python, "architecture": str(target.architecture)}
    facts |= {name: ", ".join(values) for name, values in choices.items() if values}
    return BomComponent(
        name=target.layer_name,
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=target.id,
        description=f"AWS Lambda layer of {package} {version}",
        properties=[Property(name=f"layers:{name}", value=value) for name, value in facts.items()],
    )


@lru_cache(maxsize=1024)
def _component(component: Component) -> tuple[RawMetadata, BomComponent]:
    """Return a package's METADATA, parsed, and its component. Both depend only on the wheel."""
    raw = parse_headers(component.metadata)
    name = str(canonicalize_name(component.name))
    purl = PackageURL("pypi", None, name, component.version)
    facts = {"layers:wheel": component.filename}
    if component.services:
        facts["layers:slim"] = f"without the data of all services but {', '.join(component.services)}"
    return raw, BomComponent(
        name=name,
        version=component.version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        description=raw.get("summary"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=component.sha256)],
        licenses=list(_licences(raw)),
        properties=[Property(name=name, value=value) for name, value in facts.items()],
    )


def _licences(raw: RawMetadata) -> Iterator[License]:
    """Yield a package's licences from the most exact source that it has: expression, name or classifiers."""
    license_text = (raw.get("license_expression") or raw.get("license") or "").strip()
    if license_text and fixup_id(license_text) is None and is_expression(license_text):
        yield LicenseExpression(license_text)
        return
    prefix = "License :: OSI Approved :: "
    names = [line.removeprefix(prefix) for line in raw.get("classifiers", ()) if line.startswith(prefix)]
    if fixup_id(license_text) or not names:
        names = (
            [license_text]
            if license_text and "\n" not in license_text and len(license_text) <= _MAX_LICENCE_NAME_CHARACTERS
            else []
        )
    for name in names:
        identifier = fixup_id(name)
        yield DisjunctiveLicense(id=identifier) if identifier else DisjunctiveLicense(name=name)


def _dependencies(raws: Mapping[str, RawMetadata], target: Target) -> dict[str, set[str]]:
    """Return the other components that each component requires on the target."""
    active = active_requirements({name: raw.get("requires_dist", []) for name, raw in raws.items()}, target)
    return {
        name: {other for each in requirements if (other := str(canonicalize_name(each.name))) in raws}
        for name, requirements in active.items()
    }
