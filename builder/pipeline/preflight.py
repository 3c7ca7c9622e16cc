"""Refuse zips that Lambda would refuse or could not load, before an upload."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from builder.archive.packed import PackedFiles
from builder.archive.zip_writer import MAX_ZIP_FILES
from builder.model.artifact import Artifact, Finding
from builder.model.errors import BuildError
from builder.model.figures import counted, megabytes
from builder.model.matrix_keys import Budget
from builder.model.runtimes import UNZIPPED_LIMIT_BYTES, ZIPPED_LIMIT_BYTES
from builder.model.target import Target
from builder.wheels.layer_content import PackedWheel


def refuse_content(
    target: Target, files: PackedFiles, wheels: Sequence[PackedWheel], findings: Sequence[Finding]
) -> None:
    """Raise BuildError if there are too many files, their total size is too large, or a finding is an error."""
    if len(files) > MAX_ZIP_FILES:
        bytecode = sum(file.pyc is not None for file in files.values())
        raise BuildError(
            f"the zip would have {len(files):,} files; a zip for Lambda can have {MAX_ZIP_FILES:,}",
            where=target.id,
            fix=_without_bytecode(_in_files(bytecode), len(files) - bytecode <= MAX_ZIP_FILES)
            + f"remove packages; the largest are {_largest(wheels, lambda wheel: wheel.file_count, _in_files)}",
        )
    unzipped = sum(file.stream.size for file in files.values())
    if unzipped > UNZIPPED_LIMIT_BYTES:
        bytecode = sum(file.stream.size for file in files.values() if file.pyc)
        raise BuildError(
            f"the layer has {unzipped:,} bytes unzipped; Lambda allows {UNZIPPED_LIMIT_BYTES:,} with all layers",
            where=target.id,
            fix=_without_bytecode(megabytes(bytecode), unzipped - bytecode <= UNZIPPED_LIMIT_BYTES)
            + f"remove packages; the largest are {_largest(wheels, lambda wheel: wheel.size, megabytes)}",
        )
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        rows = [f"  {finding.path}: {finding.message}" for finding in errors[:10]]
        raise BuildError(
            "the layer would not run in Lambda:",
            where=target.id,
            details=rows,
            fix="use other versions of these packages, or exclude them; docs/proof.md explains each finding",
        )


def refuse_zip(target: Target, size: int, wheels: Sequence[PackedWheel], *, staged: bool) -> None:
    """Raise BuildError if the zip is too large for a request, unless it is ``staged`` through a bucket."""
    if size > ZIPPED_LIMIT_BYTES and not staged:
        raise BuildError(
            f"the zip has {size:,} bytes; Lambda allows {ZIPPED_LIMIT_BYTES:,} in a request",
            where=target.id,
            fix="set `staging` in the matrix to publish through a bucket, or remove packages; the largest are "
            + _largest(wheels, lambda wheel: wheel.size, megabytes),
        )


def refuse_over_budget(
    artifacts: Sequence[Artifact], budget: Budget, last_sizes: Mapping[str, tuple[int | None, int | None]]
) -> None:
    """Raise BuildError if a zip is larger than the budget allows.

    ``last_sizes`` are the zipped and unzipped sizes of the last release by target id, for limits on growth.
    """
    rows = [
        f"  {artifact.target}: {problem}"
        for artifact in artifacts
        for problem in budget.exceeded(
            artifact.size, artifact.unzipped_size, last_sizes.get(artifact.target, (None, None))
        )
    ]
    if rows:
        raise BuildError(
            "zips are larger than the budget allows:",
            where="budget",
            details=rows,
            fix="remove packages (`layers inspect` shows their sizes), or raise `budget` in the matrix or --max-size",
        )


def _without_bytecode(part: str, fits: bool) -> str:
    """Return advice for a layer that is too large only because of its bytecode."""
    if not fits:
        return ""
    return (
        f"{part} of it are bytecode, and it fits without: set `bytecode: off` in the matrix, or use --no-bytecode of "
        "`layers package` (the function then starts more slowly); or "
    )


def _largest(wheels: Sequence[PackedWheel], measure: Callable[[PackedWheel], int], show: Callable[[int], str]) -> str:
    ordered = sorted(wheels, key=measure, reverse=True)[:5]
    return ", ".join(f"{wheel.locked.name} {show(measure(wheel))}" for wheel in ordered)


def _in_files(count: int) -> str:
    return counted(count, "file")
