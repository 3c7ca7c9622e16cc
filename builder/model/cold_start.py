"""Smoke test results, recorded beside the zips in ``smoke.json`` by each zip's sha256.

``layers smoke --record`` writes it, ``layers publish --artifacts`` copies the figures into the ledger. Figures can only
be compared if the same machine measured them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from builder.model.artifact import Sha256
from builder.model.errors import InputError
from builder.model.file_access import MAX_FACTS_BYTES, read_if_present, write_atomically
from builder.model.folder_lock import folder_lock
from builder.model.frozen import Frozen, Many, first_problem, parse_document
from builder.model.recorded_fields import Number, SchemaVersion, TrueOrFalse, WholeNumber
from builder.model.strict_json import dump_json

SMOKE_FILE = "smoke.json"
_SMOKE_FIX: Final = "delete the file, then record again: layers smoke --record ZIP…"

Seconds = Annotated[Number, Field(ge=0)]


class PackageImport(Frozen):
    """The part of one package in the import time of a layer, as ``layers smoke --profile`` measures it."""

    package: str  #: normalised
    version: str | None = None  #: None for Python's and the runtime's own modules
    own_ms: Number  #: in its own modules
    total_ms: Number  #: with everything that it imports
    modules: WholeNumber
    imported_by: str | None = None  #: the package that imported it first; None: the statement itself


class ColdStart(Frozen):
    """How a layer starts in Lambda's runtime client, on the named machine."""

    import_seconds: Seconds  #: of the package; of every package in a layer without Strands
    ready_seconds: Seconds  #: from the start of the process to its first request for an event
    first_seconds: Seconds  #: the first invocation
    second_seconds: Seconds  #: the next one, warm
    peak_memory: WholeNumber | None  #: bytes
    interpreter: str  #: the CPython that ran it
    machine: str  #: its architecture
    processor: str | None
    starts: Annotated[WholeNumber, Field(ge=1)]  #: the figures are those of the median one
    imports: Many[PackageImport] = ()  #: where the import time goes, the slowest package first


class SmokeResult(Frozen):
    """The smoke test result of one zip. ``cold_start`` is None if it did not run."""

    file: str
    target: str
    status: Literal["proven", "unproven", "failed"]
    reason: str | None = None
    kind: Literal["agent", "imports", "app"] | None = None
    client: str | None = None  #: the version of awslambdaric
    emulated: TrueOrFalse = False
    cold_start: ColdStart | None = None

    @property
    def weight(self) -> int:
        """How strong the proof is: 0 if the zip did not run, 1 if it ran in an emulator, 2 on the real architecture."""
        return 0 if self.status == "unproven" else 1 if self.emulated else 2


class SmokeResults(Frozen):
    """The content of ``smoke.json``: sha256 of a zip → its smoke test result."""

    schema_version: SchemaVersion = 1
    smokes: dict[Sha256, SmokeResult] = Field(default_factory=dict)

    def with_smoke(self, sha256: str, smoked: SmokeResult) -> SmokeResults:
        """Return the results with one more, which replaces earlier ones of the same zip name.

        A weaker proof about the same bytes does not replace a stronger one, so the results of several machines combine.
        """
        before = self.smokes.get(sha256)
        result = before if before and before.weight > smoked.weight else smoked
        results = {key: each for key, each in self.smokes.items() if key != sha256 and each.file != smoked.file}
        ordered = sorted({**results, sha256: result}.items(), key=lambda item: item[1].file)
        return SmokeResults(smokes=dict(ordered))

    def cold_start(self, sha256: str) -> ColdStart | None:
        """Return the figures of a zip; None if there are none, or only an emulator's."""
        smoked = self.smokes.get(sha256)
        return smoked.cold_start if smoked and not smoked.emulated else None


def read_smokes(folder: Path) -> SmokeResults:
    """Read the results in a folder and in its direct subfolders (one for each machine that ran smoke tests).

    Returns an empty value if there are none. Raises InputError if a file is damaged.
    """
    smokes = SmokeResults()
    for path in (folder / SMOKE_FILE, *sorted(folder.glob(f"*/{SMOKE_FILE}"))):
        for sha256, smoked in _read(path).smokes.items():
            smokes = smokes.with_smoke(sha256, smoked)
    return smokes


def _read(path: Path) -> SmokeResults:
    data = read_if_present(path, "the file of smoke test results", MAX_FACTS_BYTES, _SMOKE_FIX)
    try:
        return SmokeResults() if data is None else parse_document(SmokeResults, data)
    except ValueError as error:
        raise InputError(
            f"not a file of smoke test results: {first_problem(error)}", where=str(path), fix=_SMOKE_FIX
        ) from None


def record_smoke(folder: Path, sha256: str, smoked: SmokeResult) -> None:
    """Add a result to the folder's ``smoke.json``, atomically, also if two processes write at once."""
    path = folder / SMOKE_FILE
    try:
        with folder_lock(folder):
            smokes = _read(path).with_smoke(sha256, smoked)
            write_atomically(path, dump_json(smokes.model_dump(mode="json")).encode())
    except OSError as error:
        raise InputError(
            f"the smoke test result cannot be recorded: {error.strerror or error}",
            where=str(path),
            fix="free disk space or make the folder writable, or run without --record",
        ) from None
