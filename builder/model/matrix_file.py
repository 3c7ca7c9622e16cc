"""Checks a matrix's text: every problem of the file together, each with its line and key."""

from __future__ import annotations

import pathlib
import re
import string
from collections.abc import Iterator
from itertools import product
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from builder.model.errors import InputError
from builder.model.matrix import (
    DESCRIPTION_LIMIT,
    LAYER_NAME,
    Matrix,
    Parameters,
    Permission,
    Releases,
    Staging,
)
from builder.model.regions import did_you_mean
from builder.model.target import TargetKey
from builder.model.yaml_lines import Located, Path, load

Problem = tuple[Path, str]

#: What stands in for a key that is itself wrong, so that the checks across keys can still speak of the others.
_PLACEHOLDERS: dict[str, Any] = {
    "account": "000000000000",
    "package": "package",
    "python": ["3.12"],
    "architectures": ["x86_64"],
    "regions": ["us-east-1"],
}


def load_matrix(path: pathlib.Path) -> Matrix:
    """Read and check a matrix file. InputError names every problem at once, each with its line."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise InputError(
            "there is no matrix file", where=str(path), fix="name one with --matrix FILE or LAYERS_MATRIX"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the matrix cannot be read: {error}", where=str(path)) from None
    return parse_matrix(text, str(path))


def parse_matrix(text: str, name: str) -> Matrix:
    """The matrix that ``text`` says; ``name`` is the file's name in messages. InputError lists all problems."""
    try:
        document = load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"not YAML: {error.problem}", where=f"{name}:{line}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"not YAML: {error}", where=name) from None
    if not isinstance(document.data, dict):
        raise InputError("a matrix is a mapping of keys (account, package, python, …)", where=f"{name}:1")

    problems: list[Problem] = []
    try:
        matrix = Matrix.model_validate(document.data)
    except ValidationError as error:
        problems += [_problem(details) for details in error.errors() if not _follows(details)]
        matrix = _without(document.data, {str(path[0]) for path, _ in problems if path})
    problems += [*_repeated(document.data), *_across(matrix)]
    if problems or document.duplicates:
        raise _report(document, problems, name)
    return matrix


def _report(document: Located, problems: list[Problem], name: str) -> InputError:
    rows = [(document.line(path), _key(path), message) for path, message in problems]
    rows += [(line, _key(path), "this key stands here a second time") for path, line in document.duplicates]
    found = "1 problem" if len(rows) == 1 else f"{len(rows)} problems"
    lines = [f"{name}:{line}: {key}: {message}" for line, key, message in sorted(set(rows))]
    return InputError(f"the matrix has {found}:", details=lines, fix="docs/matrix.md describes every key")


def _key(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "matrix"


def _follows(details: ErrorDetails) -> bool:
    """Whether this only says that a list is empty once its bad items, each named, are left out."""
    return details["type"] == "too_short" and bool(details["input"])


#: The keys of keys.
_INNER_KEYS = [key for model in (Permission, Staging, Parameters, Releases) for key in model.model_fields]

#: pydantic's words are those of Python; these are those of the file.
_WORDS = {
    "too_short": "needs at least one item",
    "tuple_type": "a list is wanted: [one, two]",
    "string_type": "a text is wanted, in quotes if need be",
    "model_type": "keys of its own are wanted: {key: value}",
}


def _problem(details: ErrorDetails) -> Problem:
    path: Path = tuple(details["loc"])
    value = details["input"]
    kind = details["type"]
    if kind == "extra_forbidden":
        known = list(Matrix.model_fields) if len(path) == 1 else _INNER_KEYS
        hint = did_you_mean(str(path[-1]), known)
        return path, "unknown key" + (f": {hint}" if hint else "")
    if kind == "missing":
        return path, "this key is required"
    if isinstance(value, int | float) and path[0] in ("account", "python"):
        return path, f"put it in quotes: YAML reads the number {value}, which may have lost digits"
    if path[0] == "account":
        return path, f"{value!r} is no account number: twelve digits, quoted"
    if kind == "enum":
        return path, f"{value!r} is no architecture of Lambda's: x86_64 or aarch64"
    return path, _WORDS.get(kind) or details["msg"].removeprefix("Value error, ")


def _without(data: dict[str, Any], bad: set[str]) -> Matrix:
    rest = {key: value for key, value in data.items() if key not in bad and key in Matrix.model_fields}
    return Matrix.model_validate({**_PLACEHOLDERS, **rest})


def _across(matrix: Matrix) -> list[Problem]:
    return [
        *_names(matrix),
        *_descriptions(matrix),
        *_permission(matrix),
        *_staging(matrix),
    ]


def _repeated(data: dict[str, Any]) -> Iterator[Problem]:
    for key in ("python", "architectures", "regions", "extras"):
        items = data.get(key)
        if not isinstance(items, list):
            continue
        for index, item in enumerate(items):
            if item in items[:index]:
                yield (key, index), f"{item!r} is already in the list"


def _placeholders(template: str, allowed: set[str], key: str) -> list[Problem]:
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError as error:
        return [((key,), f"bad template: {error}")]
    bad = []
    for _, field, spec, conversion in fields:
        if field is not None and (field not in allowed or spec or conversion):
            bad.append(
                (
                    (key,),
                    f"unknown placeholder {{{field}}}; known: " + ", ".join(f"{{{a}}}" for a in sorted(allowed)),
                )
            )
    return bad  # type: ignore[return-value]


def _names(matrix: Matrix) -> list[Problem]:
    problems = _placeholders(matrix.layer_name, {"package", "python", "architecture"}, "layer_name")
    if problems:
        return problems
    seen: dict[str, str] = {}
    for target in matrix.targets:
        name = target.layer_name
        if not LAYER_NAME.fullmatch(name):
            problems.append(
                (("layer_name",), f"gives {name!r}, which AWS refuses: 1 to 140 of letters, digits, - and _")
            )
            break
        if name in seen:
            problems.append(
                (
                    ("layer_name",),
                    f"gives {name!r} to both {seen[name]} and {target.id}: use {{python}} and {{architecture}}",
                )
            )
            break
        seen[name] = target.id
    return problems


def _descriptions(matrix: Matrix) -> list[Problem]:
    allowed = {"package", "version", "python_version", "python", "architecture"}
    problems = _placeholders(matrix.description, allowed, "description")
    if problems:
        return problems
    if "{version}" not in matrix.description:
        problems.append(
            (("description",), "has no {version}: it is how a layer version is recognised without the ledger")
        )
    longest = max(
        len(matrix.describe(TargetKey(python, architecture), "1234.123.123rc12"))
        for python, architecture in product(matrix.python, matrix.architectures)
    )
    if longest > DESCRIPTION_LIMIT:
        problems.append((("description",), f"gives up to {longest} characters; AWS takes {DESCRIPTION_LIMIT}"))
    return problems


def _permission(matrix: Matrix) -> Iterator[Problem]:
    if matrix.permission.organization and matrix.permission.principal != "*":
        yield ("permission", "organization"), 'an organization goes with principal "*" only'


def _staging(matrix: Matrix) -> Iterator[Problem]:
    if matrix.staging is None:
        return
    if matrix.staging.home not in matrix.regions:
        yield ("staging", "home"), f"{matrix.staging.home} is not one of the matrix's regions"
    bad = _placeholders(matrix.staging.bucket, {"account", "region"}, "staging")
    if bad:
        yield from ((("staging", "bucket"), message) for _, message in bad)
        return
    if "{region}" not in matrix.staging.bucket and len(matrix.regions) > 1:
        yield ("staging", "bucket"), "needs {region}: Lambda takes a zip only from a bucket of its own region"
    for region in matrix.regions:
        name = matrix.staging.bucket_of(matrix.account, region)
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
            yield ("staging", "bucket"), f"gives {name!r}, which is no bucket name"
            return
