"""Read a workflow file: its jobs with their needs, matrix, inputs and permissions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from builder.model.errors import InputError

Table = dict[str, Any]


class _WorkflowLoader(yaml.SafeLoader):
    """Loads YAML as GitHub does: the key ``on`` is a text, not a boolean."""


_WorkflowLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> Table:
    """Read the file of a workflow or an action."""
    try:
        document = yaml.load(path.read_text("utf-8"), _WorkflowLoader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise InputError("there is no such file", where=str(path)) from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", where=str(path)) from None
    if not isinstance(document, dict):
        raise InputError("this file is no workflow and no action: it is not a YAML mapping", where=str(path))
    return document


@dataclass(frozen=True)
class Workflow:
    """One workflow file."""

    path: Path
    document: Table

    @classmethod
    def read(cls, path: Path) -> Workflow:
        return cls(path, read_yaml(path))

    @property
    def jobs(self) -> Mapping[str, Table]:
        jobs: Mapping[str, Table] = self.document["jobs"]
        return jobs

    def in_order(self) -> list[str]:
        """Return the jobs, each after those that it needs."""
        try:
            ordered = list(TopologicalSorter({name: needs_of(job) for name, job in self.jobs.items()}).static_order())
        except CycleError:
            ordered = []
        if set(ordered) != set(self.jobs):
            names = ", ".join(self.jobs)
            raise InputError(
                f"of these jobs, some need each other, or jobs that do not exist: {names}", where=self.name
            )
        return ordered

    @property
    def name(self) -> str:
        return self.path.name

    def declared(self, event: str) -> Mapping[str, Table]:
        """Return the inputs that an event declares."""
        triggers = self.document["on"]
        declared: Mapping[str, Table] = (
            (triggers.get(event) or {}).get("inputs") or {} if isinstance(triggers, dict) else {}
        )
        return declared

    def inputs(self, event: str, passed: Mapping[str, Any]) -> Table:
        """Return the ``inputs`` context: the given values, and the declared defaults."""
        declared = self.declared(event)
        if unknown := sorted(set(passed) - set(declared)):
            raise InputError(f"there is no input {', '.join(unknown)} for {event}", where=self.name)
        required = (name for name, spec in declared.items() if spec.get("required") and "default" not in spec)
        missing = [name for name in required if not passed.get(name)]
        if missing:
            raise InputError(f"the input {', '.join(missing)} is required for {event}", where=self.name)
        empty = {"boolean": False, "number": 0}
        values = {name: spec.get("default", empty.get(str(spec.get("type")), "")) for name, spec in declared.items()}
        return {**values, **passed}

    def permissions(self, job: Table, allowed: Mapping[str, str] | None) -> Mapping[str, str]:
        """Return the permissions of a job's token. A called workflow cannot get more than its caller has."""
        declared = job.get("permissions", self.document.get("permissions"))
        if not isinstance(declared, dict):
            raise InputError("a job has no `permissions`, and the workflow has none", where=self.name)
        rank = {"none": 0, "read": 1, "write": 2}
        if allowed is not None:
            for scope, level in declared.items():
                if rank[level] > rank[allowed.get(scope, "none")]:
                    raise InputError(
                        f"a job requests {scope}: {level}, which its caller does not allow", where=self.name
                    )
        return declared


def needs_of(job: Table) -> Sequence[str]:
    """Return the jobs that a job needs."""
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else needs


def combinations(strategy: Table) -> list[Table]:
    """Return the combinations of a job's matrix."""
    matrix = dict(strategy.get("matrix") or {})
    include, exclude = matrix.pop("include", []), matrix.pop("exclude", [])
    products = itertools.product(*matrix.values()) if matrix else ()
    rows: list[Table] = [dict(zip(matrix, values, strict=True)) for values in products]
    rows = [row for row in rows if not any(item.items() <= row.items() for item in exclude)]
    return [*rows, *_include(rows, include, set(matrix))]


def _include(rows: list[Table], include: Sequence[Table], keys: set[str]) -> Iterator[Table]:
    """Add an ``include`` to the combinations that it does not contradict, or as a new one if there is none."""
    for item in include:
        fitting = [row for row in rows if all(row[key] == item[key] for key in keys & set(item))]
        for row in fitting:
            row.update(item)
        if not fitting:
            yield dict(item)
