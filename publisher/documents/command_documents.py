"""The JSON documents of commands that have no model of their own. ``docs/<command>.schema.json`` is made from them."""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from builder.model.errors import FailureClass
from builder.model.target import TargetFields
from publisher.audit.attestation import Provenance
from publisher.audit.audit import Drift
from publisher.catalog.index import YankNotice


class CellFields(TargetFields):
    """The keys that name a cell."""

    region: str


class PlanPreparation(TypedDict):
    """A layer version that a cell gets before the release."""

    kind: str
    number: int


class PlanCell(CellFields):
    """What publish would do for one cell, and the layer versions that the cell gets first."""

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


#: Why a command failed. ``class`` says whether running it again can help; it is a keyword of Python, so these keys need
#: the functional form.
ClassifiedError = TypedDict(
    "ClassifiedError",
    {
        "exit_code": int, "error": str, "class": FailureClass, "what": str, "where": str | None, "details": list[str],
        "fix": str | None,
    },
)  # fmt: skip


class ErrorDocument(TypedDict):
    """The document of every command with ``--json`` that fails before its result."""

    error: ClassifiedError


class ParametersDocument(TypedDict):
    """The SSM parameters after a command, where the matrix has some. ``failed``: region → reason."""

    right: int
    written: int
    removed: int
    failed: dict[str, str]


class PublishedCell(CellFields):
    """The result of publish for one cell."""

    layer_version: int | None
    arn: str | None
    sha256: str | None
    outcome: str
    error: str | None
    failure: FailureClass | None
    advice: str | None


class PublishDocument(TypedDict):
    """``layers publish --json`` and ``layers promote --json``. With ``--dry-run`` publish prints a plan."""

    package: str
    version: str
    layer_version: int
    complete: bool
    cells: list[PublishedCell]
    parameters: NotRequired[ParametersDocument]


class CanaryCell(CellFields):
    """The canary's result for one cell."""

    layer_version: int
    arn: str
    status: str
    package_version: str | None
    import_seconds: float | None
    sha256: str | None
    reason: str | None
    failure: FailureClass | None
    advice: str | None


class CanaryDocument(TypedDict):
    """``layers canary --json``."""

    package: str
    version: str
    layer_version: int
    cells: list[CanaryCell]


class AuditDocument(TypedDict):
    """``layers audit --json``."""

    checked: int
    drift: list[Drift]
    parameters: NotRequired[ParametersDocument]


class YankedCell(TypedDict):
    """The result of a yank for one cell; ``error`` is the reason if it failed."""

    arn: str
    error: str | None


class YankDocument(TypedDict):
    """``layers yank --json``."""

    package: str
    version: str
    layer_version: int
    complete: bool
    cells: list[YankedCell]
    parameters: NotRequired[ParametersDocument]


class SyncedRelease(TypedDict):
    """One release after a sync: its recorded and public cells. ``of``: the cells of the matrix."""

    layer_version: int
    package: str
    version: str
    cells: int
    public: int
    of: int
    yanked: bool


class SyncDocument(TypedDict):
    """``layers sync --json``. ``unreachable``: region → reason."""

    releases: list[SyncedRelease]
    left_out: list[str]
    unreachable: dict[str, str]


class VerifyDocument(TypedDict):
    """``layers verify --json``."""

    arn: str
    package: str
    version: str
    recorded_sha256: str
    sha256: str | None  #: null if AWS has no such layer version
    matches: bool
    attestation: Provenance | None
    yanked: YankNotice | None
    signed_by: str | None
    signing_job: str | None


class TargetRow(TargetFields):
    """One target of the matrix."""

    target: str
    regions: list[str]


class ReproducedTarget(TypedDict):
    """The SHA-256 of a target's zip in both builds."""

    target: str
    first: str
    second: str
    same: bool


class CacheDocument(TypedDict):
    """``layers cache --json``: sizes in bytes."""

    folder: str
    size: int
    limit: int
    removed: int
