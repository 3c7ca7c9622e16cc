"""Translate uv's failures into errors with a fix; an unknown failure keeps uv's own text."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from packaging.utils import canonicalize_name

from builder.metadata.requires_dist import name_of
from builder.model.errors import BuildError, FailureClass, InputError, LayersError
from builder.model.escape import shorten
from builder.model.findings import dotted
from builder.model.target import Target
from builder.resolve import uv
from builder.resolve.download_failures import download_error, http_error, is_temporary, shown_url, unreachable
from builder.resolve.import_names import advice_for_name
from builder.resolve.misnamed_wheels import misnamed_wheel_of

#: What to do about a wheel that is wrong in itself.
OTHER_WHEEL_FIX = "use another version of this package, or report the wheel to its maintainers"
#: uv writes the marker of a requirement after its name: ``demo{platform_machine == 'x86_64'}>=1``.
_MARKER = re.compile(r"(?<=[\w\]])\{[^{}]*(?:[=<>]| in )[^{}]*\}")
_NO_WHEELS = re.compile(r"\b(\S+) ha(?:s|ve) no (?:usable wheels|wheels with|.{0,40}-compatible wheels)")
_NO_VERSION = re.compile(r"there is no version of (\S+?)(?:==|===)(\S+)")
#: uv takes a package from the first index that has it; its hint contains the index that it read.
_OTHER_INDEX = re.compile(r"`(\S+?)` was found on (\S+?),? but not at the requested version")
#: The package, and what is wrong with its wheel. The disk or the network can be the cause of other failures.
_MALFORMED = re.compile(
    r"Failed to download `(\S+?)(?: @ [^`]+)?` cause: (?:Failed to extract archive: \S+ cause: "
    r"(?!.*(?:No space|denied|Read-only|Too many open|error decoding|request|timed out))|"
    r"(?=The wheel is invalid|`RECORD` file is invalid|failed to open file `\S+\.dist-info/))(.+)"
)
_INVALID_FORMAT = re.compile(
    r"(\S+) has an invalid package format and (?:only \1 is available|you require \1).* was invalid: (.+)"
)
_URL_DEPENDENCY = re.compile(
    r"(?:package `(\S+)` cause: )?"
    r"(?:Package `\S+` was included as a URL dependency.*|Failed to (?:download and )?build )`(\S+) @ (\S+)`"
)
#: The response is no index page: uv's text about it.
_NO_INDEX_PAGE = re.compile(r"(Unsupported `Content-Type` .*|Received some unexpected (?:JSON|HTML) .*)")
_INDEX_FIX = "check which index uv is set to (UV_INDEX, UV_DEFAULT_INDEX)"
#: The variable and its value, or the value and the option that a variable sets.
_BROKEN_VARIABLE = re.compile(
    r"Failed to parse environment variable `(\w+)` with invalid value `([^`]*)`|"
    r"invalid value '([^']*)' for '--([a-z-]+)"
)
#: The file, its line, and what is wrong there.
_BROKEN_SETTINGS = re.compile(r"Failed to parse: (\S+\.toml) cause: TOML parse error at line (\d+), .*?\^+ ([^,]+)")
#: uv's warning about a yanked version; a reason may contain any characters.
_YANKED = re.compile(r'^warning: `([^`\s]+)==([^`\s]+)` is yanked(?: \(reason: "(.*?)"\)$)?', re.MULTILINE | re.DOTALL)


class ConflictError(BuildError):
    """The requirements conflict with each other or with the target."""


class NoWheelError(ConflictError):
    """A package has no wheel that runs on the target."""

    def __init__(self, package: str, what: str, *, where: str, fix: str) -> None:
        super().__init__(what, where=where, fix=fix)
        self.package = package  #: with its version, where that is known


def no_wheel(package: str, target: Target, required_by: str = "") -> NoWheelError:
    """Return the error for a package, with its version. ``required_by`` says what requires it, if that is known."""
    glibc = dotted(target.runtime.glibc)
    scope = "" if " " in package else " (in any version that the requirements allow)"
    return NoWheelError(
        package,
        f"{package}{scope} has no wheel that runs on {target.runtime.api_name} for {target.architecture} "
        f"({target.runtime.system}, glibc {glibc}: up to {target.runtime.manylinux})"
        + (f"; {required_by}" if required_by else ""),
        where=target.id,
        fix=advice_for_name(package.partition(" ")[0])
        or "use another version of it, leave this target out, or ask its maintainers for such a wheel; "
        "nothing is built from source",
    )


def malformed_in(flat: str) -> BuildError | None:
    """Return the error for a malformed wheel in uv's message on one line; None if another failure is the cause."""
    match = _INVALID_FORMAT.search(flat) or _MALFORMED.search(flat)
    return malformed_wheel(match[1].replace("==", " "), match[2]) if match else None


def malformed_wheel(where: str, cause: str) -> BuildError:
    """Return the error for a wheel that uv refuses, with uv's cause."""
    cause = re.sub(r" If this is intentional, set .*|(?<=`)/\S*/(?=[^/`]+/[^/`]+`)", "", cause)[:600]
    if re.search("end of (file|central directory)|Failed to read from zip file", cause):
        fix = "run the command again; if the error stays, the index has a damaged wheel: use another version"
        return BuildError(f"the wheel is truncated or not a zip file: {cause}", where=where, fix=fix)
    return BuildError(f"the wheel is malformed: {cause}", where=where, fix=OTHER_WHEEL_FIX)


def _settings_error(flat: str) -> InputError | None:
    """Return the error for a setting that uv cannot read, or None."""
    if "for '--exclude-newer" in flat:
        return InputError(
            "not a date, time or age", where="--exclude-newer", fix='write it like 2026-11-01 or "7 days"'
        )
    if match := _BROKEN_VARIABLE.search(flat):
        variable = match[1] or f"UV_{match[4].upper().replace('-', '_')}"
        fix = "correct it, or unset it to use uv's default"
        return InputError(f"invalid value {(match[2] or match[3])!r}", where=variable, fix=fix)
    if match := _BROKEN_SETTINGS.search(flat):
        return InputError(
            f"not a valid configuration file of uv: TOML parse error: {match[3]}",
            where=f"{match[1]}:{match[2]}",
            fix="correct it, or set UV_NO_CONFIG=1",
        )
    return None


def explain(text: str, target: Target, requirements: Sequence[str], origins: Mapping[str, str]) -> LayersError:
    """Return the error for the output of a failed run of uv.

    ``origins`` has the file and line of packages that the user requires.
    """
    flat = _MARKER.sub("", uv.one_line(text))
    if error := _settings_error(flat):
        return error
    if without := _without_wheels(flat):
        where = origins.get(name_of(without))
        required_by = _dependent(name_of(without), flat) or (f"{where} requires it" if where else "")
        return no_wheel(without, target, required_by)
    if match := re.search(r"\b(401|403) (?:Unauthorized|Forbidden)\b", flat):
        return http_error(int(match[1]), "", target.id)
    if missing := _missing(flat):
        return _missing_error(*missing, _origin_of(missing[0], requirements, flat, origins))
    if malformed := malformed_in(flat):
        return malformed
    if "No solution found" in flat:
        return _conflict(flat, target)
    if match := _URL_DEPENDENCY.search(flat):
        requirer = (match[1] or "a wheel").replace("==", " ")
        return BuildError(
            f"{requirer} requires {match[2]} from a URL that is not used: {match[3][:400]}",
            where=target.id,
            fix=f"replace the requirement with an override ({match[2]}>=0 takes it from an index), or exclude it",
        )
    if match := _NO_INDEX_PAGE.search(flat):
        return BuildError(
            f"the package index responds with something else than an index page: {match[1][:400]}",
            where=target.id,
            fix=f"{_INDEX_FIX}; a proxy or a login page may respond in its place",
        )
    if match := re.search(r"Failed to download `(\S+) @ ", flat):
        return BuildError(
            f"{match[1]} cannot be downloaded from the URL that is named for it: {_last_cause(text)}",
            where=_origin_of(match[1], requirements, flat, origins),
            fix="check the URL and the network",
            failure_class=FailureClass.TEMPORARY if is_temporary(flat) else FailureClass.PERMANENT,
        )
    if failed := download_error(flat, target.id):
        return failed
    if re.search(r"Failed to fetch|[Cc]onnect|offline|network", flat):
        return unreachable(_last_cause(text), target.id)
    fix = "correct what the message names" if re.search(r"\(os error|--find-links|parse", flat) else _INDEX_FIX
    return BuildError(f"cannot be resolved: {_error_text(flat)}", where=target.id, fix=fix)


def _without_wheels(flat: str) -> str | None:
    """Return the first package that has no usable wheel by uv's explanation, with the version if there is only one."""
    statements = list(_NO_WHEELS.finditer(flat))
    if not statements:
        return None
    first = statements[0][1]
    name = first.partition("==")[0]
    same = [each for each in statements if name_of(each[1]) == name_of(name)]
    is_one = len(same) == 1 and "==" in first and not re.search(r"all of:(?: \S+)* $", flat[: same[0].start()])
    return first.replace("==", " ") if is_one else str(name_of(name))


def _missing_error(package: str, what: str, fix: str, where: str) -> InputError:
    """Return the error for a missing package. If a file in a folder of wheels seems to be the package, name it."""
    if misnamed := misnamed_wheel_of(package, os.environ):
        what, fix = f"{what}; {misnamed[0]}", misnamed[1]
    elif place := uv.unusable_index(os.environ):
        what = f"{what}; the index {shown_url(place)} is neither a URL (http, https, file) nor a folder"
    return InputError(what, where=where, fix=fix)


def _missing(flat: str) -> tuple[str, str, str] | None:
    """Return a package that no index has, or not in the required version, what is wrong, and the fix; else None."""
    if match := re.search(r"\b(?:Because|and) (\S+) was not found in the cache", flat):
        fix = "unset UV_OFFLINE, or `offline` in uv's configuration file, and run the command again"
        return match[1], f"uv is offline, and its cache does not have {match[1]!r}", fix
    if match := re.search(r"\b(?:Because|and) (\S+) was not found in the", flat):
        if "index lookups were disabled" in flat:
            what = f"no index may be used (UV_NO_INDEX, or pip's no-index), and no folder of wheels has {match[1]!r}"
            return match[1], what, "unset it, or name the folder with UV_FIND_LINKS"
        fix = advice_for_name(match[1]) or f"check the spelling, and {_INDEX_FIX.removeprefix('check ')}"
        return match[1], f"the package index has no package {match[1]!r}", fix
    if match := re.search(r"\b(?:Because|and) there are no versions of ([^\s,<>=!~]+) and ", flat):
        cause = "a login page may respond in its place, or all files have an invalid name or Requires-Python"
        return match[1], f"the package index lists no files of {match[1]!r}", f"{_INDEX_FIX}: {cause}"
    if match := _OTHER_INDEX.search(flat):
        what = (
            f"{match[1]} is on {shown_url(match[2])}, but not in the required version; uv uses only the "
            "first index that has a package (index strategy first-index), and another one may have the version"
        )
        return match[1], what, "put the index that has it first (UV_INDEX), or set UV_INDEX_STRATEGY=unsafe-best-match"
    if match := _NO_VERSION.search(flat):
        fix = "check the version; a fresh release may take some minutes to appear"
        return match[1], f"the package index has no {match[1]} {match[2]}", fix
    return None


def _conflict(flat: str, target: Target) -> ConflictError:
    pin = "; pin a yanked version (==) to use it all the same" if " was yanked " in flat else ""
    return ConflictError(
        f"cannot be resolved: {_error_text(flat)}",
        where=target.id,
        fix=f"change one of these requirements, or replace one that a package has with an override{pin}",
    )


def _origin_of(package: str, requirements: Sequence[str], flat: str, origins: Mapping[str, str]) -> str:
    """Return who requires a package."""
    if where := origins.get(name_of(package)):
        return where
    if dependent := _dependent(package, flat):
        return dependent
    is_named = any(name_of(requirement) == name_of(package) for requirement in requirements)
    if not requirements:
        return "a requirement of the project"
    return "package and version asked for" if is_named else f"a requirement of {requirements[0]}"


def _dependent(package: str, flat: str) -> str:
    """Return the first requirement of the package in uv's explanation, such as ``mid requires leaf==9.0``; else ""."""
    requirement = rf"(\S+) depends? on ({re.escape(package)}(?:\[[^]]*\])?(?:[<>=!~]\S*)?)(?=[\s,]|$)"
    # One with a version first: it is the cause, not another package that takes any version.
    matches = sorted(re.findall(requirement, flat), key=lambda each: not re.search("[<>=!~]", each[1]))
    return f"{matches[0][0]} requires {matches[0][1].rstrip(',.')}" if matches else ""


def _last_cause(text: str) -> str:
    causes = re.findall(r"cause: (.+)", text)
    return re.sub(r"https?://\S+", "the index", causes[-1]) if causes else _error_text(" ".join(text.split()))


def _error_text(text: str) -> str:
    text = uv.after_warnings(text).replace("No solution found when resolving dependencies cause: ", "")
    return text if len(text) <= 600 else text[:599] + "…"


def yanked_versions(messages: str) -> dict[tuple[str, str], str]:
    """Return the reasons of the yanked versions in uv's warnings: uv accepts those that are pinned."""
    found = _YANKED.findall(messages)
    return {(canonicalize_name(name), version): reason for name, version, reason in found}


def yanked_error(package: str, version: str, reason: str) -> InputError:
    """Return the error for a release of a yanked version."""
    why = shorten(reason)
    return InputError(
        f"{package} {version} was yanked from the package index" + (f": {why}" if why else ""),
        fix="release another version; `layers publish` completes a release of it that was already started",
    )
