"""Load YAML with the line of every key and item, for error messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.reader import ReaderError

Path = tuple[str | int, ...]

#: More than any matrix has. Aliases of aliases (a "billion laughs" document) make billions of values in a few lines.
MAX_VALUES = 10_000
MAX_FILE_BYTES = 1 << 20
#: Python refuses to print an integer of more than 4,300 digits.
MAX_NUMBER_LENGTH = 100
#: Text and `<<`. Bare words like `on` and `no` are booleans.
_KEY_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}


@dataclass(frozen=True)
class Located:
    """A document's data, and the line number (from 1) of each path in it."""

    data: Any
    lines: Mapping[Path, int]
    bad_keys: tuple[tuple[Path, int, str], ...]  #: keys that are repeated or not text: line and message

    def line(self, path: Path) -> int:
        """Return the line of ``path``, or of its nearest parent in the document."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def load(text: str) -> Located:
    """Parse one YAML document. Raises ``yaml.YAMLError`` if it is not one."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        raise yaml.YAMLError(f"larger than {MAX_FILE_BYTES:,} bytes")
    try:
        loader = yaml.SafeLoader(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise yaml.YAMLError(f"line {line}: the character U+{ord(text[error.position]):04X}") from None
    try:
        root = loader.get_single_node()
        if root is None:
            return Located(None, {}, ())
        walk = _Walk()
        walk.visit(root, (), frozenset())
        return Located(loader.construct_document(root), walk.lines, tuple(walk.bad_keys))
    except RecursionError:
        raise yaml.YAMLError("nested too deeply") from None
    except (ValueError, OverflowError, TypeError, AttributeError, KeyError) as error:
        # PyYAML's constructors of !!timestamp, !!int and others raise these for a value that is not one.
        raise yaml.YAMLError(f"a value is invalid for its type: {error}") from None
    finally:
        loader.dispose()


@dataclass
class _Walk:
    """Visits every node; a node with aliases once for each place."""

    lines: dict[Path, int] = field(default_factory=dict)
    bad_keys: list[tuple[Path, int, str]] = field(default_factory=list)

    def visit(self, node: yaml.Node, path: Path, parents: frozenset[int]) -> None:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if len(self.lines) > MAX_VALUES:
            raise yaml.YAMLError(f"more than {MAX_VALUES} values, aliases counted each time")
        if id(node) in parents:
            raise yaml.YAMLError(f"line {line}: a value that contains itself")
        parents = parents | {id(node)}
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, path, parents)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.visit(item, (*path, index), parents)
        else:
            _check_scalar(node, line)

    def _mapping(self, node: yaml.MappingNode, path: Path, parents: frozenset[int]) -> None:
        seen: set[Path] = set()
        for key, value in node.value:
            _check_scalar(key, key.start_mark.line + 1)
            inner = (*path, str(key.value))
            line = self.lines[inner] = key.start_mark.line + 1
            if inner in seen:
                self.bad_keys.append((inner, line, "this key is repeated"))
            elif isinstance(key, yaml.ScalarNode) and key.tag not in _KEY_TAGS:
                self.bad_keys.append((inner, line, "YAML does not read this key as text: put it in quotes"))
            seen.add(inner)
            self.visit(value, inner, parents)


def _check_scalar(node: yaml.Node, line: int) -> None:
    text = str(node.value)
    if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and len(text) > MAX_NUMBER_LENGTH:
        raise yaml.YAMLError(f"line {line}: a number of {len(text):,} characters")
    if isinstance(node, yaml.ScalarNode) and not all(c.isprintable() or c in "\n\t" for c in text):
        raise yaml.YAMLError(f"line {line}: a value with a character that cannot be printed")
