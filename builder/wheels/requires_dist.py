"""What distributions require of each other on a target: Requires-Dist with its markers and the asked extras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builder.model.target import Target


def active_requirements(requires: Mapping[str, Sequence[str]], target: Target) -> dict[str, tuple[Requirement, ...]]:
    """For each distribution (name → its Requires-Dist) what it requires on the target.

    Extras count where another distribution asks for them: ``pyjwt[crypto]`` makes pyjwt require cryptography.
    """
    environment = _environment(target)
    asked: dict[str, set[str]] = {name: {""} for name in requires}
    active: dict[str, tuple[Requirement, ...]] = {}
    changed = set(requires)
    while changed:
        again: set[str] = set()
        for name in changed:
            active[name] = tuple(
                requirement
                for text in requires[name]
                if (requirement := _parsed(text)) and _holds(requirement, environment, asked[name])
            )
            for requirement in active[name]:
                other = str(canonicalize_name(requirement.name))
                new = {str(canonicalize_name(extra)) for extra in requirement.extras} - asked.get(other, set())
                if other in asked and new:
                    asked[other] |= new
                    again.add(other)
        changed = again
    return active


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError):
        return None


def _holds(requirement: Requirement, environment: Mapping[str, str], extras: set[str]) -> bool:
    if requirement.marker is None:
        return True
    text = str(requirement.marker)
    named = {extra for extra in extras if extra in text}  # any other extra gives the same result as none
    try:
        return any(requirement.marker.evaluate({**environment, "extra": extra}) for extra in {"", *named})
    except (UndefinedComparison, UndefinedEnvironmentName, ValueError, RecursionError):
        return False


def _environment(target: Target) -> dict[str, str]:
    """The values of PEP 508's markers on the target."""
    return {
        "implementation_name": "cpython",
        "implementation_version": target.runtime.full_version,
        "os_name": "posix",
        "platform_machine": str(target.architecture),
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "platform_python_implementation": "CPython",
        "python_full_version": target.runtime.full_version,
        "python_version": target.python,
        "sys_platform": "linux",
    }
