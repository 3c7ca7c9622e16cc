"""The request body of a publish: encoded once on disk, checked, and without the zip in memory."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import threading
import tracemalloc
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import InputError
from publisher.aws.gateway import Publication, Zip
from publisher.aws.publish_request import CHUNK_BYTES, Bodies


def publication(path: Path, data: bytes, description: str = "", license_text: str = "MIT") -> Publication:
    path.write_bytes(data)
    zip_ = Zip(path, sha256(data).hexdigest(), len(data))
    return Publication("demo", description, license_text, ("python3.12",), ("arm64",), zip_)


@given(st.binary(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_the_body_is_what_lambda_expects(data: bytes, description: str, license_text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        body = Bodies(folder).of(publication(folder / "a.zip", data, description, license_text))
        text = body.path.read_bytes()
        assert json.loads(text) == {
            "Description": description,
            "LicenseInfo": license_text,
            "CompatibleRuntimes": ["python3.12"],
            "CompatibleArchitectures": ["arm64"],
            "Content": {"ZipFile": base64.b64encode(data).decode()},
        }
        assert body.sha256 == sha256(text).hexdigest()


@pytest.mark.parametrize("size", [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 2])
def test_chunks_are_encoded_without_gaps(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    body = Bodies(tmp_path).of(publication(tmp_path / "a.zip", data))
    assert base64.b64decode(json.loads(body.path.read_bytes())["Content"]["ZipFile"]) == data


def test_a_zip_that_changed_is_refused(tmp_path: Path) -> None:
    wanted = publication(tmp_path / "a.zip", b"one")
    (tmp_path / "a.zip").write_bytes(b"two")
    with pytest.raises(InputError, match="changed"):
        Bodies(tmp_path).of(wanted)
    (tmp_path / "a.zip").unlink()
    with pytest.raises(InputError):
        Bodies(tmp_path).of(wanted)


def test_concurrent_threads_encode_one_body(tmp_path: Path) -> None:
    wanted, bodies = publication(tmp_path / "a.zip", os.urandom(CHUNK_BYTES)), Bodies(tmp_path)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(bodies.of(wanted))) for _ in range(17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 17
    assert len({id(body) for body in found}) == 1
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_memory_does_not_grow_with_the_zip(tmp_path: Path) -> None:
    wanted = publication(tmp_path / "a.zip", os.urandom(30 << 20))
    tracemalloc.start()
    try:
        Bodies(tmp_path).of(wanted)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
