"""The scripts, the lock files, and the links and commands of the documentation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
import tomli
from packaging.requirements import Requirement

from builder.model.matrix import parse_version
from publisher.cli.group import COMMANDS
from tests import REPOSITORY

SCRIPTS = [REPOSITORY / "scripts" / name for name in ("setup", "lock", "demo", "test", "bench", "rehearse")]
SCRIPTS.append(REPOSITORY / ".ci" / "run")
LOCKS = ["uv", "run", "dev"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_plain_shell(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["/bin/sh", "-n", str(script)], check=True)


def locked(name: str) -> dict[str, Requirement]:
    """Return the requirements of a lock file by name; each must be exact and have a hash."""
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text()
    found = {}
    for entry in text.replace("\\\n", " ").splitlines():
        if entry.strip() and not entry.lstrip().startswith("#"):
            assert "--hash=sha256:" in entry, entry
            requirement = Requirement(entry.split("--hash")[0].strip())
            assert [s.operator for s in requirement.specifier] == ["=="], entry
            found[requirement.name.lower().replace("_", "-")] = requirement
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_locks_have_hashes_and_no_addresses(name: str) -> None:
    assert locked(name)
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert "--index-url" not in text


def test_locks_have_the_same_versions() -> None:
    run, dev = locked("run"), locked("dev")
    assert {name: dev[name].specifier for name in run} == {name: each.specifier for name, each in run.items()}
    assert {name: each.specifier for name, each in locked("uv").items()} == {"uv": run["uv"].specifier}


def test_locks_match_pyproject() -> None:
    """A requirement that was changed without ``scripts/lock`` would be missing in a new clone."""
    project = tomli.loads((REPOSITORY / "pyproject.toml").read_text())
    run = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["sandbox"]]
    for lock, wanted in (("run", run), ("dev", [*run, *project["dependency-groups"]["dev"]])):
        pins = locked(lock)
        for requirement in map(Requirement, wanted):
            (pin,) = pins[requirement.name.lower().replace("_", "-")].specifier
            assert requirement.specifier.contains(parse_version(pin.version)), f"{requirement}: run scripts/lock"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with the files that ``scripts/setup`` reads, and a PATH with tools but without Python."""
    shutil.copytree(REPOSITORY / "scripts", tmp_path / "scripts")
    shutil.copytree(REPOSITORY / "requirements", tmp_path / "requirements")
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in ("cat", "cksum", "dirname", "rm", "sh"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "")
    return tmp_path


def setup(clone: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [clone / "scripts" / "setup", *arguments],
        env={"PATH": str(clone / "bin"), "HOME": str(clone), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def stand_in(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def a_python_without_venv(clone: Path) -> Path:
    return stand_in(clone / "python", 'case "$*" in *venv*) exit 1 ;; *executable*) echo "$0" ;; esac')


@pytest.mark.skipif(
    any(Path(place).exists() for place in ("/opt/homebrew/bin/python3", "/usr/local/bin/python3")),
    reason="there is a Python where setup looks beyond the PATH",
)
def test_setup_names_the_python_that_it_needs(clone: Path) -> None:
    stand_in(clone / "bin" / "python3", "exit 1")  # a Python that is too old
    done = setup(clone)
    assert done.returncode == 1
    assert "Python 3.10 or newer not found" in done.stderr
    assert not (clone / ".venv").exists()


def test_setup_names_the_missing_package_of_a_python_without_venv(clone: Path) -> None:
    done = setup(clone, PYTHON=str(a_python_without_venv(clone)))
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr


def test_a_second_setup_installs_nothing(clone: Path) -> None:
    stand_in(clone / ".venv" / "bin" / "layers", "exit 1")
    mark = "cat requirements/run.txt pyproject.toml | cksum >.venv/.run"
    subprocess.run(["/bin/sh", "-c", mark], cwd=clone, check=True)
    done = setup(clone)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (clone / "pyproject.toml").write_text("changed")
    assert setup(clone, PYTHON=str(a_python_without_venv(clone))).returncode == 1


def test_setup_refuses_an_unknown_argument(clone: Path) -> None:
    assert setup(clone, "everything").returncode == 2


def test_the_readme_lists_every_command() -> None:
    rows = re.findall(r"^\| `layers ([a-z]+)[^`]*` \| (.+?) \|$", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == list(COMMANDS), (
        "one row for each of COMMANDS (publisher/cli/group.py), in order"
    )
    for name, text in rows:
        assert text.replace("`", "").startswith(COMMANDS[name].rstrip(".")), name


def test_every_module_with_a_command_is_listed() -> None:
    modules = {path.stem for path in (REPOSITORY / "publisher" / "cli").glob("[a-z]*.py")}
    assert {name for name in modules if hasattr(import_module(f"publisher.cli.{name}"), "command")} == set(COMMANDS)


def options_of(command: click.Command) -> set[str]:
    parts = command.commands.values() if isinstance(command, click.Group) else ()
    own = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return own.union(*map(options_of, parts))


def test_every_option_in_the_documentation_exists() -> None:
    everywhere = {"--help", "--matrix", "--ledger", "--log-format"}
    pages = (REPOSITORY / "README.md", *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("examples/**/*.md"))
    pattern = r"(?=\blayers ([a-z]+ [^`\n|]*))"  # a lookahead: `layers sandbox -- layers publish` has two commands
    lines = [(page, line) for page in pages for line in re.findall(pattern, page.read_text())]
    assert len(lines) > 100
    for page, line in lines:
        name, rest = line.split(" ", 1)
        if name in COMMANDS:
            known = everywhere | options_of(import_module(f"publisher.cli.{name}").command)
            used = set(re.findall(r"(?<!\S)--[a-z-]+", re.split(r"(?:^| )-- | #", rest)[0]))
            assert used <= known, f"{page.name}: layers {line}"


def test_links_of_the_documentation_exist() -> None:
    for page in (*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_a_benchmark_prints_an_error_of_the_program_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.benchmarks", "build", "--matrix", str(tmp_path / "missing.yaml")]
    process = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (3, "")
    assert process.stderr.startswith(f"error: {tmp_path / 'missing.yaml'}")
