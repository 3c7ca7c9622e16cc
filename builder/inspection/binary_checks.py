"""Whether a target can load a binary: architecture, symbol versions, libraries, ABI tag."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from builder.inspection.elf import ElfFacts
from builder.inspection.file_facts import FileFacts
from builder.inspection.findings import dotted, finding, grouped
from builder.model.artifact import Finding
from builder.model.target import Target

#: Needed versions that are features of glibc and not of a release's number: the first glibc that has them.
_FEATURES = {"GLIBC_ABI_DT_RELR": (2, 36)}
#: ``name.cpython-312-x86_64-linux-gnu.so``: the ABI tag of an extension module (PEP 3149).
_ABI = re.compile(r"^([^.]+)\.((?:cpython|pypy)[^.]*)\.so$")


def check_elf(
    path: str, facts: ElfFacts, target: Target, bundled: Collection[str] | None = None
) -> tuple[Finding, ...]:
    """What stands in the way of loading a binary on a target.

    ``bundled``: the file names of the zip's own libraries, against which needed libraries are held; None: not known.
    """
    if facts.broken:
        return (finding("error", "elf-broken", f"is a damaged binary: {facts.broken}", path),)
    if facts.machine != str(target.architecture) or facts.bits != 64:
        is_for = facts.machine if facts.bits == 64 else f"{facts.bits}-bit {facts.machine}"
        return (finding("error", "elf-machine", f"is for {is_for}, the target is {target.architecture}", path),)
    if any("musl" in library for library in facts.needed):
        return (finding("error", "elf-musl", "is built for musl; Lambda's Pythons have glibc", path),)
    return (*_check_glibc(path, facts, target), *_check_versions(path, facts, target, bundled or ()))


def _check_glibc(path: str, facts: ElfFacts, target: Target) -> list[Finding]:
    runtime = target.runtime
    features = [version for name in facts.features if (version := _FEATURES.get(name))]
    glibc = max([*features, facts.highest("GLIBC") or ()])
    if glibc <= runtime.glibc:
        return []
    message = (
        f"needs glibc {dotted(glibc)}; Python {runtime.python} runs on {runtime.system} with {dotted(runtime.glibc)}"
    )
    return [finding("error", "elf-glibc", message, path)]


def _check_versions(path: str, facts: ElfFacts, target: Target, bundled: Collection[str]) -> list[Finding]:
    """The libraries beside glibc, each family once: libstdc++ (GLIBCXX, CXXABI), libgcc (GCC), zlib."""
    system = target.runtime.system
    findings = []
    for need in facts.needs:
        sure, newest = system.every_image.get(need.family), system.newest_image.get(need.family)
        if sure is None or newest is None or need.version <= sure or need.library in bundled:
            continue
        code = f"elf-{need.family.lower()}"
        if need.version > newest:
            message = f"needs {need} of {need.library}; {system} has {dotted(newest)}"
            findings.append(finding("error", code, message, path))
        else:
            message = f"needs {need} of {need.library}; older images of {system} stop at {dotted(sure)}"
            findings.append(finding("warning", code, message, path))
    return findings


def check_binaries(files: Sequence[FileFacts], target: Target) -> list[Finding]:
    """Every binary of a zip: what it needs, whether its libraries are there, whether Python sees it by its name."""
    findings: list[Finding] = []
    bundled = {file.name for file in files if file.elf or ".so" in file.name}
    missing: dict[str, list[str]] = {}
    for file in files:
        if file.elf is None:
            continue
        findings += check_elf(file.path, file.elf, target, bundled)
        if file.elf.machine == str(target.architecture):
            for library in file.elf.needed:
                if library not in bundled and "musl" not in library and not target.runtime.has_library(library):
                    missing.setdefault(library, []).append(file.path)
    for library, paths in sorted(missing.items()):
        message = f"needs {library}, which neither the zip nor {target.runtime.system} is known to have"
        findings += grouped("warning", "elf-library", message, paths)
    return [*findings, *_check_tags(files, target), *_check_foreign(files)]


def _check_tags(files: Sequence[FileFacts], target: Target) -> list[Finding]:
    """Extension modules whose name says another ABI: Python does not even see them."""
    own = f"cpython-{target.python.replace('.', '')}"
    loadable = (f".{own}-{target.architecture}-linux-gnu.so", f".{own}.so", ".abi3.so", ".so")
    paths = {file.path for file in files}
    findings = []
    for file in files:
        match = _ABI.match(file.name)
        if match is None:
            continue
        module = file.path[: -len(file.name)] + match[1]
        if not any(module + suffix in paths for suffix in loadable):  # else it is there for several Pythons
            message = f"is for {match[2]}; CPython {target.python} on {target.architecture} does not load it"
            findings.append(finding("error", "abi-tag", message, file.path))
    return findings


def _check_foreign(files: Sequence[FileFacts]) -> list[Finding]:
    """Libraries of other systems: by their suffix, or named ``.so`` and no ELF (macOS calls its modules so too)."""
    other = [f.path for f in files if f.name.endswith((".pyd", ".dylib"))]
    false = [f.path for f in files if f.sha256 and f.elf is None and f.name.endswith(".so") and not f.is_link]
    return [
        *grouped("warning", "binary-foreign", "is a library of another system", other),
        *grouped("error", "elf-none", "is named .so and is no ELF file", false),
    ]
