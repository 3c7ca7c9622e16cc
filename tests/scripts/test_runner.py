"""The rehearsal runs a workflow like GitHub and refuses invalid ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent

import pytest

from builder.model.errors import InputError
from scripts.rehearsal.runner import WorkflowRun, run_workflow
from scripts.rehearsal.workflow import Workflow
from scripts.rehearsal.world import World, git
from tests import REPOSITORY

REPO = REPOSITORY
CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd"
UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"
CREDENTIALS = "aws-actions/configure-aws-credentials@8df5847569e6427dd6c4fb1cf565c83acfa8afa7"
ATTEST = "actions/attest@59d89421af93a897026c735860bf21b6eb4f7b26"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a small repository; its AWS is only an address."""
    world = World(tmp_path / "world", REPO, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, {"ROLE": "a-role"})
    for folder in (world.artifacts, world.tools, world.folder / "source"):
        folder.mkdir(parents=True)
    source = world.folder / "source"
    (source / "file.txt").write_text("one\n")
    git(source, "init", "--quiet", "--initial-branch", "main")
    git(source, "add", "--all")
    git(source, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "one")
    git(world.folder, "clone", "--quiet", "--bare", str(source), str(world.origin))
    return world


def run(world: World, jobs: str, inputs: Mapping[str, str] | None = None, head: str = "") -> WorkflowRun:
    text = head or "on: {workflow_dispatch: {inputs: {version: {type: string, default: '1.0'}}}}\npermissions: {}\n"
    folder = world.folder / "workflows" / ".github" / "workflows"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.yml").write_text(f"{text}jobs:\n{indent(dedent(jobs), '  ')}")
    return run_workflow(world, Workflow.read(folder / "test.yml"), "workflow_dispatch", inputs or {}, {})


def test_outputs_pass_between_jobs_and_a_matrix_is_expanded(world: World) -> None:
    done = run(
        world,
        """
        first:
          runs-on: x
          outputs: {matrix: "${{ steps.make.outputs.matrix }}", many: "${{ steps.make.outputs.many }}"}
          steps:
            - id: make
              run: |
                echo 'matrix={"include":[{"python":"3.12"},{"python":"3.13"}]}' >> "$GITHUB_OUTPUT"
                printf 'many<<END\\none\\ntwo\\nEND\\n' >> "$GITHUB_OUTPUT"
        each:
          needs: first
          runs-on: x
          strategy: {matrix: "${{ fromJSON(needs.first.outputs.matrix) }}"}
          steps:
            - run: mkdir out && echo "$P" > out/version
              env: {P: "${{ matrix.python }} of ${{ inputs.version }}"}
            - uses: UPLOAD
              with: {name: "zips-${{ matrix.python }}", path: out, if-no-files-found: error}
        last:
          needs: [first, each]
          runs-on: x
          outputs: {found: "${{ steps.read.outputs.found }}"}
          steps:
            - uses: DOWNLOAD
              with: {pattern: "zips-*", path: in}
            - id: read
              run: echo "found=$(cat in/*/version | paste -sd ,)" >> "$GITHUB_OUTPUT"
        """.replace("UPLOAD", UPLOAD).replace("DOWNLOAD", DOWNLOAD),
        {"version": "2.0"},
    )
    assert done.result == "success", world.logged
    assert done.jobs["first"].outputs["many"] == "one\ntwo"
    assert done.jobs["last"].outputs == {"found": "3.12 of 2.0,3.13 of 2.0"}


def test_a_failed_step_ends_its_job_and_skips_dependent_jobs_except_always(world: World) -> None:
    done = run(
        world,
        """
        fails:
          runs-on: x
          steps:
            - run: "false"
            - run: touch /nonexistent/never
            - if: always()
              run: echo "always=1" >> "$GITHUB_ENV"
        after: {needs: fails, runs-on: x, steps: [{run: exit 0}]}
        always:
          needs: fails
          if: ${{ !cancelled() && needs.fails.result == 'failure' }}
          runs-on: x
          steps: [{run: exit 0}]
        """,
    )
    assert {name: job.result for name, job in done.jobs.items()} == {
        "fails": "failure", "after": "skipped", "always": "success",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"uses": CREDENTIALS, "with": {"role-to-assume": "${{ vars.ROLE }}", "aws-region": "x"}}, "id-token: write"),
        ({"uses": CHECKOUT}, "contents: read"),
        ({"uses": ATTEST, "with": {"subject-checksums": "x"}}, "id-token: write"),
        ({"uses": "someone/unknown@" + "a" * 40}, "no stand-in for someone/unknown"),
        ({"uses": "actions/checkout@v6"}, "not pinned"),
        ({"uses": UPLOAD, "with": {"name": "x", "path": "x", "colour": "blue"}}, "does not know the input colour"),
        ({"uses": UPLOAD, "with": {"name": "x", "path": "x", "if-no-files-found": "error"}}, "no files were found"),
        ({"uses": DOWNLOAD, "with": {"name": "x"}}, "artifact not found"),
        ({"run": "echo ${{ inputs.version }}"}, "expanded inside a script"),
        ({"run": "echo nothing >> $GITHUB_OUTPUT"}, "invalid format"),
    ],
)
def test_a_step_that_github_would_refuse_fails(world: World, step: dict[str, object], said: str) -> None:
    done = run(world, f"job: {json.dumps({'runs-on': 'x', 'steps': [step]})}")
    assert done.result == "failure"
    assert said in "\n".join(world.logged)


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ("a: {runs-on: x, needs: b, steps: []}", "need each other, or jobs that do not exist"),
        ("a: {runs-on: x, outputs: {v: '${{ steps.no.outputs.v }}'}, steps: [{run: exit 0}]}", "'no'"),
    ],
)
def test_a_workflow_with_unknown_names_is_refused(world: World, jobs: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        run(world, jobs)
    assert said in str(error.value)


def test_undeclared_and_missing_inputs_are_refused(world: World) -> None:
    with pytest.raises(InputError, match="no input colour"):
        run(world, "a: {runs-on: x, steps: []}", {"colour": "blue"})
    head = "on: {workflow_dispatch: {inputs: {version: {required: true}}}}\npermissions: {}\n"
    with pytest.raises(InputError, match="version is required"):
        run(world, "a: {runs-on: x, steps: []}", head=head)


def test_a_token_needs_contents_write_to_push(world: World) -> None:
    step = f"""
        job:
          runs-on: x
          permissions: {{contents: LEVEL}}
          steps:
            - uses: {CHECKOUT}
            - run: |
                git switch --quiet --create other
                git -c user.name=a -c user.email=a@example.com commit --quiet --allow-empty --message two
                git push --quiet origin other
        """
    assert run(world, step.replace("LEVEL", "read")).result == "failure"
    assert "other" not in git(world.origin, "branch")
    assert run(world, step.replace("LEVEL", "write")).result == "success"
    assert "other" in git(world.origin, "branch")


def test_a_called_workflow_cannot_have_more_permissions_than_its_caller(world: World) -> None:
    folder = world.folder / "workflows" / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "called.yml").write_text(
        "on: {workflow_call: {inputs: {version: {type: string}}}}\npermissions: {}\njobs:\n"
        "  a: {runs-on: x, permissions: {contents: write}, steps: [{run: exit 0}]}\n"
    )
    jobs = "call: {permissions: {contents: LEVEL}, uses: $/.github/workflows/called.yml, with: {version: '1'}}"
    assert run(world, jobs.replace("LEVEL", "write")).result == "success"
    with pytest.raises(InputError, match="contents: write, which its caller does not allow"):
        run(world, jobs.replace("LEVEL", "read"))


def test_a_workflow_of_another_repository_is_called_by_its_commit(world: World, tmp_path: Path) -> None:
    world.source = tmp_path
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "called.yml").write_text(
        "on: {workflow_call: }\npermissions: {}\njobs: {a: {runs-on: x, steps: [{run: exit 0}]}}\n"
    )
    call = "call: {permissions: {}, uses: example/other/.github/workflows/called.yml@REF}"
    assert run(world, call.replace("REF", "a" * 40)).result == "success"
    with pytest.raises(InputError, match="nor pinned by a commit"):
        run(world, call.replace("REF", "main"))


def test_a_killed_runner_starts_nothing_more(world: World) -> None:
    world.killed_before = ("job", "second")
    jobs = "job: {runs-on: x, steps: [{name: first, run: exit 0}, {name: second, if: always(), run: exit 0}]}"
    assert run(world, jobs).result == "failure"
    assert any("the runner was killed" in line for line in world.logged)
