"""What the release workflows do with GitHub: the ledger that waits in a pull request, outputs, pull requests, issues.

Runs git in the current folder, a checkout, and ``gh`` with the token in ``GH_TOKEN``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click

from builder.model.artifact import read_manifest, sha256_of

#: The branch of the one pull request that records releases; later releases join it until it is merged.
BRANCH = "layers-record"
_AUTHOR = (
    "-c", "user.name=github-actions[bot]",
    "-c", "user.email=41898282+github-actions[bot]@users.noreply.github.com",
)  # fmt: skip
#: git asks gh for the token, so that it is written nowhere.
_TOKEN = ("-c", "credential.helper=", "-c", "credential.helper=!gh auth git-credential")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def forge() -> None:
    """What the release workflows do with GitHub."""


@forge.command()
@click.argument("folder", envvar="LAYERS_LEDGER", default="ledger")
def ledger(folder: str) -> None:
    """Bring the ledger's FOLDER up to what the open pull request records; main may not have it yet."""
    if not _gh_json("pr", "list", "--head", BRANCH, "--state", "open", "--json", "number"):
        click.echo("no pull request waits with records")
        return
    _git(*_TOKEN, "fetch", "--quiet", "--depth", "1", "origin", f"+refs/heads/{BRANCH}:refs/remotes/origin/{BRANCH}")
    _git("checkout", "--quiet", f"origin/{BRANCH}", "--", folder)
    click.echo(f"{folder} is as the open pull request has it")


@forge.command()
@click.argument("report", type=click.Path(path_type=Path, exists=True))
def outputs(report: Path) -> None:
    """Print what a publish REPORT says, as lines for $GITHUB_OUTPUT."""
    data = json.loads(report.read_text("utf-8"))
    click.echo(f"complete={json.dumps(data['complete'])}")
    click.echo(f"layer-version={int(data['layer_version'])}")


@forge.command()
@click.argument("report", type=click.Path(path_type=Path, exists=True))
@click.argument("zips", type=click.Path(path_type=Path, exists=True, file_okay=False))
def checksums(report: Path, zips: Path) -> None:
    """Print the sha256 of those files below ZIPS that the REPORT's release has: zips, and their SBOMs.

    Only for what was built here can this run vouch: a release that was begun by another run keeps that run's bytes.
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
    """Propose what stands at PATHS now as a pull request to the branch that is checked out.

    There is one pull request: while it is open, it is renewed.
    """
    _git("switch", "--quiet", "--force-create", BRANCH)
    _git("add", "--", *[path for path in paths if Path(path).exists()])
    if not _git("diff", "--cached", "--name-only"):
        click.echo("the repository has all of it already")
        return
    _git(*_AUTHOR, "commit", "--quiet", "--message", title)
    _git(*_TOKEN, "push", "--quiet", "--force", "origin", BRANCH)
    waiting = _gh_json("pr", "list", "--head", BRANCH, "--state", "open", "--json", "number")
    what = ("--title", title, "--body-file", str(body_file))
    if waiting:
        click.echo(_gh("pr", "edit", str(waiting[0]["number"]), *what))
    else:
        base = os.environ.get("GITHUB_REF_NAME", "main")
        click.echo(_gh("pr", "create", "--head", BRANCH, "--base", base, *what))


@forge.command()
@click.option("--label", required=True, help="What tells this kind of issue from others.")
@click.option("--title", required=True)
@click.option("--body-file", type=click.Path(path_type=Path, exists=True), required=True)
def issue(label: str, title: str, body_file: Path) -> None:
    """Open an issue, or say it again in the one that is open."""
    waiting = _gh_json("issue", "list", "--label", label, "--state", "open", "--json", "number")
    if waiting:
        click.echo(_gh("issue", "comment", str(waiting[0]["number"]), "--body-file", str(body_file)))
    else:
        _gh("label", "create", label, "--force")
        click.echo(_gh("issue", "create", "--label", label, "--title", title, "--body-file", str(body_file)))


def _git(*arguments: str) -> str:
    return _run("git", *arguments)


def _gh(*arguments: str) -> str:
    return _run("gh", *arguments)


def _gh_json(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_gh(*arguments) or "[]")
    return found


def _run(program: str, *arguments: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise click.ClickException(f"there is no {program} here")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{program} {arguments[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    forge()
