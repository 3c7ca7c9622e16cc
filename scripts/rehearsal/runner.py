"""Run a workflow as GitHub does: jobs in the order of ``needs``, a run for each matrix combination, called workflows.

The files of ``$GITHUB_OUTPUT``, ``$GITHUB_ENV``, ``$GITHUB_PATH`` and ``$GITHUB_STEP_SUMMARY`` are used as on GitHub.
``expressions`` evaluates expressions strictly; ``actions`` has stand-ins for actions.
"""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.model.errors import InputError
from scripts.rehearsal.expressions import Open, expand
from scripts.rehearsal.workflow import Table, Workflow, combinations, needs_of
from scripts.rehearsal.workflow_job import JobRun, Result, WorkflowJob, holds
from scripts.rehearsal.world import World

#: The most matrix combinations of a job that run in parallel; on GitHub each has its own runner.
MAX_PARALLEL_JOBS = 2


@dataclass(frozen=True)
class WorkflowRun:
    """One run of a workflow: its event, and the results of its jobs."""

    world: World
    workflow: Workflow
    event: str
    inputs: Mapping[str, Any]
    payload: Mapping[str, Any] = field(default_factory=dict)
    allowed: Mapping[str, str] | None = None  #: the permissions of the job that calls this workflow
    prefix: str = ""  #: of the jobs' names: the calling job's
    jobs: dict[str, JobRun] = field(default_factory=dict)

    @property
    def result(self) -> Result:
        return "failure" if any(job.result == "failure" for job in self.jobs.values()) else "success"

    def run(self) -> WorkflowRun:
        """Run every job whose condition is true."""
        for name in self.workflow.in_order():
            self.jobs[name] = self._job(name, self.workflow.jobs[name])
        return self

    def _job(self, name: str, job: Table) -> JobRun:
        required = {each: self.jobs[each] for each in needs_of(job)}
        contexts = self._contexts(required)
        sound = all(each.result == "success" for each in required.values())
        if not holds(job.get("if"), contexts, sound):
            self.world.log(f"{self.prefix}{name}: skipped")
            return JobRun("skipped")
        strategy = expand(job.get("strategy") or {}, contexts)
        if not strategy:
            return self._run_combination(name, job, {**contexts, "matrix": {}})
        rows = combinations(strategy)
        if not rows:
            return JobRun("skipped")
        at_once = min(int(strategy.get("max-parallel", MAX_PARALLEL_JOBS)), MAX_PARALLEL_JOBS)
        with ThreadPoolExecutor(at_once) as pool:
            runs = list(pool.map(lambda row: self._run_combination(name, job, {**contexts, "matrix": row}), rows))
        failed = any(run.result == "failure" for run in runs)
        return JobRun("failure" if failed else "success", {k: v for run in runs for k, v in run.outputs.items()})

    def _run_combination(self, name: str, job: Table, contexts: Table) -> JobRun:
        permissions = self.workflow.permissions(job, self.allowed)
        label = self.prefix + name + "".join(f" {value}" for value in list(contexts["matrix"].values())[:1])
        if "uses" in job:
            return self._run_called(label, job, contexts, permissions)
        environment = expand(job.get("environment"), contexts)
        group = expand(job.get("concurrency"), contexts)
        notes = [f"environment {environment}"] * bool(environment) + [f"one at a time: {group}"] * bool(group)
        self.world.log(f"{label}: begins" + (f" ({'; '.join(map(str, notes))})" if notes else ""))
        run = WorkflowJob(self.world, label, name, job, contexts, permissions, self.workflow.document).run()
        self.world.log(f"{label}: {run.result}" + (f" {dict(run.outputs)}" if run.outputs else ""))
        return run

    def _run_called(self, label: str, job: Table, contexts: Table, permissions: Mapping[str, str]) -> JobRun:
        workflow = Workflow.read(self._path(job["uses"]))
        inputs = workflow.inputs("workflow_call", expand(job.get("with") or {}, contexts))
        self.world.log(f"{label}: calls {job['uses']} {inputs}")
        run = WorkflowRun(self.world, workflow, "workflow_call", inputs, self.payload, permissions, f"{label} / ").run()
        return JobRun(run.result)

    def _path(self, uses: str) -> Path:
        """Return the file of a called workflow: in the same repository, or in the program's, pinned by its commit."""
        if uses.startswith("$/"):
            return self.workflow.path.parents[2] / uses.removeprefix("$/")
        pinned = re.fullmatch(r"[^/]+/[^/]+/(\.github/workflows/[^@]+)@[0-9a-f]{40}", uses)
        if pinned is None:
            raise InputError(f"{uses} is neither of this repository nor pinned by a commit", where=self.workflow.name)
        return self.world.source / pinned[1]

    def _contexts(self, required: Mapping[str, JobRun]) -> Table:
        sha = self.world.head()
        return {
            "github": {
                "repository": self.world.repository, "sha": sha, "ref": "refs/heads/main", "ref_name": "main",
                "run_id": str(self.world.run_id), "run_attempt": "1", "event_name": self.event, "token": "token",
                "server_url": "https://example.com", "repository_owner": self.world.repository.split("/")[0],
                "event": Open(client_payload=Open(self.payload)),
            },
            "inputs": Open(self.inputs),
            "vars": Open(self.world.variables),
            "secrets": {"GITHUB_TOKEN": "token"},
            "needs": {name: {"result": run.result, "outputs": run.outputs} for name, run in required.items()},
            "runner": {"temp": "", "os": "Linux", "arch": platform.machine()},
        }  # fmt: skip


def run_workflow(
    world: World, workflow: Workflow, event: str, inputs: Mapping[str, Any], payload: Mapping[str, Any]
) -> WorkflowRun:
    """Run a workflow for an event. Raises InputError if it is invalid."""
    if event not in workflow.document["on"]:
        raise InputError(f"the event {event} does not start this workflow", where=workflow.name)
    if shutil.which("bash") is None:
        raise InputError("the steps need bash, which was not found on this machine")
    return WorkflowRun(world, workflow, event, workflow.inputs(event, inputs), payload).run()
