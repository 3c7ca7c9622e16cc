"""An app's folder, and what ``package`` makes of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from builder.model.errors import InputError, LayersError
from builder.model.progress import Quiet
from builder.package.dependencies import Layer
from builder.package.packaging import Package, package
from tests.fakes.wheels import target_of

TARGET = target_of("3.12", "aarch64")


def asks(app: Path, text: str) -> None:
    (app.parent / "requirements.txt").write_text(text)


def packaged(app: Path, layer: Layer | None = None, requirements: Path | None = None) -> Package:
    output = app.parent / "packaging"
    return package(app, TARGET, output, Quiet(), layer=layer, requirements=requirements)


def layer_of(size: int | None = 1000, **packages: str) -> Layer:
    return Layer("arn:aws:lambda:us-east-1:123456789012:layer:demo:2", "demo 1.0, layer version 2", packages, size)


def versions(made: Package) -> dict[str, str]:
    assert made.dependencies is not None
    return {each.name: each.version for each in made.dependencies.lock}


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def refusal(app: Path, kind: type[LayersError] = InputError, layer: Layer | None = None) -> str:
    with pytest.raises(kind) as caught:
        packaged(app, layer)
    assert not (app.parent / "packaging" / "app.zip").exists()
    return str(caught.value)
