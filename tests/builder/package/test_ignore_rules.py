"""Patterns of a .lambdaignore exclude the same files as git excludes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder.model.errors import InputError
from builder.model.progress import Quiet
from builder.package.app_files import app_files
from builder.package.ignore_rules import ignore_rules, is_ignored
from tests.conftest import THOROUGH

NAMES = (
    "a/a", "a/b", "a/ab/a.b", "a/d/c/a", "b/a.b", "b/.a", "ab/b/ab", "A", "x", "1", "a b", "[a]", "!a", "#a", " a",
    "c-d", "a.py", "a.pyc", "b]", "secret1.json", "logs/debug.log", "a\t", "é",
)  # fmt: skip
PIECES = ("a", "b", "ab", ".", "/", "*", "**", "?", "!", "#", " ", "[", "]", "^", "-", "\\", "[:alpha:]", "1", "é")
LINE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)  # noqa: S607
    for name in NAMES:
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text("")
    return root


def kept_by_git(root: Path, lines: list[str]) -> set[str]:
    (root / ".git" / "info" / "exclude").write_text("\n".join(lines) + "\n")
    command = ["git", "check-ignore", "--no-index", "-z", "--stdin"]
    done = subprocess.run(command, cwd=root, input="\0".join(NAMES), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return set(NAMES) - set(done.stdout.split("\0"))


def kept_by_rules(lines: list[str]) -> set[str]:
    """Walk NAMES like ``app_files``, without entering an ignored folder."""
    rules = ignore_rules(lines)

    def kept(name: str) -> bool:
        parts = name.split("/")
        folders = ["/".join(parts[:end]) for end in range(1, len(parts))]
        return not any(is_ignored(folder, True, rules) for folder in folders) and not is_ignored(name, False, rules)

    return {name for name in NAMES if kept(name)}


@given(st.lists(LINE, min_size=1, max_size=4))
@settings(max_examples=200 if THOROUGH else 50)
@example(["*.py[cod]"])
@example(["*.a", "!a/"])
@example(["b", "!/*"])
@example(["a/**", "!a/b"])
@example([".**/?"])
@example(["a\\ ", "a ", "\\#a", "\\!a"])
@example(["[[:alpha:]]", "[]a]", "[b-a]", "[a"])
@example(["!", "/", "//", "\\", "**/"])
@example(["a?", "?"])
def test_the_rules_keep_the_same_files_as_git(repository: Path, lines: list[str]) -> None:
    assert kept_by_rules(lines) == kept_by_git(repository, lines)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_an_ignore_file_may_have_any_usual_encoding_and_line_ending(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "handler.py").write_text("")
    (tmp_path / "é.key").write_text("")
    (tmp_path / ".lambdaignore").write_bytes("é.key\r\n# comment\r\n".encode(encoding))
    assert list(app_files(tmp_path, tmp_path / "out", Quiet())) == ["handler.py"]


@given(st.text("ab/*?.!", min_size=1, max_size=8), st.text("ab./", min_size=1, max_size=8))
def test_any_ignore_line_is_accepted(line: str, path: str) -> None:
    assert is_ignored(path, False, ignore_rules([line])) in (True, False)
    assert not is_ignored(path, True, ignore_rules([line, "!**"]))


@pytest.mark.parametrize(
    ("line", "path", "out"),
    [
        ("*.md", "a/b.md", True), ("/*.md", "a/b.md", False), ("a/**/c", "a/b/b/c", True), ("a/**/c", "a/c", True),
        ("a/*", "a/b/c", False), ("?.py", "a.py", True), ("?.py", "ab.py", False), ("a.b", "axb", False),
    ],
)  # fmt: skip
def test_an_ignore_pattern_excludes_what_gitignore_excludes(line: str, path: str, out: bool) -> None:
    assert is_ignored(path, False, ignore_rules([line])) is out


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere"), os.mkfifo])
def test_a_lambdaignore_that_is_no_file_is_an_error(make: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "handler.py").touch()
    make(tmp_path / ".lambdaignore")
    with pytest.raises(InputError) as caught:
        app_files(tmp_path, tmp_path / "out", Quiet())
    assert (caught.value.where or "").startswith(str(tmp_path / ".lambdaignore"))
