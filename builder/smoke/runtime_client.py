"""Install Lambda's runtime client (awslambdaric) and SDK from wheels into the program's cache, for each target."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from builder.cache.store import default_folder, key_of
from builder.model.errors import BuildError
from builder.model.target import Target
from builder.resolve import uv

#: The client in Lambda's runtimes. A range, because Lambda changes versions without notice.
CLIENT = "awslambdaric>=4,<5"
#: The SDK that Lambda's runtimes include and layers may rely on.
SDK = "boto3"


def client_folder(target: Target) -> Path:
    """Return the folder with the client and the AWS SDK for the target. Raises BuildError if installing fails."""
    packages = [CLIENT, SDK]
    folder = default_folder() / "runtime-client" / key_of([*packages, target.id])[:16]
    if folder.is_dir():
        return _check_owner(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as name:
        installed = Path(name) / "client"
        options = [*uv.platform_options(target), "--target", str(installed), "--no-progress"]
        result = uv.run(["pip", "install", *options, *packages], Path(name))
        if result.returncode:
            raise BuildError(
                f"Lambda's runtime client cannot be installed: {' '.join(result.stderr.split())[:400]}",
                where=target.id,
                fix=f"use a package index that has wheels of {CLIENT} and {SDK}",
            )
        try:
            installed.replace(folder)
        except OSError:  # another process has installed it
            if not folder.is_dir():
                raise
            shutil.rmtree(installed, ignore_errors=True)
    return folder


def _check_owner(folder: Path) -> Path:
    """Return the folder. Raises BuildError if another user could have written the code in it."""
    facts = [folder.lstat(), folder.parent.lstat()]
    if all(each.st_uid == os.geteuid() and not each.st_mode & stat.S_IWOTH for each in facts):
        return folder
    raise BuildError(
        "the cached runtime client belongs to another user, or other users may write to it",
        where=str(folder),
        fix="delete this folder, or name a cache of your own with LAYERS_CACHE_DIR",
    )


def version_of(folder: Path) -> str:
    """Return the client's version."""
    metadata = next(folder.glob("awslambdaric-*.dist-info"), None)
    return metadata.name.removeprefix("awslambdaric-").removesuffix(".dist-info") if metadata else "unknown"
