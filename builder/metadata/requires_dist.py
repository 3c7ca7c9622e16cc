"""Evaluate Requires-Dist of distributions on a target: its markers and the required extras."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builder.model.target import Target


def active_requirements(requires: Mapping[str, Sequence[str]], target: Target) -> dict[str, tuple[Requirement, ...]]:
    """Return what each distribution (name → its Requires-Dist) requires on the target.

    Extras count if another distribution requires them: ``pyjwt[crypto]`` makes pyjwt require cryptography. Each
    requirement is evaluated once, and again only for extras in its marker, so hostile metadata cannot cost much time.
    """
    environment = marker_environment(target)
    waiting = {name: {number: each for number, text in enumerate(texts) if (each := _parse(text))}
               for name, texts in requires.items()}  # fmt: skip
    active: dict[str, dict[int, Requirement]] = {name: {} for name in requires}
    visited_extras: dict[str, set[str]] = {name: set() for name in requires}
    work: list[tuple[str, Iterable[str]]] = [(name, ("",)) for name in requires]
    while work:
        name, extras = work.pop()
        for number, requirement in list(waiting[name].items()):
            if _holds(requirement, environment, extras):
                active[name][number] = waiting[name].pop(number)
                other = str(canonicalize_name(requirement.name))
                if other in visited_extras:
                    new = {str(canonicalize_name(extra)) for extra in requirement.extras} - visited_extras[other]
                    visited_extras[other] |= new
                    work += [(other, new)] if new else []
    return {name: tuple(each for _, each in sorted(by_name.items())) for name, by_name in active.items()}


def name_of(requirement: str) -> str:
    """Return the normalised name of a requirement, which need not be valid after its name."""
    return canonicalize_name(re.split(r"[\[(=<>!~;@ ]", requirement.strip(), maxsplit=1)[0])


def is_readable(text: str) -> bool:
    """Whether a Requires-Dist line is a valid requirement."""
    return _parse(text) is not None


@lru_cache(maxsize=4096)
def _parse(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError):
        return None


def _holds(requirement: Requirement, environment: Mapping[str, str], extras: Iterable[str]) -> bool:
    """Whether a requirement applies for one of the extras; "" stands for no extra."""
    if requirement.marker is None:
        return True
    marker = str(requirement.marker)
    try:
        return any(requirement.marker.evaluate({**environment, "extra": each}) for each in extras if each in marker)
    except (UndefinedComparison, UndefinedEnvironmentName, ValueError, RecursionError):
        return False


def applies(marker: Marker | None, environment: Mapping[str, str]) -> bool:
    """Whether a requirement with this marker applies where no extra is required."""
    return marker is None or marker.evaluate({**environment, "extra": ""})


def marker_environment(target: Target) -> dict[str, str]:
    """Return the PEP 508 marker values of the target."""
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
