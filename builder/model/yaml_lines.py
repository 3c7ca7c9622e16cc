"""YAML with the line of every key and item, so that a problem can be pointed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]

#: More values than any matrix has. Aliases of aliases make billions out of a few lines.
LIMIT = 10_000


@dataclass(frozen=True)
class Located:
    """A document's data, and the line (from 1) of each path in it."""

    data: Any
    lines: Mapping[Path, int]
    duplicates: tuple[tuple[Path, int], ...]

    def line(self, path: Path) -> int:
        """The line of ``path`` or of the nearest part of the document around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def load(text: str) -> Located:
    """Parse one YAML document. Raises ``yaml.YAMLError`` where it is none."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return Located(None, {}, ())
        lines: dict[Path, int] = {}
        duplicates: list[tuple[Path, int]] = []
        _walk(root, (), lines, duplicates, frozenset())
        return Located(loader.construct_document(root), lines, tuple(duplicates))
    finally:
        loader.dispose()


def _walk(
    node: yaml.Node,
    path: Path,
    lines: dict[Path, int],
    duplicates: list[tuple[Path, int]],
    above: frozenset[int],
) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if len(lines) > LIMIT:
        raise yaml.YAMLError(f"more than {LIMIT} values, aliases counted each time")
    if id(node) in above:  # an alias to a node around itself
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: a value that contains itself")
    above = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        seen: set[Path] = set()
        for key, value in node.value:
            inner = (*path, str(key.value))
            if inner in seen:
                duplicates.append((inner, key.start_mark.line + 1))
            seen.add(inner)
            lines[inner] = key.start_mark.line + 1
            _walk(value, inner, lines, duplicates, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, duplicates, above)
