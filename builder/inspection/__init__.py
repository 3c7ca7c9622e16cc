"""Proof of a zip: what its files need, held against what the target's runtime has."""

from __future__ import annotations

from builder.artifact import Finding
from builder.inspection.elf import MACHINES, ElfFacts, elf_facts
from builder.matrix import Target

__all__ = ["ElfFacts", "check_elf", "elf_facts"]


def check_elf(path: str, facts: ElfFacts, target: Target) -> tuple[Finding, ...]:
    """What stands in the way of loading a binary on a target."""
    if facts.broken:
        return (Finding(level="error", code="elf-broken", path=path, message=f"cannot be read: {facts.broken}"),)
    findings = []
    if facts.machine != MACHINES[target.architecture]:
        findings.append(
            Finding(
                level="error",
                code="elf-machine",
                path=path,
                message=f"is for {facts.machine.removeprefix('EM_').lower()}, the target is {target.architecture}",
            )
        )
    glibc = facts.highest("GLIBC")
    if glibc and glibc > target.runtime.glibc:
        needs, has = ".".join(map(str, glibc)), ".".join(map(str, target.runtime.glibc))
        findings.append(
            Finding(
                level="error",
                code="elf-glibc",
                path=path,
                message=f"needs glibc {needs}; {target.runtime.system} has {has}",
            )
        )
    if any("musl" in library for library in facts.needed):
        findings.append(Finding(level="error", code="elf-musl", path=path, message="is built for musl, not for glibc"))
    return tuple(findings)
