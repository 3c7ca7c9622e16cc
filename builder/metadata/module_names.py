"""The names of modules and their files below an import root, and which of them hide the standard library's."""

from __future__ import annotations

import sys
from typing import Final

#: Removed in Python 3.12 and 3.13: there a package of this name hides nothing.
_REMOVED: Final = frozenset(
    {
        "aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils", "imghdr", "imp",
        "lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr", "spwd", "sunau",
        "telnetlib", "uu", "xdrlib",
    }
)  # fmt: skip
#: Modules that a file of the same name, in a folder before them on ``sys.path``, hides.
HIDEABLE_MODULES: Final = sys.stdlib_module_names - set(sys.builtin_module_names) - _REMOVED


def module_name(path: str) -> str | None:
    """Return the dotted name of the module that a file is (``pkg/__init__.py`` → ``pkg.__init__``), or None."""
    if not path.endswith((".py", ".so")):
        return None
    *folders, file = path.split("/")
    parts = [*folders, file.removesuffix(".py") if file.endswith(".py") else file.partition(".")[0]]
    return ".".join(parts) if all(map(str.isidentifier, parts)) and "__pycache__" not in folders else None


def top_level_module(path: str) -> str | None:
    """Return the top-level module that a file makes (``name.py``, ``name/__init__.py``), or None."""
    name = (module_name(path) or "").removesuffix(".__init__")
    return name if name and "." not in name else None


def pyc_path(path: str, python: str) -> str:
    """Return the path of a module's bytecode (PEP 3147): ``a/b.py`` → ``a/__pycache__/b.cpython-312.pyc``."""
    folder, _, name = path.rpartition("/")
    cached = f"__pycache__/{name.removesuffix('.py')}.cpython-{python.replace('.', '')}.pyc"
    return f"{folder}/{cached}" if folder else cached
