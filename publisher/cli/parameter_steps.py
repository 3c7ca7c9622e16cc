"""What ``publish``, ``yank`` and ``audit`` do about the parameters of a matrix that has some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from builder.model.errors import IncompleteError
from publisher.cli.console import print_result, progress

if TYPE_CHECKING:
    from builder.model.matrix import Matrix
    from publisher.audit.audit import Drift
    from publisher.ledger.release import Release
    from publisher.parameters.update import Kept


def keep_parameters(matrix: Matrix, releases: Sequence[Release]) -> Kept | None:
    """Bring the parameters to what the ledger says. None where the matrix wants none."""
    if matrix.parameters is None:
        return None
    from builder.model.clock import SYSTEM_CLOCK
    from publisher.parameters.parameter_client import connect
    from publisher.parameters.update import keep

    with progress() as shown:
        return keep(matrix, releases, connect(matrix.regions), SYSTEM_CLOCK, shown)


def with_parameters(document: dict[str, Any], kept: Kept | None) -> dict[str, Any]:
    """A command's JSON, with what became of the parameters where there are some."""
    if kept is None:
        return document
    failed = {region: failure.text for region, failure in kept.failed.items()}
    return {**document, "parameters": {**asdict(kept), "failed": failed}}


def show_parameters(kept: Kept | None) -> None:
    """One line for people."""
    if kept:
        removed = f", {kept.removed} removed" if kept.removed else ""
        print_result(f"{kept.right} parameters are as recorded ({kept.written} written{removed})")


def check_parameters(kept: Kept | None) -> None:
    """IncompleteError names the regions whose parameters are not as recorded."""
    if kept and kept.failed:
        rows = "; ".join(f"{region} ({reason})" for region, reason in kept.failed.items())
        raise IncompleteError(
            f"the parameters are not right everywhere: {rows}",
            fix="run `layers audit --repair`, or the same command again",
        )


def parameter_drifts(matrix: Matrix, releases: Sequence[Release]) -> list[Drift]:
    """What an audit has to say of the parameters."""
    if matrix.parameters is None:
        return []
    from publisher.audit.audit import Drift
    from publisher.parameters.parameter_client import connect
    from publisher.parameters.update import differences

    with progress() as shown:
        found, silent = differences(matrix, releases, connect(matrix.regions), shown)
    repair = "layers audit --repair"
    return [
        *(Drift(each.region, each.target, each.layer_version, "parameter", each.detail, repair) for each in found),
        *(
            Drift(region, "*", None, "silent", f"the parameters do not answer: {reason}", "layers audit, later")
            for region, reason in silent.items()
        ),
    ]
