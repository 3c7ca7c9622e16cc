"""Stand-ins for the actions that the workflows use.

Each does what the workflows need of the action, refuses what the action refuses, and fails on an unknown input. An
action without a stand-in fails the rehearsal."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from builder.model.regions import partition_of
from publisher.infra.scope import DEFAULT_AUDIENCE, audience
from scripts.rehearsal.world import World, git


class StepError(Exception):
    """A step failed; the message has the reason."""


@dataclass(frozen=True)
class Place:
    """The place of a step: its job's workspace, permissions and environment, to which an action may add variables."""

    world: World
    workspace: Path
    permissions: Mapping[str, str]
    environment: dict[str, str]

    def need(self, scope: str, level: str) -> None:
        """Raise StepError if the job's token does not have the permission."""
        if self.permissions.get(scope, "none") not in (level, "write"):
            raise StepError(f"this job does not have the permission {scope}: {level}")


Inputs = Mapping[str, str]
Outputs = dict[str, str]


def checkout(place: Place, inputs: Inputs) -> Outputs:
    """Clone the repository; keep the job's token in it only with ``persist-credentials``."""
    place.need("contents", "read")
    if inputs.get("repository", place.world.repository) != place.world.repository:
        raise StepError(f"there is no repository {inputs['repository']}")
    folder = place.workspace / inputs.get("path", ".")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        git(folder, "clone", "--quiet", str(place.world.origin), ".")
        git(folder, "checkout", "--quiet", "--detach", inputs.get("ref") or place.environment["GITHUB_SHA"])
    except subprocess.CalledProcessError as error:
        raise StepError(error.stderr.strip()) from None
    if place.permissions.get("contents") != "write":
        git(folder, "remote", "set-url", "--push", "origin", "/this token may not push")
    return {"commit": git(folder, "rev-parse", "HEAD")}


def upload_artifact(place: Place, inputs: Inputs) -> Outputs:
    """Store a folder's files under a name; a second upload needs ``overwrite``."""
    source, artifact = place.workspace / inputs["path"], place.world.artifacts / inputs["name"]
    if not source.is_dir():
        if inputs.get("if-no-files-found") == "error":
            raise StepError(f"no files were found with the provided path: {inputs['path']}")
        return {}
    if artifact.exists():
        if inputs.get("overwrite") != "true":
            raise StepError(f"409 Conflict: an artifact with the name {inputs['name']} exists")
        shutil.rmtree(artifact)
    hidden = inputs.get("include-hidden-files") == "true"
    shutil.copytree(source, artifact, ignore=None if hidden else shutil.ignore_patterns(".*"))
    return {"artifact-id": "1"}


def download_artifact(place: Place, inputs: Inputs) -> Outputs:
    """Download one artifact, or those that match a pattern, each into a folder with its name."""
    target = place.workspace / inputs.get("path", ".")
    if "name" in inputs:
        if not (place.world.artifacts / inputs["name"]).is_dir():
            raise StepError(f"artifact not found for name: {inputs['name']}")
        shutil.copytree(place.world.artifacts / inputs["name"], target, dirs_exist_ok=True)
        return {}
    target.mkdir(parents=True, exist_ok=True)
    for artifact in sorted(place.world.artifacts.iterdir()):
        if fnmatch(artifact.name, inputs["pattern"]):
            into = target if inputs.get("merge-multiple") == "true" else target / artifact.name
            shutil.copytree(artifact, into, dirs_exist_ok=True)
    return {}


def restore_cache(place: Place, inputs: Inputs) -> Outputs:
    """Restore the folder saved under the key, else the newest one whose key has the prefix."""
    exact = place.world.caches / inputs["key"]
    prefix = inputs.get("restore-keys", inputs["key"])
    saved = sorted(place.world.caches.glob(f"{prefix}*"), key=lambda folder: folder.stat().st_mtime)
    entry = exact if exact.is_dir() else next(reversed(saved), None)
    if entry is None:
        return {"cache-hit": ""}
    shutil.copytree(entry, place.workspace / inputs["path"], dirs_exist_ok=True)
    return {"cache-hit": str(entry == exact).lower(), "cache-matched-key": entry.name}


def save_cache(place: Place, inputs: Inputs) -> Outputs:
    """Save a folder under the key, unless the key exists."""
    source, entry = place.workspace / inputs["path"], place.world.caches / inputs["key"]
    if source.is_dir() and not entry.exists():
        shutil.copytree(source, entry)
    return {}


def configure_aws_credentials(place: Place, inputs: Inputs) -> Outputs:
    """Assume a role by OIDC: the following steps can use AWS."""
    place.need("id-token", "write")
    for name in ("role-to-assume", "aws-region"):
        if not inputs.get(name):
            raise StepError(f"input required and not supplied: {name}")
    expected = audience(partition_of(inputs["aws-region"]))
    if inputs.get("audience", DEFAULT_AUDIENCE) != expected:
        raise StepError(f"InvalidIdentityToken: Incorrect token audience: the provider's is {expected}")
    place.environment.update(place.world.aws)
    place.environment.update(AWS_REGION=inputs["aws-region"], AWS_DEFAULT_REGION=inputs["aws-region"])
    place.world.log(f"        the role {inputs['role-to-assume']}")
    return {}


def attest(place: Place, inputs: Inputs) -> Outputs:
    """Check the subjects in a checksum file, for which the action would attest provenance."""
    place.need("id-token", "write")
    place.need("attestations", "write")
    lines = (place.workspace / inputs["subject-checksums"]).read_text().splitlines()
    if not lines:
        raise StepError("no subjects found")
    for line in lines:
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name:
            raise StepError(f"not a line of sha256sum: {line!r}")
    place.world.log(f"        provenance of {len(lines)} files")
    return {"attestation-id": "1"}


def setup_python(place: Place, inputs: Inputs) -> Outputs:
    """Put this machine's Python of the requested version on PATH."""
    name = f"python{inputs['python-version']}"
    homes = Path.home() / ".pyenv" / "versions"
    interpreter = shutil.which(name) or next((str(p) for p in sorted(homes.glob(f"*/bin/{name}"))), None)
    if interpreter is None:
        raise StepError(f"there is no {name} on this machine")
    place.environment["PYTHON"] = interpreter
    return {"python-version": inputs["python-version"]}


#: For each action: what a rehearsal runs for it, and the inputs that it knows.
ACTIONS: Mapping[str, tuple[Callable[[Place, Inputs], Outputs], str]] = {
    "actions/checkout": (checkout, "path ref repository persist-credentials fetch-depth"),
    "actions/upload-artifact": (
        upload_artifact,
        "name path if-no-files-found overwrite retention-days compression-level include-hidden-files",
    ),
    "actions/download-artifact": (download_artifact, "name pattern path merge-multiple"),
    "actions/cache/restore": (restore_cache, "path key restore-keys"),
    "actions/cache/save": (save_cache, "path key"),
    "aws-actions/configure-aws-credentials": (
        configure_aws_credentials,
        "role-to-assume aws-region audience role-session-name role-duration-seconds",
    ),
    "actions/attest": (attest, "subject-checksums"),
    "actions/setup-python": (setup_python, "python-version"),
}


def run_action(uses: str, place: Place, inputs: Inputs) -> Outputs:
    """Run the stand-in of an action. Raises StepError if the action would fail, or has no stand-in."""
    name, _, commit = uses.partition("@")
    if name not in ACTIONS:
        raise StepError(f"a rehearsal has no stand-in for {name}")
    if len(commit) != 40:
        raise StepError(f"{uses} is not pinned by its commit")
    run, known = ACTIONS[name]
    if unknown := sorted(set(inputs) - set(known.split())):
        raise StepError(f"the stand-in for {name} does not know the input {', '.join(unknown)}")
    return run(place, inputs)
