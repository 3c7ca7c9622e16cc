"""The temporary folder of one ``layers package`` inside its output folder, where the zips are made and checked."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from builder.model.folder_lock import folder_lock, is_unlocked
from builder.package.app_files import WORK_FOLDER_PREFIX


@contextmanager
def work_folder(output: Path) -> Iterator[Path]:
    """Create a folder in ``output`` for a ``with`` block. Delete those of processes that were killed.

    Each process holds the lock of its own folder. The lock of ``output`` is held while a folder has no lock yet.
    """
    with ExitStack() as stack:
        with folder_lock(output):
            for each in output.glob(f"{WORK_FOLDER_PREFIX}*"):
                if each.is_dir() and not each.is_symlink() and is_unlocked(each):
                    shutil.rmtree(each, ignore_errors=True)
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix=WORK_FOLDER_PREFIX, dir=output))
            stack.enter_context(folder_lock(Path(name)))
        yield Path(name).absolute()
