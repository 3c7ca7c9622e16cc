"""Which files of an installed wheel go into a layer. docs/building.md says why nothing can miss the others."""

from __future__ import annotations

#: Part of every cache key: changed with the rules below.
RULES = 2

#: Files of an installation that say how it was made, not what it is (PEP 376, PEP 610, uv's own).
_TRACES = frozenset({"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"})


def is_wanted(path: str, source: str | None = None) -> bool:
    """Whether a file belongs into a layer. ``source`` is where its bytes lie; without it a script in ``bin`` is not.

    Out go only things that nothing can miss at run time: scripts (their first line names the interpreter of the
    building machine, and ``/opt/python/bin`` is on no PATH), while programs in ``bin`` stay, which some packages start
    themselves; bytecode in ``__pycache__`` that others made; packages of stubs, which no import can name; the
    installer's notes.
    """
    parts = path.split("/")
    if path == ".lock" or "__pycache__" in parts:
        return False
    if parts[0] == "bin" and len(parts) == 2:
        return source is not None and not _is_script(source)
    if parts[0].endswith("-stubs") and len(parts) > 1:
        return False
    return not (len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in _TRACES)


def is_importable(path: str) -> bool:
    """Whether an import can reach this file, so that bytecode is of use."""
    return path.endswith(".py") and all(part.isidentifier() for part in path.removesuffix(".py").split("/"))


def _is_script(source: str) -> bool:
    with open(source, "rb") as file:  # noqa: PTH123
        return file.read(2) == b"#!"
