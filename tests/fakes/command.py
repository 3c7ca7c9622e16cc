"""Run ``layers``, in this process or in one of its own: exit code and output. Small artifacts to publish."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from click.testing import CliRunner

from builder.model.artifact import write_manifest
from builder.model.errors import LayersError
from builder.model.matrix import Matrix
from publisher.cli.group import layers
from tests.conftest import ACCOUNT
from tests.fakes.simulated_runs import make_artifacts

SMALL: dict[str, Any] = {
    "account": ACCOUNT,
    "package": "demo",
    "python": ["3.12"],
    "architectures": ["x86_64", "aarch64"],
    "regions": ["us-east-1", "eu-west-1"],
}


#: The command ``layers`` in a process of its own.
PROGRAM = (sys.executable, "-c", "import sys; sys.argv[0] = 'layers'; from publisher.cli import main; main()")


def run_program(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own, with these variables in addition."""
    variables = {**os.environ, **(environment or {})}
    return subprocess.run([*PROGRAM, *arguments], env=variables, capture_output=True, text=True, check=False)


_DOCS = Path(__file__).parents[2] / "docs"


def valid_json(command: str, text: str) -> Any:
    """Return the JSON document that a command printed, validated by its schema in docs/, which must exist."""
    document = json.loads(text)
    schema = _DOCS / f"{'publish' if command == 'promote' else command}.schema.json"
    checker = jsonschema.FormatChecker()
    jsonschema.Draft202012Validator(json.loads(schema.read_text()), format_checker=checker).validate(document)
    return document


@dataclass(frozen=True)
class Ended:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str
    arguments: tuple[str, ...]

    @property
    def json(self) -> Any:
        """Return the JSON document on stdout, validated by the schema of the command."""
        return valid_json("plan" if "--dry-run" in self.arguments else self.arguments[0], self.out)


@dataclass
class Layers:
    """``layers`` with its own matrix and ledger."""

    folder: Path
    keys: dict[str, Any] = field(default_factory=lambda: dict(SMALL))
    ledger: str = ""

    def __post_init__(self) -> None:
        self.ledger = self.ledger or str(self.folder / "ledger")

    @property
    def matrix(self) -> Matrix:
        return Matrix.model_validate(self.keys)

    def __call__(self, *arguments: str) -> Ended:
        path = self.folder / "matrix.yaml"
        path.write_text(yaml.safe_dump(self.keys), "utf-8")
        runner = CliRunner()
        result = runner.invoke(layers, ["--matrix", str(path), "--ledger", self.ledger, *arguments])
        if isinstance(result.exception, LayersError):  # like main()
            return Ended(
                result.exception.exit_code, result.stdout, f"{result.stderr}error: {result.exception}\n", arguments
            )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr, arguments)

    def artifacts(self, version: str, build: str = "one") -> str:
        """Return the folder of a build of this version."""
        folder, manifest = make_artifacts(self.folder / "dist", self.matrix, version, build)
        write_manifest(folder, manifest)
        return str(folder)

    def publish(self, version: str, *more: str, build: str = "one") -> Ended:
        """Publish a build of this version."""
        return self("publish", "--version", version, "--artifacts", self.artifacts(version, build), "--yes", *more)

    def recreated_record(self) -> tuple[Any, Any]:
        """Delete the record of layer version 1, let ``sync`` write it again, and return it before and after."""
        path = Path(self.ledger) / "0001.json"
        before = json.loads(path.read_text())
        path.unlink()
        assert self("sync").code == 0
        return before, json.loads(path.read_text())
