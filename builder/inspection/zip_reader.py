"""Reading a zip that nobody vouches for: sizes that lie, bombs, odd names, damage.

What cannot be read as a zip at all is an InputError; what is merely wrong becomes a finding.
"""

from __future__ import annotations

import calendar
import hashlib
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from builder.inspection.distributions import is_text
from builder.inspection.elf import elf_facts
from builder.inspection.file_checks import UNZIPPED_LIMIT
from builder.inspection.file_facts import FileFacts
from builder.inspection.findings import finding, grouped
from builder.inspection.pyc import pyc_facts
from builder.model.artifact import Finding
from builder.model.errors import InputError

#: A zip that says it unpacks to more than this, four times what Lambda takes, is not unpacked at all.
BOMB: Final = 4 * UNZIPPED_LIMIT
_ENTRIES: Final = 200_000
_ENCRYPTED, _UTF8 = 0x1, 0x800
_UNIX, _MACOS = 3, 19
#: What zipfile raises of damaged input.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, IndexError, KeyError, NotImplementedError, OSError,
    OverflowError, RuntimeError, UnicodeError, ValueError,
)  # fmt: skip


@dataclass
class Contents:
    """What was read of a zip."""

    files: list[FileFacts] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)  #: METADATA, WHEEL and RECORD of every distribution
    findings: list[Finding] = field(default_factory=list)


def read_zip(path: Path) -> Contents:
    """Read a zip whole. InputError where it is none, or would unpack to far more than Lambda takes."""
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "is a folder" if path.is_dir() else "no such file")
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path)
    except FileNotFoundError as error:
        raise InputError(f"there is no zip here: {error.strerror}", where=str(path)) from None
    except _DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise InputError(
            f"not a zip that can be read: {reason}", where=str(path), fix="build or fetch it again"
        ) from None


def _read(archive: zipfile.ZipFile, path: Path) -> Contents:
    entries = archive.infolist()
    total = sum(entry.file_size for entry in entries)
    if total > BOMB or len(entries) > _ENTRIES:
        raise InputError(
            f"says it unpacks to {total:,} bytes in {len(entries):,} files; "
            f"Lambda takes {UNZIPPED_LIMIT:,} bytes, and this is not unpacked to look further",
            where=str(path),
            fix="is it a layer at all?",
        )
    contents = Contents()
    for entry in entries:
        _read_entry(archive, entry, contents)
    contents.findings += _check_container(archive, entries)
    return contents


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, contents: Contents) -> None:
    name = entry.orig_filename  # `filename` is cut at a NUL
    mode = _mode(entry)
    kind = stat.S_IFMT(mode or 0)
    is_link = kind not in (0, stat.S_IFREG, stat.S_IFDIR)
    permissions = None if mode is None else stat.S_IMODE(mode)
    data = None if is_link or name.endswith("/") else _content(archive, entry, contents)
    contents.files.append(
        FileFacts(
            path=name,
            mode=permissions,
            size=entry.file_size,
            sha256=None if data is None else hashlib.sha256(data).hexdigest(),
            is_link=is_link,
            elf=None if data is None else elf_facts(data),
            pyc=None if data is None else pyc_facts(name, data),
            modified=_seconds(entry),
        )
    )
    if data is not None and is_text(name):
        contents.texts[name] = data.decode("utf-8", "replace")


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, contents: Contents) -> bytes | None:
    """The file's bytes, at most as many as the zip says, proved by its checksum; None, with a finding, if not so."""
    name = entry.orig_filename
    if entry.flag_bits & _ENCRYPTED:
        contents.findings.append(finding("error", "zip-encrypted", "is encrypted; Lambda has no password", name))
        return None
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        message = f"is compressed by method {entry.compress_type}; Lambda takes DEFLATE (8) and stored (0) only"
        contents.findings.append(finding("error", "zip-method", message, name))
        return None
    if entry.file_size > UNZIPPED_LIMIT:
        return None  # too large by itself, which the sizes' check says
    try:
        with archive.open(entry) as file:
            data = file.read(entry.file_size + 1)
    except _DAMAGE as error:
        message = f"cannot be unpacked: {str(error) or type(error).__name__}"
        contents.findings.append(finding("error", "zip-damaged", message, name))
        return None
    if len(data) != entry.file_size:
        message = f"says it has {entry.file_size:,} bytes and has {len(data):,}"
        contents.findings.append(finding("error", "zip-size", message, name))
    return data


def _mode(entry: zipfile.ZipInfo) -> int | None:
    """The Unix mode, where the zip was written with one."""
    mode = entry.external_attr >> 16
    return mode if entry.create_system in (_UNIX, _MACOS) and mode else None


def _seconds(entry: zipfile.ZipInfo) -> int | None:
    try:
        return calendar.timegm((*entry.date_time, 0, 0, 0))
    except (ValueError, OverflowError):
        return None


def _check_container(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> list[Finding]:
    """The zip as a container: entries that share bytes, bytes of no entry before the first, names in no known code."""
    unflagged = [e.orig_filename for e in entries if not e.flag_bits & _UTF8 and not e.orig_filename.isascii()]
    message = "is not ASCII and not marked as UTF-8: its name depends on who unpacks it"
    found = grouped("error", "name-encoding", message, unflagged)
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    ends = [*(entry.header_offset for entry in ordered), archive.start_dir][1:]
    shared = [e.orig_filename for e, end in zip(ordered, ends, strict=True) if e.header_offset + e.compress_size > end]
    found += grouped("error", "zip-overlap", "shares its bytes with another entry", shared)
    if ordered and ordered[0].header_offset > 0:
        before = ordered[0].header_offset
        found.append(finding("warning", "zip-prefix", f"has {before:,} bytes before its first entry", None))
    return found
