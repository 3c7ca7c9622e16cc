"""Compare two zips: packages, sizes, bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from builder.inspection.inspector import Inspection
from builder.model.lock_changes import Changes, compare_versions


@dataclass(frozen=True)
class Comparison:
    """The differences between two zips, of which the first is the older."""

    same_bytes: bool
    packages: Changes
    size: int  #: how much larger the second is
    unzipped_size: int
    files_added: tuple[str, ...]
    files_removed: tuple[str, ...]
    files_changed: tuple[str, ...]  #: other bytes, or another mode

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of ``layers inspect A B --json``."""
        return {
            "same_bytes": self.same_bytes,
            "packages": {
                "added": [{"name": name, "version": version} for name, version in self.packages.added],
                "removed": [{"name": name, "version": version} for name, version in self.packages.removed],
                "updated": [{"name": name, "from": old, "to": new} for name, old, new in self.packages.updated],
            },
            "size_difference": self.size,
            "unzipped_size_difference": self.unzipped_size,
            "files": {
                "added": list(self.files_added),
                "removed": list(self.files_removed),
                "changed": list(self.files_changed),
            },
        }


def compare(old: Inspection, new: Inspection) -> Comparison:
    """Return the differences: what only the second zip has, and what only the first has."""
    before, after = ({package.name: package.version for package in each.packages} for each in (old, new))
    was, now = (
        {file.path: (file.sha256, file.size, file.mode) for file in each.files if not file.is_folder}
        for each in (old, new)
    )
    return Comparison(
        old.sha256 == new.sha256,
        compare_versions(before, after),
        size=new.size - old.size,
        unzipped_size=new.unzipped_size - old.unzipped_size,
        files_added=tuple(sorted(now.keys() - was.keys())),
        files_removed=tuple(sorted(was.keys() - now.keys())),
        files_changed=tuple(sorted(path for path in was.keys() & now.keys() if was[path] != now[path])),
    )
