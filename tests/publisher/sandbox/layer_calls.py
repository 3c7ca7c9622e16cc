"""A layer, and calls that publish it and that are refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import ACCOUNT, Sandbox

NAME = "strands-agents-py3_12-x86_64"
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:{NAME}"


def a_zip(content: bytes = b"print('hello')\n", name: str = "python/hello.py") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def publish(
    sandbox: Sandbox, name: str = NAME, content: bytes = a_zip(), region: str = "us-east-1", **more: Any
) -> Any:
    return sandbox.layers(region).publish_layer_version(LayerName=name, Content={"ZipFile": content}, **more)


def refusal(call: Callable[[], object]) -> tuple[str, int, str]:
    """Return the code, status and message of the refusal."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]
