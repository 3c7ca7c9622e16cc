"""The temporary folder of one command inside its output folder, where zips are made and checked."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from builder.model.folder_lock import folder_lock, is_unlocked


@contextmanager
def work_folder(output: Path, prefix: str) -> Iterator[Path]:
    """Create a folder in ``output`` for a ``with`` block. Delete those of processes that were killed.

    Each process holds the lock of a folder with this ``prefix``, and works in a folder below it, which others may lock.
    The lock of ``output`` is held while a folder has no lock yet.
    """
    with ExitStack() as stack:
        with folder_lock(output):
            for each in output.glob(f"{prefix}*"):
                if each.is_dir() and not each.is_symlink() and is_unlocked(each):
                    shutil.rmtree(each, ignore_errors=True)
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix, dir=output))
            stack.enter_context(folder_lock(Path(name)))
        folder = Path(name).absolute() / "files"
        folder.mkdir()
        yield folder
