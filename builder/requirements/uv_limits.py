"""uv's limits of a project: the environments that it supports, and extras and groups that exclude each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from packaging.utils import canonicalize_name

from builder.metadata.requires_dist import applies
from builder.requirements.declared import Problems


def check_environments(
    environments: Sequence[object], environment: Mapping[str, str], where: str, problems: Problems
) -> None:
    """Add a problem if ``[tool.uv] environments`` names environments, and the target is none of them."""
    place = f"{where}: [tool.uv].environments"
    markers = [marker for text in environments if (marker := problems.parse_marker(text, place))]
    if markers and not any(applies(marker, environment) for marker in markers):
        stated = " or ".join(map(str, markers))
        problems.add(place, f"the project supports only {stated}; the function is another environment: add it")


def check_groups(
    limits: Mapping[str, object], groups: Collection[str], python: str, where: str, problems: Problems
) -> None:
    """Add a problem for each selected group whose requires-python (``[tool.uv.dependency-groups]``) excludes Python."""
    for name, limit in limits.items():
        stated = limit.get("requires-python") if isinstance(limit, dict) else None
        if canonicalize_name(name) not in groups or stated is None:
            continue
        place = f"{where}: [tool.uv.dependency-groups].{name}.requires-python"
        specifier = problems.parse_specifier(stated, place)
        if specifier is not None and not specifier.contains(python):
            problems.add(place, f"the group requires Python {stated}, not {python}: choose another with --python")


def check_conflicts(
    conflicts: Sequence[object],
    project: str | None,
    extras: Collection[str],
    groups: Collection[str],
    where: str,
    problems: Problems,
) -> None:
    """Add a problem for each of ``[tool.uv] conflicts`` of which more than one extra or group is selected."""
    place = f"{where}: [tool.uv].conflicts"
    for conflict in conflicts:
        if not isinstance(conflict, list) or not all(isinstance(each, dict) for each in conflict):
            problems.add(place, "must be a list of lists of tables")
            continue
        selected = list(
            dict.fromkeys(name for each in conflict for name in _selected_option(each, project, extras, groups))
        )
        if len(selected) > 1:
            problems.add(place, f"{' and '.join(selected)} exclude each other: select one of them")


def _selected_option(
    item: Mapping[str, object], project: str | None, extras: Collection[str], groups: Collection[str]
) -> Iterator[str]:
    """Yield the item as an option, if it is selected. An item of another package is not an option of this project."""
    if "package" in item and canonicalize_name(str(item["package"])) != project:
        return
    for kind, chosen in (("extra", extras), ("group", groups)):
        if kind in item and canonicalize_name(str(item[kind])) in chosen:
            yield f"--{kind} {canonicalize_name(str(item[kind]))}"
