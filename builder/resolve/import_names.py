"""Advice for requirements that name a module instead of the package that has it."""

from __future__ import annotations

import sys
from typing import Final

from packaging.utils import canonicalize_name

#: Packages by the normalised name of their module. The index has no package of that name, or none with wheels.
_PACKAGES: Final = {
    "cv2": "opencv-python-headless", "crypto": "pycryptodome", "dateutil": "python-dateutil", "docx": "python-docx",
    "dotenv": "python-dotenv", "fitz": "pymupdf", "git": "gitpython", "openssl": "pyopenssl", "pil": "pillow",
    "pptx": "python-pptx", "psycopg2": "psycopg2-binary", "serial": "pyserial", "skimage": "scikit-image",
    "sklearn": "scikit-learn", "yaml": "pyyaml",
}  # fmt: skip
_STANDARD: Final = frozenset(map(canonicalize_name, sys.stdlib_module_names))


def advice_for_name(name: str) -> str | None:
    """Return what to require in place of a module's name; None if the name is not known as a module's."""
    name = canonicalize_name(name)
    if name in _STANDARD:
        return f"{name} is a module of Python's standard library: remove it from the requirements"
    return f"write {package}, the package that has this module" if (package := _PACKAGES.get(name)) else None
