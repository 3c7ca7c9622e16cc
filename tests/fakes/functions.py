"""Small layers and functions that this machine can run, for the tests of the embedded AWS and of canaries."""

from __future__ import annotations

import io
import platform
import sys
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import pytest

from builder.model.artifact import write_manifest
from builder.model.runtimes import RUNTIMES
from publisher.reconcile.sources import unzipped_size
from tests.conftest import Sandbox
from tests.fakes.command import Ended, Layers
from tests.fakes.simulated_runs import make_artifacts
from tests.fakes.zips import distribution

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
HERE = {"x86_64": "x86_64", "aarch64": "aarch64"}.get(platform.machine(), "x86_64")
OTHER = "aarch64" if HERE == "x86_64" else "x86_64"

#: Functions run in Lambda's runtime client, which comes from the package index.
runs_functions = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or PYTHON not in RUNTIMES, reason="this machine or this Python runs no layer"
)


def api_name(architecture: str) -> str:
    """Return Lambda's name of an architecture."""
    return "arm64" if architecture == "aarch64" else architecture


def zipped(files: Mapping[str, bytes | str]) -> bytes:
    """Return a reproducible zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def layer_zip(version: str = "1.0", source: str = "", name: str = "demo") -> bytes:
    """Return a layer with one package, its metadata and RECORD."""
    return zipped(distribution(name, version, {f"{name}/__init__.py": source.encode()}))


def make_role(sandbox: Sandbox, name: str = "function", region: str = "us-east-1") -> str:
    """Create a role; return its ARN."""
    client = sandbox.client("iam", region)
    arn: str = client.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    return arn


def make_function(sandbox: Sandbox, source: str = "", *, name: str = "f", role: str = "", **more: Any) -> Any:
    """Create a function with module ``h`` and its ``handler`` that this machine can run."""
    return sandbox.layers().create_function(
        **{
            "FunctionName": name,
            "Role": role or make_role(sandbox, f"role-of-{name}"),
            "Runtime": f"python{PYTHON}",
            "Architectures": [api_name(HERE)],
            "Handler": "h.handler",
            "Code": {"ZipFile": zipped({"h.py": source})},
            "Timeout": 20,
            **more,
        }
    )


def publish_real(layers: Layers, version: str, *more: str, source: str = "", content: bytes = b"") -> Ended:
    """Publish a release whose layers contain a package with this source, or have this content."""
    folder, manifest = make_artifacts(layers.folder / "dist", layers.matrix, version)
    artifacts = []
    for artifact in manifest.artifacts:
        data = content or layer_zip(version, source)
        (folder / artifact.file).write_bytes(data)
        sizes = {"size": len(data), "unzipped_size": unzipped_size(folder / artifact.file)}
        facts = {"sha256": sha256(data).hexdigest(), **sizes}
        artifacts.append(artifact.model_copy(update=facts))
    write_manifest(folder, manifest.model_copy(update={"artifacts": tuple(artifacts)}))
    return layers("publish", "--version", version, "--artifacts", str(folder), "--yes", *more)
