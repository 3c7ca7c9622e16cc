"""The SSM parameters and the announcement after ``publish``, ``yank`` and ``audit``, if the matrix has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from builder.model.clock import SYSTEM_CLOCK
from builder.model.errors import IncompleteError
from builder.model.stop import Stop
from publisher.cli.console import print_result, progress
from publisher.report.next_steps import incomplete_error

if TYPE_CHECKING:
    from builder.model.matrix import Matrix
    from publisher.audit.audit import Drift
    from publisher.ledger.folder import Ledger
    from publisher.ledger.release import Release
    from publisher.parameters.update import ParameterUpdate


def refresh_parameters(matrix: Matrix, ledger: Ledger, stop: Stop) -> ParameterUpdate | None:
    """Update the parameters to the ledger's state. None if the matrix has none."""
    if matrix.parameters is None:
        return None
    from publisher.parameters.parameter_client import connect
    from publisher.parameters.update import follow_ledger

    with progress() as shown:
        return follow_ledger(matrix, ledger, connect(matrix.regions, stop), SYSTEM_CLOCK, shown, stop)


def announce_release(matrix: Matrix, ledger: Ledger, number: int) -> IncompleteError | None:
    """Announce a release that is complete or yanked on the matrix's SNS topic. Return the error if SNS refuses."""
    if matrix.announce is None:
        return None
    from publisher.announce.topic import announce

    try:
        announce(matrix, ledger, number)
    except IncompleteError as error:
        return error
    return None


def with_parameters(document: Mapping[str, object], update: ParameterUpdate | None) -> Mapping[str, object]:
    """Add the parameters to a command's JSON, if there are some."""
    if update is None:
        return document
    failed = {region: failure.text for region, failure in update.failed.items()}
    return {**document, "parameters": {**asdict(update), "failed": failed}}


def show_parameters(update: ParameterUpdate | None) -> None:
    """Print one line about the parameters."""
    if update:
        removed = f", {update.removed} removed" if update.removed else ""
        print_result(f"{update.right} parameters are as recorded ({update.written} written{removed})")


def check_parameters(update: ParameterUpdate | None) -> None:
    """Raise IncompleteError with the regions whose parameters are not as recorded."""
    if update and update.failed:
        rows = "; ".join(f"{region} ({reason})" for region, reason in update.failed.items())
        raise incomplete_error(f"the parameters could not be updated everywhere: {rows}", update.failed.values())


def parameter_drifts(matrix: Matrix, releases: Sequence[Release]) -> list[Drift]:
    """Return what an audit finds about the parameters."""
    if matrix.parameters is None:
        return []
    from publisher.parameters.parameter_client import connect
    from publisher.parameters.update import differences

    with progress() as shown:
        return differences(matrix, releases, connect(matrix.regions), shown)
