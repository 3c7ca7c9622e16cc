"""Failures of uv with an index of its own on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.model.errors import BuildError
from builder.model.progress import Quiet
from builder.pipeline.build import build
from tests.fakes.package_index import running_index, send, use_index
from tests.fakes.wheels import make_wheel, matrix_of


def error_of(folder: Path, patch: pytest.MonkeyPatch, path: str, status: int, body: bytes = b"") -> str:
    """Return the error of a build while the index responds so to requests of ``path``."""
    patch.setenv("LAYERS_CACHE_DIR", str(folder / "cache"))
    with running_index() as index:
        use_index(patch, f"{index.address}/simple", folder)
        index.add_wheel(make_wheel(folder, "demo"))
        index.fault = lambda handler: path in handler.path and send(handler, status, body, "application/octet-stream")
        matrix = matrix_of("demo", bytecode="off")
        with pytest.raises(BuildError) as caught:
            build(matrix, "1.0", matrix.targets, folder / "out", Quiet())
    return str(caught.value)


@pytest.mark.parametrize("path", ["/simple/", "/files/"])
@pytest.mark.parametrize("status", [401, 403])
def test_an_index_that_refuses_access_is_not_an_unknown_package(
    path: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = error_of(tmp_path, monkeypatch, path, status)
    assert f"refused access: {status}" in error
    assert "credentials" in error
    assert "127.0.0.1" not in error
