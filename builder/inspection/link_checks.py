"""Check symbolic links of a zip: each must lead to a file or folder of the zip, followed as the kernel does."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from builder.inspection.file_facts import FileFacts
from builder.model.artifact import Finding
from builder.model.findings import finding, group_paths

#: The most links that Linux follows in one path (path_resolution(7), ELOOP).
_MAX_LINKS_FOLLOWED: Final = 40
_LAYER_ROOT = "/opt/"
#: Limits on the work that hostile links cost: folders in a path, and steps for all links of a zip together.
_MAX_PATH_PARTS, _MAX_STEPS = 256, 500_000

_BROKEN = ("link-broken", "is a symbolic link to a file that is not in the zip (ENOENT)")
_OUTSIDE = ("link-outside", "is a symbolic link that leads out of the layer")


class _LayerPaths:
    """The paths of a zip as they are below ``/opt``, for following links."""

    def __init__(self, files: Sequence[FileFacts]) -> None:
        self._targets = {f.path: f.link_target for f in files if f.is_link and f.link_target is not None}
        self._sorted = sorted(f.path.rstrip("/") for f in files)
        self._folders = {f.path.rstrip("/") for f in files if f.is_folder}
        self._steps = 0

    def _is_folder(self, path: str) -> bool:
        return path in self._folders or self._next(f"{path}/").startswith(f"{path}/")

    def _next(self, path: str) -> str:
        """Return the first path of the zip that sorts at or after this one."""
        index = bisect_left(self._sorted, path)
        return self._sorted[index] if index < len(self._sorted) else ""

    def problem(self, link: str) -> tuple[str, str] | None:
        """Return the code and message of a finding if a link leads to no path of the layer, else None."""
        followed = 0
        resolved: list[str] = []
        remaining = link.split("/")[::-1]
        while remaining:
            self._steps += 1
            if self._steps > _MAX_STEPS or len(resolved) + len(remaining) > _MAX_PATH_PARTS:
                return "link-broken", "is a symbolic link through too many folders or links (ELOOP)"
            part = remaining.pop()
            if resolved and not self._is_folder("/".join(resolved)):
                return _BROKEN
            if part in ("", "."):
                continue
            if part == "..":
                if not resolved:
                    return _OUTSIDE
                resolved.pop()
                continue
            resolved.append(part)
            target = self._targets.get("/".join(resolved))
            if target is None:
                continue
            followed += 1
            if followed > _MAX_LINKS_FOLLOWED:
                return "link-broken", "is a symbolic link that leads to itself (ELOOP)"
            resolved.pop()
            if target.startswith("/"):
                if not f"{target}/".startswith(_LAYER_ROOT):
                    return _OUTSIDE
                resolved, target = [], target[len(_LAYER_ROOT) :]
            remaining += target.split("/")[::-1]
        joined = "/".join(resolved)
        is_there = not joined or self._next(joined) == joined or self._is_folder(joined)
        return None if is_there else _BROKEN


def check_links(files: Sequence[FileFacts]) -> Iterator[Finding]:
    """Report symbolic links: an error if one leads out of the layer or to no file, else a warning."""
    special = [file.path for file in files if file.is_special]
    yield from group_paths("error", "special-file", "is a device, FIFO or socket", special)
    links = [file.path for file in files if file.is_link]
    paths = _LayerPaths(files if links else ())
    problems = {link: paths.problem(link) for link in links}
    for link, problem in problems.items():
        if problem:
            yield finding("error", *problem, link)
    message = "is a symbolic link: tools that unpack zips without links write a text file in its place"
    yield from group_paths("warning", "link", message, [link for link, problem in problems.items() if not problem])
