"""The names of the standard library's modules."""

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
