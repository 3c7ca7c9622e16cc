"""Read any zip without trusting it: false sizes, zip bombs, odd names, damage.

Files are read in chunks and only their facts are kept, so that the memory does not depend on the zip's size. A file
that is not a zip is an InputError; everything else that is wrong becomes a finding.
"""

from __future__ import annotations

import calendar
import hashlib
import io
import mmap
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Final

from builder.inspection import elf
from builder.inspection.distributions import text_limit
from builder.inspection.elf import ElfFacts, elf_facts
from builder.inspection.file_facts import FileFacts
from builder.inspection.pyc import PYC_HEADER_BYTES, header_facts, layer_path
from builder.metadata.record import MAX_RECORD_BYTES
from builder.model.artifact import Finding
from builder.model.errors import InputError
from builder.model.figures import counted
from builder.model.findings import finding, group_equal, group_paths
from builder.model.runtimes import UNZIPPED_LIMIT_BYTES
from builder.model.zip_damage import ZIP_DAMAGE

#: A zip that claims more than this, four times Lambda's limit, is not unpacked at all.
MAX_UNZIPPED_BYTES: Final = 4 * UNZIPPED_LIMIT_BYTES
#: As many as a zip holds without ZIP64; and bytes of a central directory with so many long names.
MAX_ENTRIES: Final = 65_535
MAX_DIRECTORY_BYTES: Final = 16 * 1024 * 1024
#: Bytes of METADATA, WHEEL and RECORD files that are kept, all together.
MAX_TEXT_BYTES: Final = MAX_RECORD_BYTES + 8 * 1024 * 1024
#: Memory for the names that binaries require, all together. Those of scipy, pandas and pyarrow take 0.3 MB.
MAX_ELF_BYTES: Final = 8 * 1024 * 1024
_CHUNK_BYTES: Final = 256 * 1024
_MAX_LINK_BYTES: Final = 1024
_CENTRAL_HEADER = b"PK\x01\x02"
_ENCRYPTED, _UTF8 = 0x1, 0x800
_UNIX, _MACOS = 3, 19


@dataclass
class ZipContents:
    """What was read of a zip."""

    files: list[FileFacts] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)  #: METADATA, WHEEL and RECORD of every distribution
    problems: list[Finding] = field(default_factory=list)  #: errors of files
    findings: list[Finding] = field(default_factory=list)
    text_bytes: int = 0
    elf_bytes: int = 0

    def error(self, code: str, message: str, path: str) -> None:
        """Note an error of a file."""
        self.problems.append(finding("error", code, message, path))

    def keep(self, path: str, text: bytes, *, is_cut: bool) -> None:
        """Keep a metadata file. ``is_cut``: the file has more than this text."""
        headers, end, _ = text.partition(b"\n\n")
        if end and path.endswith("/METADATA"):
            text = headers  # the description is not needed
        elif is_cut:
            message = "is too large: only its beginning was read"
            self.findings.append(finding("warning", "metadata-malformed", message, path))
        self.texts[path] = text
        self.text_bytes += len(text)

    def keep_elf(self, facts: ElfFacts | None) -> ElfFacts | None:
        """Return a binary's facts, without names if the binaries of the zip have too many."""
        size = facts.memory_bytes if facts else 0
        if facts and self.elf_bytes + size > MAX_ELF_BYTES:
            return ElfFacts(facts.machine, facts.bits, broken="the zip's binaries require too much")
        self.elf_bytes += size
        return facts


class _DirectoryLimit(io.FileIO):
    """A zip file that refuses to read a central directory of excessive size, which zipfile would hold in memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        limit = -1 if size is None else size
        if limit > MAX_DIRECTORY_BYTES:
            raise _TooLargeError(f"the central directory has {limit:,} bytes, the limit is {MAX_DIRECTORY_BYTES:,}")
        data = super().read(limit)
        if data.startswith(_CENTRAL_HEADER) and (entries := data.count(_CENTRAL_HEADER)) > MAX_ENTRIES:
            raise _TooLargeError(f"it has {entries:,} files, a zip without ZIP64 holds {MAX_ENTRIES:,}")
        return data


class _TooLargeError(Exception):
    """A zip that would need too much memory to read."""


def read_zip(path: Path) -> ZipContents:
    """Read a whole zip. Raises InputError if it is not a zip, or would unpack to far more than Lambda's limit."""
    if not path.is_file():
        reason = "is a directory" if path.is_dir() else "not a regular file" if path.exists() else "no such file"
        raise InputError(f"cannot read the zip: {reason}", where=str(path), fix="give the path of a zip")
    try:
        with _DirectoryLimit(path) as file, zipfile.ZipFile(file) as archive:
            return _read(archive, path)
    except _TooLargeError as error:
        raise InputError(f"the zip is too large to inspect: {error}", where=str(path), fix=_NOT_A_LAYER) from None
    except ZIP_DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise InputError(
            f"not a readable zip: {reason}", where=str(path), fix="build or download the zip again"
        ) from None


_NOT_A_LAYER = f"check that it is a layer: Lambda's limit is {UNZIPPED_LIMIT_BYTES:,} bytes unzipped"


def _read(archive: zipfile.ZipFile, path: Path) -> ZipContents:
    entries = archive.infolist()
    total = sum(entry.file_size for entry in entries)
    if total > MAX_UNZIPPED_BYTES:
        raise InputError(
            f"the zip claims {total:,} bytes unzipped in {counted(len(entries), 'file')} (a zip bomb?): "
            "it is not unpacked",
            where=str(path),
            fix=_NOT_A_LAYER,
        )
    contents = ZipContents()
    for entry in entries:
        contents.files.append(_read_entry(archive, entry, contents))
    contents.findings += [*group_equal(contents.problems), *_check_container(archive, entries)]
    return contents


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, contents: ZipContents) -> FileFacts:
    """Read a file, at most as many bytes as the zip claims, and compare its checksum; an error if one is wrong."""
    path = entry.orig_filename  # `filename` is cut at a NUL
    mode = _mode(entry)
    kind = stat.S_IFMT(mode or 0)
    file = FileFacts(
        path=path,
        mode=None if mode is None else stat.S_IMODE(mode),
        size=entry.file_size,
        sha256=None,
        is_link=kind == stat.S_IFLNK,
        is_special=kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK),
        modified=_seconds(entry),
    )
    if file.is_folder or file.is_special or kind == stat.S_IFDIR:
        return file
    if entry.flag_bits & _ENCRYPTED:
        contents.error("zip-encrypted", "is encrypted; Lambda has no password", path)
    elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        message = f"has compression method {entry.compress_type}; Lambda takes DEFLATE (8) and stored (0) only"
        contents.error("zip-method", message, path)
    elif entry.file_size <= UNZIPPED_LIMIT_BYTES:  # else the check of the sizes reports it
        try:
            with archive.open(entry) as content:
                return _read_content(content, file, contents)
        except ZIP_DAMAGE as error:
            reason = str(error) or type(error).__name__
            contents.error("zip-damaged", "cannot be unpacked: " + reason.replace(repr(entry.filename), "it"), path)
    return file


def _read_content(content: IO[bytes], file: FileFacts, contents: ZipContents) -> FileFacts:
    """Return the file with the facts of its content. Only a binary is kept whole, a large one on the disk."""
    digest, size, head, text = hashlib.sha256(), 0, b"", b""
    needle = layer_path(file.path) if file.path.endswith(".pyc") else b""
    window, names_layer = b"", False
    limit = text_limit(file.path)
    left = min(limit or 0, MAX_TEXT_BYTES - contents.text_bytes)
    with tempfile.SpooledTemporaryFile(max_size=_CHUNK_BYTES) as binary:
        while chunk := content.read(
            min(_CHUNK_BYTES, file.size + 1 - size)
        ):  # a byte more than the zip claims shows it
            head = head or chunk
            size += len(chunk)
            digest.update(chunk)
            text += chunk[: left - len(text)]
            if head.startswith(elf.MAGIC):
                binary.write(chunk)
            if needle:
                window = window[-len(needle) :] + chunk
                names_layer = names_layer or needle in window
        facts = contents.keep_elf(_elf_facts(binary)) if head.startswith(elf.MAGIC) else None
    if size != file.size:
        contents.error("zip-size", "does not have the size that the zip claims", file.path)
    if limit is not None:
        contents.keep(file.path, text, is_cut=size > left)
    if file.is_link:
        return replace(file, link_target=head[:_MAX_LINK_BYTES].decode("utf-8", "replace"))
    pyc = header_facts(head[:PYC_HEADER_BYTES], size, names_layer=names_layer) if needle else None
    return replace(file, sha256=digest.hexdigest(), elf=facts, pyc=pyc)


def _elf_facts(binary: tempfile.SpooledTemporaryFile[bytes]) -> ElfFacts | None:
    number = binary.fileno()  # writes it to the disk
    binary.flush()
    with mmap.mmap(number, 0, access=mmap.ACCESS_READ) as data:
        return elf_facts(data)


def _mode(entry: zipfile.ZipInfo) -> int | None:
    """Return the Unix mode, if a tool that writes Unix modes made the zip."""
    mode = entry.external_attr >> 16
    return mode if entry.create_system in (_UNIX, _MACOS) and mode else None


def _seconds(entry: zipfile.ZipInfo) -> int | None:
    try:
        return calendar.timegm((*entry.date_time, 0, 0, 0))
    except (ValueError, OverflowError):
        return None


def _check_container(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> Iterator[Finding]:
    """Check the container: names without a known encoding, entries that share bytes, bytes before the first entry."""
    unflagged = [e.orig_filename for e in entries if not e.flag_bits & _UTF8 and not e.orig_filename.isascii()]
    message = "is not ASCII and not marked as UTF-8: each tool unpacks it under another name"
    yield from group_paths("error", "name-encoding", message, unflagged)
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    ends = [*(entry.header_offset for entry in ordered), archive.start_dir][1:]
    shared = [e.orig_filename for e, end in zip(ordered, ends, strict=True) if e.header_offset + e.compress_size > end]
    yield from group_paths("error", "zip-overlap", "shares its bytes with another entry (a zip bomb?)", shared)
    if ordered and ordered[0].header_offset > 0:
        before = ordered[0].header_offset
        yield finding("warning", "zip-prefix", f"has {before:,} bytes before its first entry")
