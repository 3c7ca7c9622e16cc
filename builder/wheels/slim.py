"""Slim layers: keep botocore's data only for the services that are needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from builder.archive.packed import PackedFile, PackedFiles, pack
from builder.wheels.layer_content import PackedWheel, record_of

_DATA = "botocore/data/"
#: File in the layer that lists the kept services; `inspect` recognizes a slim layer by it.
SLIM_NOTE: Final = "SLIM.txt"
#: botocore calls these itself to get credentials.
_CREDENTIAL_SERVICES: Final = frozenset({"signin", "sso", "sso-oidc", "sts"})
#: The AWS SDK itself mentions many services in examples and resources, but needs none of them.
_SDK: Final = frozenset({"boto3", "botocore"})
_NAMED = re.compile(
    rb"""(?:\b(?:client|resource|create_client)\(\s*(?:service_name\s*=\s*)?|\bservice_name\s*=\s*)["']([a-z0-9-]+)["']"""
)


def slim(wheels: Sequence[PackedWheel], services: Iterable[str]) -> tuple[list[PackedWheel], tuple[str, ...]]:
    """Return the wheels with botocore's data reduced, and the services whose data they keep.

    Kept are ``services``, those that botocore needs for credentials, and each service for which a module of another
    package creates a client. A name that is computed at run time is not found; it must be in ``services``.
    """
    modules = (wheel for wheel in wheels if wheel.locked.name not in _SDK)
    used = services_of_clients(
        file.stream.content() for wheel in modules for path, file in wheel.files.items() if path.endswith(".py")
    )
    names = {*services, *_CREDENTIAL_SERVICES, *used}
    botocore = next((wheel for wheel in wheels if wheel.locked.name == "botocore"), None)
    if botocore is None:
        return list(wheels), ()
    included = tuple(sorted(names & {service for path in botocore.files if (service := _service_of(path))}))
    reduced = _reduce(botocore, frozenset(included))
    return [reduced if wheel is botocore else wheel for wheel in wheels], included


def unknown_services(wheels: Sequence[PackedWheel], services: Iterable[str]) -> list[str]:
    """Return those of ``services`` that botocore does not have; empty if the layer has no botocore."""
    botocore = next((wheel for wheel in wheels if wheel.locked.name == "botocore"), None)
    available = {_service_of(path) for path in botocore.files} if botocore else set(services)
    return sorted(set(services) - available)


def _reduce(botocore: PackedWheel, included: frozenset[str]) -> PackedWheel:
    record = f"{botocore.dist_info}/RECORD"
    files: dict[str, PackedFile] = {
        path: file
        for path, file in botocore.files.items()
        if path != record and ((service := _service_of(path)) is None or service in included)
    }
    text = "".join(f"{service}\n" for service in sorted(included))
    note = f"The data of all services but these was left out of botocore:\n{text}"
    files[f"{botocore.dist_info}/{SLIM_NOTE}"] = pack(note.encode())
    ordered: PackedFiles = dict(sorted(files.items()))
    return replace(botocore, files={**ordered, record: pack(record_of(botocore.dist_info, ordered))})


def _service_of(path: str) -> str | None:
    """Return the service of a data file, ``s3`` for ``botocore/data/s3/…``; None for any other file."""
    service, separator, _ = path.removeprefix(_DATA).partition("/")
    return service if path.startswith(_DATA) and separator else None


def services_of_clients(sources: Iterable[bytes]) -> frozenset[str]:
    """Return the services for which Python sources create clients."""
    return frozenset(match.decode() for source in sources for match in _NAMED.findall(source))
