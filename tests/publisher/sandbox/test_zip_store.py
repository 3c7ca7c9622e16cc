"""Uploads to the embedded AWS that arrive together are stored once."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest

from publisher.sandbox.zip_store import Refusal, Store
from tests.publisher.sandbox.layer_calls import a_zip


def a_body() -> tuple[bytes, str]:
    """Return the body of a publish request and its sha256."""
    body = json.dumps({"Content": {"ZipFile": base64.b64encode(a_zip()).decode()}}).encode()
    return body, hashlib.sha256(body).hexdigest()


class SlowUpload(io.BytesIO):
    """An upload that takes a moment. Remembers how many uploads the store wrote to its folder at the same time."""

    written: ClassVar[list[int]] = []

    def __init__(self, body: bytes, folder: Path) -> None:
        super().__init__(body)
        self.folder = folder

    def read(self, size: int | None = -1, /) -> bytes:
        time.sleep(0.02)
        self.written.append(len(list(self.folder.glob("request-*"))))
        return super().read(size)


def test_equal_bodies_that_arrive_together_are_written_once(tmp_path: Path) -> None:
    body, digest = a_body()
    store = Store(tmp_path)
    with ThreadPoolExecutor(6) as pool:
        taken = [pool.submit(store.take, SlowUpload(body, tmp_path), len(body), digest) for _ in range(6)]
        assert len({future.result() for future in taken}) == 1
    assert max(SlowUpload.written) == 1


class Upload(io.BytesIO):
    """An upload that begins when the test says so."""

    begin: ClassVar[threading.Event] = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        self.begin.wait(10)
        return super().read(size)


def test_an_upload_is_read_while_an_equal_one_is_stored(tmp_path: Path) -> None:
    """A client that cannot send for six seconds gives up."""
    body, digest = a_body()
    store = Store(tmp_path)
    second = io.BytesIO(body)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store.take, Upload(body), len(body), digest)
        while not list(tmp_path.glob("request-*")):
            time.sleep(0.01)
        other = pool.submit(store.take, second, len(body), digest)
        while second.tell() < len(body):
            time.sleep(0.01)
        assert not other.done()
        Upload.begin.set()
        assert first.result() == other.result()


def test_a_first_upload_that_fails_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    body, digest = a_body()
    store = Store(tmp_path)
    with pytest.raises(Refusal):
        store.take(io.BytesIO(body[:-1]), len(body), digest)
    assert store.take(io.BytesIO(body), len(body), digest)


def test_a_body_that_differs_from_its_signature_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    body, digest = a_body()
    first = store.take(io.BytesIO(body), len(body), digest)
    assert store.take(io.BytesIO(body), len(body), digest) == first
    with pytest.raises(Refusal) as known:
        store.take(io.BytesIO(b"x" * len(body)), len(body), digest)
    with pytest.raises(Refusal):
        store.take(io.BytesIO(body), len(body), "0" * 64)
    assert known.value.code == "InvalidSignatureException"
    assert not list(tmp_path.glob("request-*"))
