"""Run the steps of one job in a new workspace, as GitHub's runner does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scripts.rehearsal.actions import Place, StepError, run_action
from scripts.rehearsal.expressions import Open, as_text, evaluate, expand, expand_texts, is_true
from scripts.rehearsal.workflow import Table, read_yaml
from scripts.rehearsal.world import World

Result = Literal["success", "failure", "skipped"]
_SHELLS = {None: ["bash", "-e"], "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"], "sh": ["sh", "-e"]}


class RunnerKilledError(Exception):
    """The machine of a job was stopped: no later step runs."""


@dataclass(frozen=True)
class JobRun:
    """The result of a job."""

    result: Result
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass
class WorkflowJob:
    """One job on one runner."""

    world: World
    label: str
    name: str
    job: Table
    contexts: Table
    permissions: Mapping[str, str]
    workflow: Table  #: the whole file

    def run(self) -> JobRun:
        with tempfile.TemporaryDirectory(prefix="runner-", dir=self.world.folder) as name:
            self.temp = Path(name) / "temp"
            workspace = Path(name) / "work"
            self.temp.mkdir()
            workspace.mkdir()
            self.steps: Table = {}
            self.contexts = {**self.contexts, "steps": self.steps}
            self.contexts["runner"] = {**self.contexts["runner"], "temp": str(self.temp)}
            self.place = Place(self.world, workspace, self.permissions, self._environment(workspace))
            self.sound = True
            try:
                for step in self.job["steps"]:
                    self._step(step, self.contexts)
            except RunnerKilledError:
                self.world.log(f"{self.label}: the runner was killed")
                return JobRun("failure")
            if not self.sound:
                return JobRun("failure")
            return JobRun("success", expand_texts(self.job.get("outputs"), self.contexts))

    def _environment(self, workspace: Path) -> dict[str, str]:
        github = self.contexts["github"]
        variables = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(workspace),
            "RUNNER_TEMP": str(self.temp),
            "TMPDIR": str(self.temp),
            "LAYERS_CACHE_DIR": str(self.temp / "cache"),
            "REHEARSAL_FORGE": str(self.world.forge),
            "REHEARSAL_PERMISSIONS": json.dumps(self.permissions),
            **{
                f"GITHUB_{key.upper()}": str(github[key])
                for key in ("repository", "sha", "ref", "ref_name", "run_id", "run_attempt", "event_name", "server_url")
            },
        }
        env = {**(self.workflow.get("env") or {}), **(self.job.get("env") or {})}
        return {**self.world.environment(), **variables, **expand_texts(env, self.contexts)}

    def _step(self, step: Table, contexts: Table) -> None:
        title = step.get("name") or step.get("uses") or step.get("run", "").strip().splitlines()[0]
        if self.world.killed_before == (self.name, title):
            raise RunnerKilledError
        env = {**contexts, "env": Open(self.place.environment)}
        outcome: Result = "skipped"
        outputs: Mapping[str, str] = {}
        if holds(step.get("if"), env, self.sound):
            try:
                outputs = self._do(step, env)
                outcome = "success"
            except StepError as error:
                outcome = "failure"
                self.world.log(f"{self.label}: {title}: {error}")
                self.sound = self.sound and step.get("continue-on-error") is True
        if "id" in step:
            self.steps[step["id"]] = {"outcome": outcome, "conclusion": outcome, "outputs": outputs}

    def _do(self, step: Table, contexts: Table) -> Mapping[str, str]:
        env = expand_texts(step.get("env"), contexts)
        contexts = {**contexts, "env": Open({**self.place.environment, **env})}
        inputs = expand_texts(step.get("with"), contexts)
        if "run" in step:
            if "${{" in step["run"]:
                raise StepError("an expression is expanded inside a script: pass its value in `env`")
            folder = step.get("working-directory") or self._default("working-directory") or "."
            return self._script(step, env, as_text(expand(folder, contexts)))
        if not step["uses"].startswith("$/"):
            return run_action(step["uses"], self.place, inputs)
        return self._composite(step["uses"], inputs, contexts)

    def _composite(self, uses: str, inputs: Mapping[str, str], contexts: Table) -> Mapping[str, str]:
        """Run the steps of a composite action of the workflow's repository, at the workflow's commit."""
        folder = self.world.actions() / uses.removeprefix("$/")
        action = read_yaml(folder / "action.yml")
        declared = action.get("inputs") or {}
        if unknown := sorted(set(inputs) - set(declared)):
            raise StepError(f"{uses} has no input {', '.join(unknown)}")
        values = {name: inputs.get(name, as_text((spec or {}).get("default"))) for name, spec in declared.items()}
        outer, self.steps = self.steps, {}
        self.place.environment["GITHUB_ACTION_PATH"] = str(folder)
        inner = {**contexts, "inputs": values, "steps": self.steps}
        try:
            for step in action["runs"]["steps"]:
                self._step({"working-directory": ".", **step}, inner)  # the caller's defaults do not apply to it
            if not self.sound:
                raise StepError(f"a step of {uses} failed")
            return expand_texts({name: spec["value"] for name, spec in (action.get("outputs") or {}).items()}, inner)
        finally:
            self.steps = outer
            del self.place.environment["GITHUB_ACTION_PATH"]

    def _script(self, step: Table, env: Mapping[str, str], folder: str) -> Mapping[str, str]:
        step_folder = Path(tempfile.mkdtemp(prefix="step-", dir=self.temp))
        files = {name: step_folder / name.lower() for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")}
        for file in files.values():
            file.touch()
        script = step_folder / "script.sh"
        script.write_text(step["run"])
        shell = _SHELLS.get(step.get("shell") or self._default("shell"))
        if shell is None:
            raise StepError(f"a rehearsal has no shell {step['shell']}")
        process = subprocess.run(
            [*shell, str(script)],
            cwd=self.place.workspace / folder,
            env={**self.place.environment, **env, **{f"GITHUB_{name}": str(path) for name, path in files.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self._log(step, process.stdout)
        self.place.environment.update(_pairs(files["ENV"].read_text()))
        for line in reversed(files["PATH"].read_text().splitlines()):
            self.place.environment["PATH"] = f"{line}{os.pathsep}{self.place.environment['PATH']}"
        self._keep_summary(files["STEP_SUMMARY"].read_text())
        if process.returncode:
            raise StepError(f"ended with {process.returncode}:\n{process.stdout[-3000:]}")
        return _pairs(files["OUTPUT"].read_text())

    def _default(self, key: str) -> str | None:
        """Return a default of the job, else of the workflow, for ``run`` steps."""
        for place in (self.job, self.workflow):
            value: str | None = ((place.get("defaults") or {}).get("run") or {}).get(key)
            if value is not None:
                return value
        return None

    def _log(self, step: Table, text: str) -> None:
        folder = self.world.folder / "logs"
        folder.mkdir(exist_ok=True)
        with (folder / f"{re.sub('[^A-Za-z0-9.]+', '-', self.label)}.log").open("a") as file:
            file.write(f"=== {step.get('name') or step['run'].strip().splitlines()[0]}\n{text}\n")

    def _keep_summary(self, text: str) -> None:
        if text:
            with (self.world.folder / "summary.md").open("a") as file:
                file.write(f"<!-- {self.label} -->\n{text}\n")


def holds(condition: Any, contexts: Table, sound: bool) -> bool:
    """Evaluate the condition of a job or step. Without a status function it also requires ``success()``."""
    if condition is None:
        return sound
    text = str(condition).strip()
    text = text[3:-2] if text.startswith("${{") else text
    functions: Mapping[str, Callable[..., bool]] = {
        "success": lambda: sound,
        "failure": lambda: not sound,
        "always": lambda: True,
        "cancelled": lambda: False,
    }
    has_function = re.search(r"\b(success|failure|always|cancelled)\s*\(", text)
    return (bool(has_function) or sound) and is_true(evaluate(text, contexts, functions))


def _pairs(text: str) -> dict[str, str]:
    """Parse ``name=value`` lines, and multi-line values between ``name<<END`` and ``END``."""
    pairs: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if match := re.fullmatch(r"([^=<]+)<<(.+)", line):
            value = []
            for inner in lines:
                if inner == match[2]:
                    break
                value.append(inner)
            else:
                raise StepError(f"no {match[2]!r} ends the value of {match[1]}")
            pairs[match[1]] = "\n".join(value)
        elif "=" in line:
            name, _, pairs_value = line.partition("=")
            pairs[name] = pairs_value
        elif line:
            raise StepError(f"invalid format {line!r} in an output file")
    return pairs
