"""Commands of the release workflows for GitHub: ledger, outputs, pull requests, issues, releases.

Runs git in the current folder, which is a checkout, and ``gh`` with the token in ``GH_TOKEN``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click

from builder.model.artifact import read_manifest
from builder.model.file_access import sha256_of
from builder.model.matrix_file import load_matrix
from publisher.ledger.folder import SBOMS, FolderLedger
from publisher.ledger.release import at_number, last_before, sbom_path
from publisher.report.release_notes import release_notes

#: The branch of the pull request that records releases; later releases join it until it is merged.
BRANCH = "layers-record"
_AUTHOR = (
    "-c", "user.name=github-actions[bot]",
    "-c", "user.email=41898282+github-actions[bot]@users.noreply.github.com",
)  # fmt: skip
#: git gets the token from gh, so that no file contains it.
_TOKEN = ("-c", "credential.helper=", "-c", "credential.helper=!gh auth git-credential")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def forge() -> None:
    """Commands of the release workflows for GitHub."""


@forge.command()
@click.argument("folder", envvar="LAYERS_LEDGER", default="ledger")
def ledger(folder: str) -> None:
    """Update the ledger's FOLDER from the open pull request, which may have newer records than main."""
    if not _gh_json("pr", "list", "--head", BRANCH, "--state", "open", "--json", "number"):
        click.echo("no open pull request has a newer ledger")
        return
    _git(*_TOKEN, "fetch", "--quiet", "--depth", "1", "origin", f"+refs/heads/{BRANCH}:refs/remotes/origin/{BRANCH}")
    _git("checkout", "--quiet", f"origin/{BRANCH}", "--", folder)
    click.echo(f"{folder} is updated from the open pull request")


@forge.command()
@click.argument("report", type=click.Path(path_type=Path, exists=True))
def outputs(report: Path) -> None:
    """Print the results of a publish REPORT as lines for $GITHUB_OUTPUT."""
    data = json.loads(report.read_text("utf-8"))
    click.echo(f"complete={json.dumps(data['complete'])}")
    click.echo(f"layer-version={int(data['layer_version'])}")


@forge.command()
@click.argument("report", type=click.Path(path_type=Path, exists=True))
@click.argument("zips", type=click.Path(path_type=Path, exists=True, file_okay=False))
def checksums(report: Path, zips: Path) -> None:
    """Print the sha256 of each zip below ZIPS that the REPORT's release holds, and of its SBOM.

    A run attests only zips that it built itself: a release that another run started keeps that run's zips.
    """
    published = {cell["sha256"] for cell in json.loads(report.read_text("utf-8"))["cells"]}
    for folder in sorted(path.parent for path in zips.rglob("manifest.json")):
        for artifact in read_manifest(folder).artifacts:
            files = [folder / name for name in (artifact.file, artifact.sbom) if name]
            digests = [sha256_of(path) for path in files]
            if digests[0] in published:
                for digest, path in zip(digests, files, strict=True):
                    click.echo(f"{digest}  {path.name}")


@forge.command()
@click.option("--title", required=True)
@click.option("--body-file", type=click.Path(path_type=Path, exists=True), required=True)
@click.argument("paths", nargs=-1, required=True)
def propose(title: str, body_file: Path, paths: tuple[str, ...]) -> None:
    """Open or update a pull request with the current contents of PATHS to the branch that is checked out.

    There is only one pull request; while it is open, each call updates it.
    """
    _git("switch", "--quiet", "--force-create", BRANCH)
    _git("add", "--", *[path for path in paths if Path(path).exists()])
    if not _git("diff", "--cached", "--name-only"):
        click.echo("the repository already has these contents")
        return
    _git(*_AUTHOR, "commit", "--quiet", "--message", title)
    _git(*_TOKEN, "push", "--quiet", "--force", "origin", BRANCH)
    open_requests = _gh_json("pr", "list", "--head", BRANCH, "--state", "open", "--json", "number")
    content = ("--title", title, "--body-file", str(body_file))
    if open_requests:
        click.echo(_gh("pr", "edit", str(open_requests[0]["number"]), *content))
    else:
        base = os.environ.get("GITHUB_REF_NAME", "main")
        click.echo(_gh("pr", "create", "--head", BRANCH, "--base", base, *content))


@forge.command()
@click.option("--label", required=True, help="The label that identifies this kind of issue.")
@click.option("--title", required=True)
@click.option("--body-file", type=click.Path(path_type=Path, exists=True), required=True)
def issue(label: str, title: str, body_file: Path) -> None:
    """Open an issue, or add a comment to the open one. The body is the output of a command, shown as a code block."""
    waiting = _gh_json("issue", "list", "--label", label, "--state", "open", "--json", "number")
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body.md"
        body.write_text(_code_block(body_file.read_text("utf-8")), "utf-8")
        if waiting:
            click.echo(_gh("issue", "comment", str(waiting[0]["number"]), "--body-file", str(body)))
        else:
            _gh("label", "create", label, "--force")
            click.echo(_gh("issue", "create", "--label", label, "--title", title, "--body-file", str(body)))


def _code_block(text: str) -> str:
    """Return the text as a code block of Markdown, which aligns tables and links no names or numbers."""
    fence = "`" * (1 + max([2, *map(len, re.findall("`+", text))]))
    return f"{fence}text\n{text.rstrip()}\n{fence}\n"


@forge.command("release")
@click.option("--layer-version", type=click.IntRange(min=1), required=True, help="The release's number.")
@click.option("--matrix", "matrix_path", type=click.Path(path_type=Path), envvar="LAYERS_MATRIX", required=True)
@click.option("--ledger", "folder", type=click.Path(path_type=Path), envvar="LAYERS_LEDGER", required=True)
def publish_release(layer_version: int, matrix_path: Path, folder: Path) -> None:
    """Create or update the GitHub release of a layer version, with notes, SBOMs and checksums from the ledger."""
    records = FolderLedger(folder, load_matrix(matrix_path)).releases()
    record = at_number(records, layer_version)
    if record is None:
        raise click.ClickException(f"{folder} has no layer version {layer_version}")
    tag = f"layer-version-{layer_version}"
    sboms = [folder / SBOMS / sbom_path(layer_version, target.layer_name) for target in record.targets]
    with tempfile.TemporaryDirectory() as scratch:
        notes, sums = Path(scratch, "notes.md"), Path(scratch, "SHA256SUMS")
        notes.write_text(release_notes(record, last_before(records, layer_version)), "utf-8")
        known_sums = {target.layer_name: target.sha256 for target in record.targets if target.sha256}
        sums.write_text("".join(f"{digest}  {name}.zip\n" for name, digest in known_sums.items()), "utf-8")
        content = ("--title", f"Layer version {layer_version} ({record.version})", "--notes-file", str(notes))
        unfinished = f"--prerelease={json.dumps(record.completed is None)}"
        exists = tag in [
            each["tagName"] for each in _gh_json("release", "list", "--limit", "1000", "--json", "tagName")
        ]
        click.echo(_gh("release", "edit" if exists else "create", tag, *content, unfinished))
        _gh("release", "upload", tag, "--clobber", str(sums), *(str(path) for path in sboms if path.is_file()))


def _git(*arguments: str) -> str:
    return _run("git", *arguments)


def _gh(*arguments: str) -> str:
    return _run("gh", *arguments)


def _gh_json(*arguments: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(_gh(*arguments) or "[]")
    return items


def _run(program: str, *arguments: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise click.ClickException(f"{program}: command not found")
    process = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    if process.returncode:
        raise click.ClickException(
            f"{program} {arguments[0]} failed with exit code {process.returncode}: {process.stderr.strip()}"
        )
    return process.stdout.strip()


if __name__ == "__main__":
    forge()
