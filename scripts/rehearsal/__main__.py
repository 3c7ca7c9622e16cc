"""The command behind ``scripts/rehearse``."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from builder.model.errors import LayersError, UsageError
from builder.model.matrix import Matrix
from builder.model.matrix_file import load_matrix
from publisher.sandbox.account import create_account_resources
from publisher.sandbox.server import aws_variables, running
from scripts.rehearsal.runner import WorkflowRun, run_workflow
from scripts.rehearsal.workflow import Workflow
from scripts.rehearsal.world import World, git, make_world

ROOT = Path(__file__).parents[2]
#: Repository variables for the rehearsal; docs/operations.md has the real ones.
VARIABLES = {
    "LAYERS_PUBLISHER_ROLE": "publisher",
    "LAYERS_CANARY_RUNNER_ROLE": "canary-runner",
    "LAYERS_AUDITOR_ROLE": "auditor",
    "LAYERS_YANKER_ROLE": "yanker",
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--workflow", "workflows", multiple=True, help="A file in .github/workflows; repeatable. [default: release.yml]"
)
@click.option("--event", default="workflow_dispatch", show_default=True, help="The event that starts the workflow.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="An input for the workflows that have it; repeatable.",
)
@click.option(
    "--payload",
    multiple=True,
    metavar="NAME=VALUE",
    help="A field of the client_payload of a repository_dispatch; repeatable.",
)
@click.option(
    "--matrix", type=click.Path(path_type=Path, exists=True), help="A matrix file that replaces the repository's."
)
@click.option(
    "--caller", type=click.Path(path_type=Path, exists=True), help="Another repository that calls these workflows."
)
@click.option(
    "--killed-before",
    metavar="JOB:STEP",
    help="First run with a runner that is killed before this step, then run everything.",
)
@click.option("--endpoint", metavar="URL", help="The endpoint of another AWS, instead of the embedded one.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=".rehearsal",
    show_default=True,
    help="The folder for logs and results.",
)
def rehearse(
    workflows: Sequence[str],
    event: str,
    inputs: Sequence[str],
    payload: Sequence[str],
    matrix: Path | None,
    caller: Path | None,
    killed_before: str | None,
    endpoint: str | None,
    output: Path,
) -> None:
    """Run workflows' own steps on this machine, with their outputs and artifacts, against the embedded AWS.

    The repository is this checkout with its uncommitted changes. The steps are the real ones; GitHub and its actions
    have stand-ins. So a broken workflow fails here, and not on release day.
    """
    source = caller or ROOT
    read = load_matrix(matrix or source / "layer_matrix.yaml")
    chosen = [Workflow.read(source / ".github" / "workflows" / name) for name in workflows or ["release.yml"]]
    values, fields = _inputs(chosen, event, inputs), _parse_pairs(payload)
    with _aws(endpoint, read) as aws, tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        world = make_world(Path(folder), ROOT, aws, VARIABLES, caller=caller, matrix=matrix)
        runs = []
        for workflow in chosen:
            if killed_before:
                job, _, step = killed_before.partition(":")
                world.killed_before = (job, step)
                _start(world, workflow, event, values, fields)
                world.killed_before = None
            runs.append(_start(world, workflow, event, values, fields))
        _keep(world, output)
    _show(runs, output)
    sys.exit(0 if all(run.result == "success" for run in runs) else 4)


def _start(
    world: World, workflow: Workflow, event: str, inputs: Mapping[str, str], payload: Mapping[str, str]
) -> WorkflowRun:
    """Run a workflow with those of the inputs that it has, and end the run: the next one has no artifacts."""
    world.log(f"{workflow.name}, by {event}")
    declared = workflow.declared(event)
    own_inputs = {key: value for key, value in inputs.items() if key in declared}
    run = run_workflow(world, workflow, event, own_inputs, payload)
    world.next_run()
    return run


def _inputs(workflows: Sequence[Workflow], event: str, pairs: Sequence[str]) -> dict[str, str]:
    """Return the values of --input. Raises UsageError for an input that no workflow has."""
    inputs = _parse_pairs(pairs)
    declared = {name for workflow in workflows for name in workflow.declared(event)}
    if unknown := sorted(set(inputs) - declared):
        names = ", ".join(workflow.name for workflow in workflows)
        raise UsageError(f"no input {', '.join(unknown)} of {names}")
    return inputs


@contextmanager
def _aws(endpoint: str | None, matrix: Matrix) -> Iterator[Mapping[str, str]]:
    if endpoint:
        yield aws_variables(endpoint, "us-east-1")
        return
    with running(matrix.account, stand_in=True) as address:
        create_account_resources(address, matrix)
        yield aws_variables(address, "us-east-1")


def _parse_pairs(pairs: Sequence[str]) -> dict[str, str]:
    values = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"{pair!r} is not NAME=VALUE")
        values[name] = value
    return values


def _keep(world: World, output: Path) -> None:
    """Write the logs, the summary, the repository and its pull requests to the output folder."""
    if output.exists():
        shutil.rmtree(output)
    output.mkdir(parents=True)
    for name in ("logs", "summary.md", "forge.json"):
        if (world.folder / name).is_dir():
            shutil.copytree(world.folder / name, output / name)
        elif (world.folder / name).exists():
            shutil.copy(world.folder / name, output / name)
    copy = output.absolute() / "repository"
    git(output.parent.absolute(), "clone", "--quiet", "--no-single-branch", str(world.origin), str(copy))


def _show(runs: Sequence[WorkflowRun], output: Path) -> None:
    for run in runs:
        click.echo(f"{run.workflow.name}: {run.result}")
        for name, job in run.jobs.items():
            click.echo(f"  {name:<10} {job.result}")
    forge = output / "forge.json"
    for kind, items in (json.loads(forge.read_text()) if forge.exists() else {}).items():
        for item in items if kind != "label" else ():
            name = item.get("number") or item["tagName"]
            click.echo(f"{'pull request' if kind == 'pr' else kind} {name}: {item['title']}")
    click.echo(f"\nThe logs of all jobs, the job summary and the repository are in {os.path.relpath(output)}/.")


if __name__ == "__main__":
    try:
        rehearse()
    except LayersError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
