"""Parse and check Lambda's responses. An invalid response raises Unavailable, because AWS may have acted."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from builder.model.regions import partition_of
from publisher.aws.gateway import CREATED_FORMAT, Grant, ListedVersion, PublishedVersion, Unavailable


@dataclass(frozen=True)
class LayerSource:
    """The layer that a request is about. A response about another layer is rejected and never recorded."""

    region: str
    name: str  #: the layer's name, or its ARN if another account owns it
    account: str | None = None  #: None: unknown
    number: int | None = None  #: None: any

    @property
    def layer_name(self) -> str:
        """The layer's name, taken from the ARN if there is one."""
        return self.name.rpartition(":")[2]

    def check(self, arn: str, number: int) -> None:
        """Raise Unavailable if the ARN or the number belongs to another layer."""
        layer = re.escape(self.name)
        if not self.name.startswith("arn:"):
            account = re.escape(self.account) if self.account else r"\d{12}"
            layer = rf"arn:{partition_of(self.region)}:lambda:{re.escape(self.region)}:{account}:layer:{layer}"
        if not re.fullmatch(rf"{layer}:{number}", arn, re.ASCII) or self.number not in (None, number):
            expected = f"{self.layer_name}:{self.number or number} in {self.region}"
            raise Unavailable(f"the response of AWS is about another layer version than {expected}: {arn[:200]!a}")


def listed_version(source: LayerSource, data: Any) -> ListedVersion:
    """Parse an item of a list of layer versions."""
    if not isinstance(data, dict):
        raise Unavailable(f"the response of AWS has no version of {source.layer_name}")
    number, arn = _number(data), text(data, "LayerVersionArn")
    source.check(arn, number)
    return ListedVersion(
        layer_name=source.name,
        number=number,
        arn=arn,
        description=text(data, "Description", ""),
        created=_created(data),
        runtimes=_texts(data, "CompatibleRuntimes"),
        architectures=_texts(data, "CompatibleArchitectures"),
    )


def published_version(source: LayerSource, data: dict[str, Any]) -> PublishedVersion:
    """Parse the response of ``GetLayerVersion`` or ``PublishLayerVersion``."""
    version = listed_version(source, data)
    content = data.get("Content")
    if not isinstance(content, dict):
        raise Unavailable(f"the response of AWS has no Content of {source.layer_name}")
    return PublishedVersion(
        **vars(version),
        sha256=_hex(text(content, "CodeSha256")),
        size=_count(content, "CodeSize"),
        location=text(content, "Location", ""),
        signed_by=text(content, "SigningProfileVersionArn", "").rpartition("/signing-profiles/")[2] or None,
        signing_job=text(content, "SigningJobArn", "") or None,
    )


def grants(data: dict[str, Any]) -> tuple[Grant, ...]:
    """Parse the response of ``GetLayerVersionPolicy``."""
    try:
        statements = json.loads(text(data, "Policy"))["Statement"]
        return tuple(grant for statement in statements for grant in _grants_of(statement))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unavailable(f"the policy in the response of AWS cannot be parsed ({type(error).__name__})") from None


def _grants_of(statement: dict[str, Any]) -> Iterator[Grant]:
    actions = statement.get("Action")
    patterns = [str(action).lower() for action in (actions if isinstance(actions, list) else [actions])]
    if statement.get("Effect") != "Allow" or not any(fnmatchcase("lambda:getlayerversion", each) for each in patterns):
        return
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        principal = principal.get("AWS")
    condition = statement.get("Condition") or {}
    organization = condition.get("StringEquals", {}).get("aws:PrincipalOrgID")
    if condition and not isinstance(organization, str):
        return  # a condition that a matrix cannot contain
    for who in principal if isinstance(principal, list) else [principal]:
        account = re.search(r":iam::(\d{12}):root$", str(who))
        yield Grant(str(statement.get("Sid", "")), account[1] if account else str(who), organization)


def items(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the list in a page. A page without the list is only empty if it is JSON: the HTML of a proxy must not look
    like an account without layers.
    """
    value = data.get(key)
    kind = data.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("content-type", "")
    if value is None and "json" in kind:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Unavailable(f"the response of AWS has no list of {key}")
    return value


def text(data: dict[str, Any], key: str, default: str | None = None) -> str:
    """Return a text field. If it is missing or null, return the default, or raise Unavailable without one."""
    value = data.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise Unavailable(f"the response of AWS has no {key}")
    return value


def _texts(data: dict[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Unavailable(f"{key} in the response of AWS is not a list of texts")
    return tuple(value)


def _count(data: dict[str, Any], key: str) -> int:
    value = data.get(key) or 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unavailable(f"{key} in the response of AWS is not a number")
    return value


def _number(data: dict[str, Any]) -> int:
    value = _count(data, "Version")
    if not 1 <= value < 2**63:
        raise Unavailable("the response of AWS has no version number")
    return value


def _created(data: dict[str, Any]) -> str:
    value = text(data, "CreatedDate")
    try:
        created = datetime.strptime(value, CREATED_FORMAT)
    except ValueError:
        created = None
    if created is None or not 2014 <= created.year < 9000:  # years 1 and 9999 may overflow in UTC
        raise Unavailable(f"CreatedDate in the response of AWS is not a date: {value[:40]!a}")
    return value


def _hex(digest: str) -> str:
    try:
        data = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != 32:
        raise Unavailable(f"CodeSha256 in the response of AWS is not a sha256: {digest[:60]!a}")
    return data.hex()
