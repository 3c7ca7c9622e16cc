"""The hashes in a constraints file. pip checks them; uv, when it resolves, does not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from builder.metadata.requirement_lines import logical_lines
from builder.model.file_access import read_file
from builder.model.text_files import MAX_FILE_BYTES

#: A file that a constraints file includes: ``-c other.txt``.
_INCLUDED = re.compile(r"(?:-[cr]|--constraints?|--requirements?)[\s=]*(\S+)")


def constraint_texts(paths: Iterable[Path]) -> Mapping[Path, str]:
    """Return the text of constraints files and of those that they include. uv reports one that is missing."""
    texts: dict[Path, str] = {}
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path.is_file() and path not in texts:
            texts[path] = read_file(path, "the file of constraints", MAX_FILE_BYTES).decode("utf-8", "replace")
            included = [match[1] for _, line in logical_lines(texts[path]) if (match := _INCLUDED.match(line))]
            waiting += [Path(os.path.normpath(path.parent / name)) for name in included]
    return texts


def constraint_hashes(texts: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Return the digests (``sha256:…``) that constraints allow, by package."""
    hashes: dict[str, frozenset[str]] = {}
    for text in texts:
        for _, line in logical_lines(text):
            digests = re.findall(r"\s--hash[=\s]\s*(\w+:[0-9a-f]+)", line.lower(), re.ASCII)
            if digests and (name := re.match(r"[\w.-]+", line, re.ASCII)):
                key = canonicalize_name(name[0])
                hashes[key] = hashes.get(key, frozenset()) | frozenset(digests)
    return hashes
