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
        description=text(data, "Description", ""),
        created=_created(data),
        runtimes=_texts(data, "CompatibleRuntimes"),
        architectures=_texts(data, "CompatibleArchitectures"),
    )


def held(name: str, data: dict[str, Any]) -> Held:
    seen = listed(name, data)
    content = data.get("Content")
    if not isinstance(content, dict):
        raise Unavailable(f"AWS answered without the content of {name}")
    return Held(
        **vars(seen),
        sha256=_hex(text(content, "CodeSha256")),
        size=_count(content, "CodeSize"),
        location=text(content, "Location", ""),
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
    if condition and not isinstance(organization, str):
        return  # bound to something that the matrix does not speak of
    for who in principal if isinstance(principal, list) else [principal]:
        account = re.search(r":iam::(\d{12}):root$", str(who))
        yield Grant(str(statement.get("Sid", "")), account[1] if account else str(who), organization)


def items(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The list of a page. A page without it counts as empty only where it is JSON at all: what a proxy says instead
    of AWS must not be taken for an account without layers."""
    value = data.get(key)
    kind = data.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("content-type", "")
    if value is None and "json" in kind:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Unavailable(f"AWS answered without a list of {key}")
    return value


def text(data: dict[str, Any], key: str, default: str | None = None) -> str:
    """A text; one that is missing or null is the default, where there is one."""
    value = data.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise Unavailable(f"AWS answered without {key}")
    return value


def _texts(data: dict[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Unavailable(f"AWS answered with {key} that is no list of texts")
    return tuple(value)


def _count(data: dict[str, Any], key: str) -> int:
    value = data.get(key) or 0
    if not isinstance(value, int):
        raise Unavailable(f"AWS answered with {key} that is no number")
    return value


def _number(data: dict[str, Any]) -> int:
    value = _count(data, "Version")
    if value < 1 or isinstance(value, bool):
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
