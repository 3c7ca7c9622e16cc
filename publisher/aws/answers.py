"""What AWS says, read like any other input: an answer that is not as documented counts as none."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from publisher.aws.gateway import CREATED_FORMAT, Grant, Held, Listed, Unavailable


def listed(name: str, data: Any) -> Listed:
    if not isinstance(data, dict):
        raise Unavailable(f"AWS answered without a version of {name}")
    return Listed(
        layer_name=name,
        number=_number(data),
        arn=text(data, "LayerVersionArn"),
        description=data.get("Description") or "",
        created=_created(data),
        runtimes=tuple(data.get("CompatibleRuntimes") or ()),
        architectures=tuple(data.get("CompatibleArchitectures") or ()),
    )


def held(name: str, data: dict[str, Any]) -> Held:
    seen = listed(name, data)
    content = data.get("Content")
    if not isinstance(content, dict):
        raise Unavailable(f"AWS answered without the content of {name}")
    return Held(
        **vars(seen),
        sha256=_hex(text(content, "CodeSha256")),
        size=int(content.get("CodeSize") or 0),
        location=content.get("Location") or "",
    )


def grants(data: dict[str, Any]) -> tuple[Grant, ...]:
    try:
        statements = json.loads(text(data, "Policy"))["Statement"]
        return tuple(grant for statement in statements for grant in _grant(statement))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unavailable("AWS answered with a policy that cannot be read") from None


def _grant(statement: dict[str, Any]) -> Iterator[Grant]:
    actions = statement.get("Action")
    if statement.get("Effect") != "Allow" or "lambda:GetLayerVersion" not in (
        actions if isinstance(actions, list) else [actions]
    ):
        return
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        principal = principal.get("AWS")
    condition = statement.get("Condition") or {}
    organization = condition.get("StringEquals", {}).get("aws:PrincipalOrgID")
    if condition and not organization:
        return  # bound to something that the matrix does not speak of
    for who in principal if isinstance(principal, list) else [principal]:
        account = re.search(r":iam::(\d{12}):root$", str(who))
        yield Grant(str(statement.get("Sid", "")), account[1] if account else str(who), organization)


def items(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key) or []
    if not isinstance(value, list):
        raise Unavailable(f"AWS answered with {key} that is no list")
    return value


def text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise Unavailable(f"AWS answered without {key}")
    return value


def _number(data: dict[str, Any]) -> int:
    value = data.get("Version")
    if not isinstance(value, int) or value < 1:
        raise Unavailable("AWS answered without a version number")
    return value


def _created(data: dict[str, Any]) -> str:
    value = text(data, "CreatedDate")
    try:
        datetime.strptime(value, CREATED_FORMAT)
    except ValueError:
        raise Unavailable(f"AWS answered with a date that is none: {value[:40]!r}") from None
    return value


def _hex(text: str) -> str:
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 32:
        raise Unavailable(f"AWS answered with a CodeSha256 that is none: {text[:60]!r}")
    return digest.hex()
