"""Read a matrix file and report all its problems together, each with its line and key."""

from __future__ import annotations

import pathlib
import re
import string
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from builder.model import matrix_keys
from builder.model.errors import InputError
from builder.model.figures import counted
from builder.model.file_access import read_if_present
from builder.model.frozen import Frozen
from builder.model.matrix import LAYER_NAME, MAX_DESCRIPTION_CHARACTERS, Matrix
from builder.model.regions import did_you_mean, known_regions, partition_of
from builder.model.selection import parse_architecture, parse_python, parse_region
from builder.model.target import TargetKey
from builder.model.yaml_lines import MAX_FILE_BYTES, Located, Path, load

Problem = tuple[Path, str]

_YAML_FIX = 'correct the syntax; a text that starts with a special character needs quotes, for example "*"'
#: Values that replace invalid keys, so that the checks across keys can still check the valid ones.
_STAND_INS: dict[str, Any] = {
    "account": "000000000000",
    "package": "package",
    "python": ["3.12"],
    "architectures": ["x86_64"],
    "regions": ["us-east-1"],
}


def load_matrix(path: pathlib.Path) -> Matrix:
    """Read and check a matrix file. Raises one InputError with every problem and its line."""
    fix = "give the path of a matrix file with --matrix FILE or LAYERS_MATRIX"
    data = read_if_present(path, "the matrix", MAX_FILE_BYTES, fix)
    if data is None:
        raise InputError("the matrix file does not exist", where=str(path), fix=fix)
    try:
        return parse_matrix(data.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"the matrix is not UTF-8: {error}", where=str(path), fix="save the file as UTF-8") from None


def parse_matrix(text: str, name: str) -> Matrix:
    """Parse the text of a matrix file; ``name`` is its name in messages. Raises one InputError with all problems."""
    try:
        document = load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        context = f"{error.context}, " if str(error.problem).startswith("but ") else ""
        raise InputError(f"not YAML: {context}{error.problem}", where=f"{name}:{line}", fix=_YAML_FIX) from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", where=name, fix=_YAML_FIX) from None
    if not isinstance(document.data, dict):
        raise InputError(
            "a matrix is a mapping of keys (account, package, python, …)",
            where=f"{name}:1",
            fix="docs/matrix.md describes every key",
        )

    problems: list[Problem] = []
    try:
        matrix = Matrix.model_validate(document.data)
    except ValidationError as error:
        problems += [_problem(details) for details in error.errors() if not _follows(details)]
        matrix = _stand_in_matrix(document.data, {str(path[0]) for path, _ in problems if path})
    problems += [*_repeated_items(document.data), *_problems_between_keys(matrix)]
    if problems or document.bad_keys:
        raise _report(document, problems, name)
    return matrix


def _report(document: Located, problems: list[Problem], name: str) -> InputError:
    rows = [(document.line(path), _key(path), message) for path, message in problems]
    rows += [(line, _key(path), message) for path, line, message in document.bad_keys]
    lines = [f"{name}:{line}: {key}: {message}" for line, key, message in sorted(set(rows))]
    return InputError(
        f"the matrix has {counted(len(rows), 'problem')}:", details=lines, fix="docs/matrix.md describes every key"
    )


def _key(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "matrix"


def _follows(details: ErrorDetails) -> bool:
    """Return whether another problem is the cause, which is reported: an invalid item, or a key that is not text."""
    return details["type"] == "invalid_key" or (details["type"] == "too_short" and bool(details["input"]))


#: The models of the keys that have keys of their own.
_INNER_MODELS = {
    name: model for name, model in vars(matrix_keys).items() if isinstance(model, type) and issubclass(model, Frozen)
}

#: Replace pydantic's messages, which are about Python types, by messages about YAML.
_MESSAGES = {
    "too_short": "needs at least one item",
    "tuple_type": "must be a list: [one, two]",
    "string_type": "must be text, in quotes if YAML reads it otherwise",
    "enum": "must be x86_64 or aarch64",
    "dataclass_type": "must be a size, a time or a growth: 50 MB, 1.5 s, +10%",
}


def _problem(details: ErrorDetails) -> Problem:
    path: Path = tuple(details["loc"])
    value = details["input"]
    kind = details["type"]
    if kind == "extra_forbidden":
        inner = [key for model in _INNER_MODELS.values() for key in model.model_fields]
        hint = did_you_mean(str(path[-1])[:40], list(Matrix.model_fields) if len(path) == 1 else inner)
        return path, "unknown key" + (f": {hint}" if hint else "")
    if kind == "missing":
        return path, "this key is required"
    if kind == "model_type":
        return path, f"must be a mapping with {', '.join(_INNER_MODELS[details['ctx']['class_name']].model_fields)}"
    if isinstance(value, int | float) and not isinstance(value, bool) and path[0] in ("account", "python"):
        return path, f"put it in quotes: YAML reads the number {value}, which may have lost digits"
    if path[0] == "account":
        return path, f"{str(value)[:40]!r} is not an AWS account id: twelve digits, quoted"
    return path, _MESSAGES.get(kind) or details["msg"].removeprefix("Value error, ")


def _stand_in_matrix(data: dict[str, Any], bad: set[str]) -> Matrix:
    rest = {key: value for key, value in data.items() if key not in bad and key in Matrix.model_fields}
    return Matrix.model_validate({**_STAND_INS, **rest})


def _problems_between_keys(matrix: Matrix) -> Iterator[Problem]:
    """Yield the problems between keys."""
    yield from _names(matrix)
    yield from _descriptions(matrix)
    yield from _partitions(matrix)
    yield from _unsupported(matrix)
    required, replaced = _names_of(matrix.requirements), _names_of(matrix.override)
    for key, names in {"exclude": matrix.exclude, "override": replaced}.items():
        if canonicalize_name(matrix.package) in names:
            yield (key,), f"{matrix.package} is the layer's own package"
    for index, name in enumerate(matrix.exclude):
        if name in required:
            yield ("exclude", index), f"{name} is in `requirements` too"
    if matrix.permission.organization and matrix.permission.principal != "*":
        yield ("permission", "organization"), 'an organization needs principal "*"'
    if matrix.signing and not matrix.staging:
        yield ("signing",), "needs `staging`: AWS Signer reads and writes S3 objects"
    yield from _staging(matrix)


def _names_of(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in requirements}


#: How items of a list are compared: two spellings of one value are a repetition.
_SPELLINGS: dict[str, Callable[[Any], str]] = {
    "python": parse_python,
    "architectures": parse_architecture,
    "regions": parse_region,
    "extras": canonicalize_name,
    "exclude": canonicalize_name,
}


def _repeated_items(data: dict[str, Any]) -> Iterator[Problem]:
    for key in ("python", "architectures", "regions", "extras", "requirements", "exclude", "override"):
        items = data.get(key)
        seen = set()
        for index, item in enumerate(items if isinstance(items, list) else []):
            try:
                spelling = str(_SPELLINGS.get(key, str)(item))
            except (ValueError, TypeError, AttributeError):  # reported as an invalid item
                continue
            if spelling in seen:
                yield (key, index), f"{item!r} is already in the list"
            seen.add(spelling)


def _placeholders(template: str, allowed: set[str], path: Path) -> list[Problem]:
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError as error:
        return [(path, f"invalid template: {error}")]
    choices = ", ".join(f"{{{name}}}" for name in sorted(allowed))
    return [
        (path, f"unknown placeholder {{{field}}}; known: {choices}")
        for _, field, spec, conversion in fields
        if field is not None and (field not in allowed or spec or conversion)
    ]


def _names(matrix: Matrix) -> Iterator[Problem]:
    path: Path = ("layer_name",)
    if problems := _placeholders(matrix.layer_name, {"package", "python", "architecture"}, path):
        yield from problems
        return
    seen: dict[str, str] = {}
    for target in matrix.targets:
        name = target.layer_name
        if not LAYER_NAME.fullmatch(name):
            yield path, f"gives {name[:160]!r}, which AWS refuses: 1 to 140 of letters, digits, - and _"
            return
        if seen.get(name, target.id) != target.id:  # an item that the list has twice is reported already
            yield path, f"gives {name!r} to both {seen[name]} and {target.id}: use {{python}} and {{architecture}}"
            return
        seen[name] = target.id


def _descriptions(matrix: Matrix) -> Iterator[Problem]:
    path: Path = ("description",)
    allowed = {"package", "version", "python_version", "python", "architecture"}
    if problems := _placeholders(matrix.description, allowed, path):
        yield from problems
        return
    if "{version}" not in matrix.description:
        yield path, "needs {version}: without the ledger, the description tells which release a layer version is"
    longest = max(
        len(matrix.describe(TargetKey(python, architecture), "1234.123.123rc12"))
        for python, architecture in product(matrix.python, matrix.architectures)
    )
    if longest > MAX_DESCRIPTION_CHARACTERS:
        yield path, f"gives up to {longest} characters; AWS allows {MAX_DESCRIPTION_CHARACTERS}"


def _partitions(matrix: Matrix) -> Iterator[Problem]:
    """Report regions of other partitions: an account, its credentials and its ledger belong to one partition."""
    first = partition_of(matrix.regions[0])
    for index, region in enumerate(matrix.regions):
        if (partition := partition_of(region)) != first:
            message = f"{region} is in partition {partition}, {matrix.regions[0]} in {first}: use a matrix for each"
            yield ("regions", index), message
    if matrix.announce and matrix.announce.region not in known_regions():
        yield ("announce", "topic"), f"{matrix.announce.region} is not an AWS region"
    elif matrix.announce and (partition := matrix.announce.topic.split(":")[1]) != first:
        yield ("announce", "topic"), f"is in partition {partition}, the regions are in {first}"


def _unsupported(matrix: Matrix) -> Iterator[Problem]:
    if not matrix.unsupported or _placeholders(matrix.layer_name, {"package", "python", "architecture"}, ()):
        return
    for index, entry in enumerate(matrix.unsupported):
        if not any(entry.covers(region, target) for region in matrix.regions for target in matrix.targets):
            yield ("unsupported", index), "matches no cell of the matrix"
    for region in matrix.regions:
        if not matrix.cells_in(region):
            yield ("unsupported",), f"leaves no target in {region}: remove it from `regions`"
    for target in matrix.targets:
        if all(matrix.unsupported_entry(region, target) for region in matrix.regions):
            yield ("unsupported",), f"leaves {target.id} in no region"


def _staging(matrix: Matrix) -> Iterator[Problem]:
    if matrix.staging is None:
        return
    if matrix.staging.home not in matrix.regions:
        yield ("staging", "home"), f"{matrix.staging.home} is not one of the matrix's regions"
    path: Path = ("staging", "bucket")
    if problems := _placeholders(matrix.staging.bucket, {"account", "region"}, path):
        yield from problems
        return
    if "{region}" not in matrix.staging.bucket and len(matrix.regions) > 1:
        yield path, "needs {region}: Lambda accepts a zip only from a bucket of its own region"
    for region in matrix.regions:
        name = matrix.staging.bucket_of(matrix.account, region)
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
            yield path, f"gives {name[:160]!r}, which is not a valid S3 bucket name"
            return
