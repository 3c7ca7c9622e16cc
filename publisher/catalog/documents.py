"""The JSON documents of commands that have no model of their own. ``docs/<command>.schema.json`` is made from them."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict


class PlanPreparation(TypedDict):
    """A layer version that a cell gets before the release."""

    kind: str
    number: int


class PlanCell(TypedDict):
    """What publish would do with one cell."""

    region: str
    python: str
    architecture: Literal["x86_64", "aarch64"]
    layer_name: str
    action: Literal["keep", "grant", "publish", "conflict", "defer"]
    preparations: list[PlanPreparation]
    reason: str | None


class PlanDocument(TypedDict):
    """``layers plan --json``."""

    package: str
    version: str
    layer_version: int
    number_reason: str
    counts: dict[str, int]
    new_versions: int
    placeholders: int
    cells: list[PlanCell]


class WrittenFile(TypedDict):
    """One file of ``layers docs``."""

    path: str
    state: Literal["written", "differs", "unchanged"]


class DocsDocument(TypedDict):
    """``layers docs --json``."""

    files: list[WrittenFile]
