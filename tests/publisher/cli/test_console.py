"""The output of commands: every output function escapes, none is bypassed, and a closed pipe is not an error."""

from __future__ import annotations

import ast
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import builder
import publisher
from builder.model.errors import InputError
from publisher.cli import console, logs
from publisher.cli.logs import write_json_lines
from publisher.report.annotations import Note, commands
from publisher.text.markdown import text as markdown
from tests.builder.model.test_escape import HOSTILE, is_harmless
from tests.fakes.command import PROGRAM, run_program

PACKAGES = (Path(builder.__file__).parent, Path(publisher.__file__).parent)
#: The output functions, and programs in their own process whose output another part reads.
OUTLETS = {
    "publisher/cli/console.py",
    "publisher/cli/__init__.py",  # configures the encoding of the streams
    "builder/bytecode/compile_worker.py",
    "builder/smoke/function/bootstrap.py",
    "publisher/canary/function/canary.py",
}
#: Names that write to a terminal or a log, as ``module.name`` or as a bare call.
WRITERS = {
    "print", "click.echo", "click.secho", "click.style", "click.confirm", "click.prompt", "click.echo_via_pager",
    "click.progressbar", "sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer", "sys.stderr.buffer",
    "sys.__stdout__", "sys.__stderr__", "logging.StreamHandler", "logging.basicConfig", "logging.FileHandler",
    "warnings.warn", "rich.print", "traceback.print_exc", "traceback.print_exception", "os.write",
}  # fmt: skip


def _direct_writers(source: str) -> set[str]:
    """Return the functions that a module writes with, under any alias."""
    tree = ast.parse(source)
    names = {"sys.stdout": "sys.stdout", "sys.stderr": "sys.stderr"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            found.add(".".join(filter(None, (names.get(first, first), rest))))
    return found & WRITERS


def test_no_module_bypasses_the_console() -> None:
    around = {
        name: written
        for package in PACKAGES
        for path in package.rglob("*.py")
        if (name := str(path.relative_to(package.parent))) not in OUTLETS
        and (written := _direct_writers(path.read_text("utf-8")))
    }
    assert around == {}


@pytest.mark.parametrize(
    "source",
    [
        "print(1)", "import click\nclick.echo(1)", "from click import echo as say\nsay(1)",
        "import sys as s\ns.stderr.write(1)", "import logging\nlogging.basicConfig()",
        "from sys import stdout\nstdout.write(1)",
    ],
)  # fmt: skip
def test_the_check_finds_an_aliased_writer(source: str) -> None:
    assert _direct_writers(source)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE)
def test_every_output_function_prints_harmless_lines(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.print_result(text, f"{text}:")
    console.print_message(text)
    console.print_document(f"{text}\n{text}")
    console.print_quoted(text)
    console.print_finding("error", text)
    console.print_table([text], [[text]])
    console.print_json({text: text})
    console.print_json_line({text: text})
    console.print_message(*InputError(text, where=text, fix=text, details=[text]).lines)
    with console.progress() as shown:
        shown.begin(text, 1)
        shown.step(text, text)
        shown.note(text)
    captured = capsys.readouterr()
    for line in f"{captured.out}\n{captured.err}".split("\n"):
        assert is_harmless(line)
    assert is_harmless(markdown(text).replace("\\", ""))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE)
def test_json_lines_are_harmless_and_hold_the_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("layers")
    try:
        write_json_lines()
        console.LoggedProgress().note(text)
        logs.log_event("error", "end", text, {})
    finally:
        logger.handlers, logger.propagate = [], True
    lines = capsys.readouterr().err.removesuffix("\n").split("\n")
    assert [json.loads(line)["message"] for line in lines] == [json.loads(json.dumps(text))] * 2
    assert all(is_harmless(line) for line in lines)


@given(HOSTILE)
def test_any_annotation_is_one_workflow_command(text: str) -> None:
    (line,) = commands([Note("error", text, text, text, 1)])
    assert line.startswith("::error file=")
    assert line.isprintable()
    assert "##[" not in line


def _run(*arguments: str, pipe: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose stdout or stderr is a closed pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [*PROGRAM, *arguments],
            stdout=writing if pipe == "stdout" else subprocess.PIPE,
            stderr=writing if pipe == "stderr" else subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)


def test_a_closed_pipe_is_not_an_error() -> None:
    done = _run("targets", pipe="stdout")
    assert (done.returncode, done.stderr) == (0, "")
    done = _run("targets", "--by", "python", pipe="stderr")
    assert (done.returncode, done.stdout) == (2, "")


def test_output_that_the_terminal_cannot_encode_is_escaped() -> None:
    done = run_program("targets", environment={"PYTHONIOENCODING": "iso8859-5"})
    assert "targets \\xd7 17 regions" in done.stdout


def _run_script(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script in which ``$LAYERS`` is the program and the current folder has an app."""
    (tmp_path / "app").mkdir(exist_ok=True)
    (tmp_path / "app" / "handler.py").write_text("def handler(event, context): ...\n")
    layers = f"{sys.executable} -c 'from publisher.cli import main; main()'"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES[0].parent)}
    command = ["/bin/sh", "-c", script.replace("$LAYERS", layers)]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize("option", ["--version", "--help"])
def test_a_result_that_cannot_be_written_is_an_error(tmp_path: Path, option: str) -> None:
    process = _run_script(f"$LAYERS {option} > /dev/full", tmp_path)
    assert process.returncode == 3
    assert "No space left on device" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_command_runs_with_all_standard_streams_closed(tmp_path: Path) -> None:
    process = _run_script("$LAYERS package app --python 3.12 --arch x86_64 --output out <&- >&- 2>&-", tmp_path)
    assert process.returncode == 0
    assert (tmp_path / "out" / "app.zip").exists()


def test_a_deleted_current_folder_and_a_path_that_is_too_long_are_errors(tmp_path: Path) -> None:
    process = _run_script("mkdir gone; cd gone; rmdir ../gone; $LAYERS package . --python 3.12 --arch x86_64", tmp_path)
    assert process.returncode == 3
    assert "the current folder does not exist any more" in process.stderr
    process = _run_script(f"$LAYERS infra --output {'a/' * 2000}", tmp_path)
    assert process.returncode == 2
    assert "File name too long" in process.stderr
