"""Run the canary: test every cell, the regions in parallel, a few cells of each at a time."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from builder.model.clock import SYSTEM_CLOCK, Clock
from builder.model.errors import InputError
from builder.model.matrix import Matrix
from builder.model.progress import Progress, Quiet
from builder.model.regions import partition_of
from builder.model.stop import Stop
from publisher.aws.fanout import each_item
from publisher.aws.gateway import Failure
from publisher.aws.request_log import RequestLog
from publisher.aws.resource_names import canary_function, canary_role
from publisher.canary.function_client import connect
from publisher.canary.function_port import Functions
from publisher.canary.trial import Setting, Trial, attempt
from publisher.canary.verdict import Case

_ROLE = re.compile(r"arn:(aws[a-zA-Z-]*):iam::(\d{12}):role/[\w+=,.@/-]+")


class Roles:
    """The role that functions run with: the matrix's canary role, or the one of --role."""

    def __init__(self, matrix: Matrix, role: str | None, regions: Sequence[str]) -> None:
        """Raises InputError if the given role cannot be used in these regions."""
        self.matrix = matrix
        self._named = role
        match = _ROLE.fullmatch(role or "")
        if role is None:
            return
        if match is None:
            raise InputError(
                f"{role!r} is not the ARN of a role", fix="give one like arn:aws:iam::123456789012:role/name"
            )
        if match[2] != matrix.account:
            raise InputError(
                f"{role} is of another account than the matrix's {matrix.account}", fix="name a role of that account"
            )
        for region in regions:
            if partition_of(region) != match[1]:
                raise InputError(
                    f"{role} is of partition {match[1]}, {region} of {partition_of(region)}",
                    fix="run the command for the regions of each partition alone",
                )

    def of(self, region: str) -> str:
        """Return the role's ARN for a function in this region."""
        if self._named is not None:
            return self._named
        return f"arn:{partition_of(region)}:iam::{self.matrix.account}:role/{canary_role(self.matrix)}"


def run_canary(
    roles: Roles,
    cases: Sequence[Case],
    progress: Progress,
    stop: Stop,
    journal: RequestLog | None = None,
) -> tuple[Trial, ...]:
    """Try every cell in AWS, with functions of these roles. See ``try_all``."""
    functions = connect({case.region for case in cases}, roles.matrix.requests_per_second, journal)
    return try_all(roles, cases, functions, SYSTEM_CLOCK, progress, stop)


def try_all(
    roles: Roles,
    cases: Sequence[Case],
    functions: Mapping[str, Functions],
    clock: Clock,
    progress: Progress,
    stop: Stop,
) -> tuple[Trial, ...]:
    """Try every cell; return a trial for each, in their order. An unreachable region does not stop the others."""
    if not cases:
        return ()
    setting = Setting(secrets.token_hex(8), clock, lambda: datetime.now(timezone.utc), stop)
    unreachable: dict[str, Failure] = {}  # written and read by all threads of a region
    progress.begin(f"Trying {cases[0].package} {cases[0].version} at {cases[0].number}", len(cases))

    def try_case(case: Case) -> Trial:
        region = case.region
        if failure := unreachable.get(region):
            trial = Trial(case, "deferred", failure.text, failure)
        elif reason := stop.reason:
            trial = Trial(case, "deferred", reason, Failure(reason))
        else:
            name = canary_function(roles.matrix, case.target)
            trial = attempt(case, functions[region], name, roles.of(region), setting)
        if trial.unreachable and trial.failure:
            unreachable.setdefault(region, trial.failure)
        progress.step(case.id, describe_trial(trial))
        return trial

    trials, _ = each_item(cases, try_case, Quiet())
    return tuple(trials.values())


def describe_trial(trial: Trial) -> str:
    """Return the result of a cell in one line."""
    if trial.status != "proven":
        return f"{trial.status}: {trial.reason}"
    seconds = "" if trial.import_seconds is None else f", import {trial.import_seconds:.2f} s"
    return f"proven, {trial.package_version}{seconds}"
