"""Lambda's own runtime client (awslambdaric), from wheels, kept in the program's cache for each Python and machine."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from builder.cache.store import default_folder, key_of
from builder.model.errors import BuildError
from builder.model.target import Target
from builder.resolve import uv

#: What Lambda's Pythons run functions with. A range: Lambda takes new versions as they come, and so do we.
CLIENT = "awslambdaric>=4,<5"
#: What Lambda's Pythons have besides, and layers may count on.
SDK = "boto3"


def client_folder(target: Target, *, sdk: bool) -> Path:
    """The folder that holds the client for the target, and the AWS SDK where the layer has none.

    BuildError where the index has no wheel of it.
    """
    wanted = [CLIENT, *([SDK] if sdk else [])]
    folder = default_folder() / "runtime-client" / key_of([*wanted, target.id])[:16]
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as name:
        made = Path(name) / "client"
        options = [*uv.platform_options(target), "--target", str(made), "--no-progress"]
        answer = uv.run(["pip", "install", *options, *wanted], Path(name))
        if not answer.ok:
            raise BuildError(
                f"Lambda's runtime client cannot be had: {' '.join(answer.err.split())[:400]}",
                where=target.id,
                fix=f"the package index must offer wheels of {CLIENT}; run the command again when it does",
            )
        try:
            made.replace(folder)
        except OSError:  # another run was first
            if not folder.is_dir():
                raise
            shutil.rmtree(made, ignore_errors=True)
    return folder


def version_of(folder: Path) -> str:
    """The client's version."""
    found = next(folder.glob("awslambdaric-*.dist-info"), None)
    return found.name.removeprefix("awslambdaric-").removesuffix(".dist-info") if found else "unknown"
