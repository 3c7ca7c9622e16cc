"""Check whether a target can load binaries: architecture, symbol versions, shared libraries, ABI tag.

Only what an import loads must fit the target. Wheels for any platform bring helper programs, ctypes libraries and test
data for several machines and pick their own at run time, so for all other files the same problem is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from builder.inspection.elf import ElfFacts
from builder.inspection.file_facts import FileFacts
from builder.metadata.module_names import module_name
from builder.model.artifact import Finding
from builder.model.findings import Level, dotted, finding, group_equal, group_paths
from builder.model.target import Target

#: Symbol versions that name a glibc feature instead of a number → the first glibc that has it.
_FEATURES = {"GLIBC_ABI_DT_RELR": (2, 36)}
#: ``name.cpython-312-x86_64-linux-gnu.so``: the ABI tag of an extension module (PEP 3149).
_ABI = re.compile(r"([^.]+)\.((?:cpython|pypy)[^.]*)\.so")
_IMPORT_ROOT = re.compile(r"python/(?:lib/python\d+\.\d+/site-packages/)?")
_TEST_FOLDER = re.compile(r"(?:^|/)tests?/")


def check_elf(
    path: str, facts: ElfFacts, target: Target, bundled: Collection[str] = (), level: Level = "error"
) -> Iterator[Finding]:
    """Yield the findings that prevent a target from loading a binary.

    ``bundled``: file names of libraries in the zip, which replace the system's. ``level``: the findings' level.
    """
    runtime, system = target.runtime, target.runtime.system
    if facts.broken:
        yield finding(level, "elf-broken", f"is a damaged ELF file: {facts.broken}", path)
        return
    if facts.machine != str(target.architecture) or facts.bits != 64:
        machine = facts.machine if facts.bits == 64 else f"{facts.bits}-bit {facts.machine}"
        yield finding(level, "elf-machine", f"is for {machine}, the target is {target.architecture}", path)
        return
    if any("musl" in library for library in facts.needed):
        yield finding(level, "elf-musl", "is built for musl (Alpine Linux); Lambda's Python uses glibc", path)
        return
    features = [version for name in facts.features if (version := _FEATURES.get(name))]
    if (glibc := max([*features, facts.highest("GLIBC") or ()])) > runtime.glibc:
        has = f"Python {runtime.python} runs on {system}, glibc {dotted(runtime.glibc)}"
        yield finding(level, "elf-glibc", f"needs glibc {dotted(glibc)}; {has}", path)
    for need in facts.needs:  # of the other libraries: libstdc++ (GLIBCXX, CXXABI), libgcc (GCC), zlib
        sure, newest = system.every_image.get(need.family), system.newest_image.get(need.family)
        if sure is None or newest is None or need.version <= sure or need.library in bundled:
            continue
        code, message = f"elf-{need.family.lower()}", f"needs {need} of {need.library}"
        if need.version > newest:
            yield finding(level, code, f"{message}; {system} has {dotted(newest)}", path)
        else:
            yield finding("warning", code, f"{message}; older images of {system} have {dotted(sure)}", path)


def check_binaries(files: Sequence[FileFacts], target: Target, *, own_code: bool = False) -> list[Finding]:
    """Check every binary of a zip: what it needs, whether its libraries exist, whether its name lets Python import it.

    ``own_code``: the files belong to an app and not to wheels. If all its shared libraries are for other machines, they
    count as imported too.
    """
    bundled = {file.name for file in files if file.elf or ".so" in file.name}
    imported = _find_imported(files, target)
    if own_code and not any(file.elf and file.elf.machine == str(target.architecture) for file in files):
        imported |= {file.path for file in files if file.elf and _is_importable(file.path)}
    problems = sorted(
        _problems(files, imported, bundled, target), key=lambda each: (each.level, each.code, each.message)
    )
    return [*group_equal(problems), *_check_abi_tags(files, target), *_check_other_systems(files, target)]


def _problems(
    files: Sequence[FileFacts], imported: Collection[str], bundled: Collection[str], target: Target
) -> Iterator[Finding]:
    """Yield the findings about each binary."""
    for file in files:
        if file.elf is None:
            continue
        yield from check_elf(file.path, file.elf, target, bundled, "error" if file.path in imported else "warning")
        for library in file.elf.needed if file.elf.machine == str(target.architecture) else ():
            if library not in bundled and "musl" not in library and not target.runtime.has_library(library):
                message = f"needs {library}, which neither the zip nor {target.runtime.system} has"
                yield finding("warning", "elf-library", message, file.path)


def _find_imported(files: Iterable[FileFacts], target: Target) -> set[str]:
    """Return the paths of the binaries that an import loads: extension modules, and the libraries that they need."""
    by_name: dict[str, list[FileFacts]] = {}
    waiting: list[FileFacts] = []
    for file in files:
        if file.elf:
            by_name.setdefault(file.name, []).append(file)
            untagged = file.elf.is_module and _is_importable(file.path) and not _ABI.fullmatch(file.name)
            if untagged or _is_extension_module(file.path, target):
                waiting.append(file)
    imported = {file.path for file in waiting}
    while waiting:
        elf = waiting.pop().elf
        for library in elf.needed if elf else ():
            for file in by_name.pop(library, ()):  # each library is followed once
                imported.add(file.path)
                waiting.append(file)
    return imported


def _abi_suffixes(target: Target) -> tuple[str, ...]:
    """Return the suffixes of extension modules for this target's ABI (``importlib.machinery``)."""
    suffix = f".cpython-{target.python.replace('.', '')}"
    return (f"{suffix}-{target.architecture}-linux-gnu.so", f"{suffix}.so", ".abi3.so")


def _is_extension_module(path: str, target: Target) -> bool:
    """Whether the file name is an extension module's for this target. A plain ``.so`` may be any library."""
    return path.endswith(_abi_suffixes(target)) and _is_importable(path)


def _is_importable(path: str) -> bool:
    """Whether an import statement can reach the file."""
    return path.endswith(".so") and module_name(_IMPORT_ROOT.sub("", path, count=1)) is not None


def _check_abi_tags(files: Sequence[FileFacts], target: Target) -> list[Finding]:
    """Report extension modules whose name has another ABI tag: Python does not find them."""
    loadable = (*_abi_suffixes(target), ".so")
    paths = {file.path for file in files}
    problems: list[Finding] = []
    for file in files:
        match = _ABI.fullmatch(file.name) if file.name.endswith(".so") else None
        if match is None:
            continue
        module = file.path[: -len(file.name)] + match[1]
        # If one of these is there, the zip has the module for several Pythons.
        if not any(module + suffix in paths for suffix in loadable):
            is_code = _is_importable(file.path) and not _TEST_FOLDER.search(file.path)
            message = f"is for {match[2]}; CPython {target.python} on {target.architecture} does not import it"
            problems.append(finding("error" if is_code else "warning", "abi-tag", message, file.path))
    return group_equal(problems)


def _check_other_systems(files: Sequence[FileFacts], target: Target) -> Iterator[Finding]:
    """Report libraries of other systems, by their suffix or because a ``.so`` is not an ELF file (macOS: Mach-O)."""
    foreign = [f.path for f in files if f.name.endswith((".pyd", ".dylib"))]
    yield from group_paths("warning", "binary-foreign", "is a library for Windows or macOS", foreign)
    false = [f.path for f in files if f.sha256 and f.elf is None and f.name.endswith(".so")]
    modules = [path for path in false if _is_extension_module(path, target)]
    libraries = [path for path in false if not _is_extension_module(path, target)]
    yield from group_paths("error", "elf-none", "is named like an extension module but is not an ELF file", modules)
    yield from group_paths("warning", "elf-none", "is named .so but is not an ELF file", libraries)
