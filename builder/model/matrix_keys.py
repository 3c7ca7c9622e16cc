"""The values in a matrix: one model for each key with a mapping as its value, and the checks of single values.

A validator raises ValueError; the reader puts line and key before its message. docs/matrix.md describes every key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from builder.model.budget import Limit, parse_size_limit, parse_time_limit
from builder.model.durations import parse_duration
from builder.model.frozen import Frozen
from builder.model.regions import did_you_mean
from builder.model.runtimes import RUNTIMES, Architecture
from builder.model.selection import (
    ARCHITECTURE_SPELLING,
    PYTHON_SPELLING,
    parse_architecture,
    parse_python,
    parse_region,
)
from builder.model.target import TargetKey

#: Limit of a parameter path in characters. SSM allows 1011 for the whole parameter name with its ARN.
MAX_PREFIX_LENGTH = 800
MAX_PACKAGE_NAME_LENGTH = 128
MAX_REQUIREMENT_LENGTH = 1000
#: Which new versions become releases: every one, the first of each minor version, or only those published by hand.
POLICIES = ("every", "minor", "by-hand")
_POLICY_SYNONYMS = {"all": "every", "any": "every", "manual": "by-hand", "never": "by-hand", "none": "by-hand"}


def _text_only(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):  # YAML reads an unquoted 3.10 as the number 3.1
        raise ValueError(f"put it in quotes: YAML reads the number {value}, which may have lost digits")
    return value


def _parsed(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Return a function that parses texts and returns other values as they are."""
    return lambda value: parse(value) if isinstance(value, str) else value


def check_package_name(value: str) -> str:
    """Return the name of a package. Raises ValueError if it is not one."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", value) or len(value) > MAX_PACKAGE_NAME_LENGTH:
        raise ValueError(f"{value[:80]!r} is not a package name: leave extras and versions out")
    return value


def check_requirement(value: str) -> str:
    """Return a requirement (PEP 508) without a URL. Raises ValueError if it is not one."""
    if len(value) > MAX_REQUIREMENT_LENGTH:
        raise ValueError(f"{value[:40]!r}… has {len(value)} characters; at most {MAX_REQUIREMENT_LENGTH} are allowed")
    try:
        requirement = Requirement(value)
    except InvalidRequirement as error:
        raise ValueError(f"{value!r} is not a requirement (PEP 508): {str(error).splitlines()[0]}") from None
    if requirement.url:
        raise ValueError(f"{value!r} names a URL; a layer contains wheels from a package index only")
    return value


def _override(value: str) -> str:
    requirement = Requirement(check_requirement(value))
    if not requirement.specifier:
        raise ValueError(f"{value!r} has no version: write one, like {requirement.name}>=1.0")
    return value


def _prefix(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_.-]+){1,12}", value) or len(value) > MAX_PREFIX_LENGTH:
        raise ValueError(
            f"{value[:80]!r} is not a parameter path: up to 12 names of letters, digits, `_`, `.` and `-`, "
            "each after a slash, like /strands-agents/layers"
        )
    if re.match(r"/(aws|ssm)", value, re.IGNORECASE):
        raise ValueError(f"{value[:80]!r} begins with a name that AWS reserves: aws or ssm")
    return value


def _releases(value: Any) -> Any:
    return {"policy": value} if isinstance(value, str) else value  # `releases: minor`


def _policy(value: Any) -> Any:
    if isinstance(value, str) and value not in POLICIES:
        near = _POLICY_SYNONYMS.get(value)
        hint = f"did you mean {near}?" if near else did_you_mean(value[:40], list(POLICIES))
        raise ValueError(f"{value[:40]!r} is not a policy ({', '.join(POLICIES)})" + (f": {hint}" if hint else ""))
    return value


def _age(value: Any) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int | float):
        raise ValueError(f'{value!r} has no unit; write it like "2 days"')
    return value


def _changelog_url(value: str) -> str:
    if not re.fullmatch(r"https://(?:[!#-;=?-Z_a-z~&]|%[0-9A-Fa-f]{2}|\{version\})+", value):
        raise ValueError("not an https:// URL with {version} as its only placeholder")
    return value


def _bytecode(value: Any) -> Any:
    return "off" if value is False else value  # YAML 1.1 reads a bare `off` as false


def _size_limit(value: Any) -> Any:
    return parse_size_limit(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else value


def _slim(value: Any) -> Any:
    if isinstance(value, bool):
        return {} if value else None
    if isinstance(value, dict | Slim | None):
        return value
    raise ValueError("must be true, or a mapping with services")


PackageName = Annotated[str, AfterValidator(check_package_name)]
NormalizedName = Annotated[str, AfterValidator(lambda value: canonicalize_name(check_package_name(value)))]
PythonVersion = Annotated[
    str,
    BeforeValidator(_text_only),
    AfterValidator(parse_python),
    WithJsonSchema({"anyOf": [{"enum": list(RUNTIMES)}, {"type": "string", "pattern": PYTHON_SPELLING}]}),
]
ArchitectureName = Annotated[
    Architecture,
    BeforeValidator(_parsed(parse_architecture)),
    WithJsonSchema({"anyOf": [{"enum": ["x86_64", "aarch64"]}, {"type": "string", "pattern": ARCHITECTURE_SPELLING}]}),
]
Region = Annotated[
    str,
    AfterValidator(parse_region),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z]{2,4}([_-][A-Za-z]+)+[_-][0-9]+$"}),
]
RequirementText = Annotated[str, AfterValidator(check_requirement)]
OverrideText = Annotated[str, AfterValidator(_override)]
ChangelogUrl = Annotated[str, AfterValidator(_changelog_url)]
Bytecode = Annotated[
    Literal["required", "auto", "off"],
    BeforeValidator(_bytecode, json_schema_input_type=Literal["required", "auto", "off", False]),
]
SizeLimit = Annotated[Limit, BeforeValidator(_size_limit, json_schema_input_type=str | int)]
TimeLimit = Annotated[Limit, BeforeValidator(_parsed(parse_time_limit), json_schema_input_type=str)]


class Permission(Frozen):
    """Who may use the layer: everyone (``*``), one account, or the accounts of one organization."""

    principal: Annotated[str, Field(pattern=r"^(\*|[0-9]{12})$")] = "*"
    organization: Annotated[str, Field(pattern=r"^o-[a-z0-9]{10,32}$")] | None = None

    @property
    def granted(self) -> Literal["public", "shared"]:
        """What a layer version is once it has this permission."""
        return "public" if self.principal == "*" and self.organization is None else "shared"


class Staging(Frozen):
    """S3 buckets through which zips reach Lambda: one for each region by a name template, uploaded to ``home``."""

    bucket: str
    home: Region

    def bucket_of(self, account: str, region: str) -> str:
        """Return the bucket name of a region."""
        return self.bucket.format(account=account, region=region)


class Releases(Frozen):
    """Which new versions of the package become releases automatically; ``layers watch`` reads it."""

    policy: Annotated[Literal["every", "minor", "by-hand"], BeforeValidator(_policy)] = "every"
    minimum_age: Annotated[timedelta, BeforeValidator(_age, json_schema_input_type=str)] | None = None


ReleasesKey = Annotated[
    Releases, BeforeValidator(_releases, json_schema_input_type=Literal["every", "minor", "by-hand"] | Releases)
]


class Parameters(Frozen):
    """SSM parameters with the ARNs of releases, below a path."""

    prefix: Annotated[str, AfterValidator(_prefix)]


class Unsupported(Frozen):
    """Cells that AWS cannot serve: every cell that matches all the given fields. A release is complete without them."""

    region: Region | None = None
    python: PythonVersion | None = None
    architecture: ArchitectureName | None = None
    reason: Annotated[str, Field(max_length=200)] | None = None  #: shown beside the cell in the table

    @model_validator(mode="after")
    def _names_something(self) -> Unsupported:
        if self.region is None and self.python is None and self.architecture is None:
            raise ValueError("needs a region, a python or an architecture")
        return self

    def covers(self, region: str, target: TargetKey) -> bool:
        """Whether the entry matches a cell."""
        return (
            self.region in (None, region)
            and self.python in (None, target.python)
            and self.architecture in (None, target.architecture)
        )


class Budget(Frozen):
    """Limits for each zip, absolute or relative to the last release. A build or a smoke above one fails (exit 4)."""

    zipped: SizeLimit | None = None
    unzipped: SizeLimit | None = None
    import_time: TimeLimit | None = None

    def exceeded(
        self, zipped: int, unzipped: int, last_sizes: tuple[int | None, int | None] = (None, None)
    ) -> Iterator[str]:
        """Yield a sentence for each size above its limit. ``last_sizes`` are those of the last release."""
        sizes = (("zipped", self.zipped, zipped, last_sizes[0]), ("unzipped", self.unzipped, unzipped, last_sizes[1]))
        for kind, limit, size, last in sizes:
            allowed = limit.allowed(last) if limit else None
            if limit and allowed is not None and size > allowed:
                growth = f", the last release has {last:,}" if limit.growth is not None else ""
                yield f"{size:,} bytes {kind}; {limit.text} allows {allowed:,.0f}{growth}"


class Slim(Frozen):
    """Leave out botocore's data, except for ``services`` and those that the layer's own packages need."""

    services: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")], ...] = ()


SlimKey = Annotated[Slim | None, BeforeValidator(_slim, json_schema_input_type=bool | Slim | None)]


class Signing(Frozen):
    """Sign each zip once with AWS Signer, in the home region, before its sha256 is recorded."""

    profile: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_]{2,64}$")]


class Announce(Frozen):
    """Publish a message about each complete or yanked release to an SNS topic."""

    topic: Annotated[str, Field(pattern=r"^arn:[a-z-]{3,20}:sns:[a-z0-9-]{5,30}:[0-9]{12}:[A-Za-z0-9_-]{1,256}$")]

    @property
    def region(self) -> str:
        """The topic's region."""
        return self.topic.split(":")[3]
