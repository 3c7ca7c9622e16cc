"""ELF files: the facts that are read from them, and what a runtime does not provide."""

from __future__ import annotations

import dataclasses
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.inspection.binary_checks import check_binaries, check_elf
from builder.inspection.elf import ElfFacts, Need, elf_facts
from builder.inspection.file_checks import check_files
from builder.inspection.file_facts import FileFacts
from builder.model.runtimes import RUNTIMES
from tests.fakes.zips import codes, own_binary, target

GOOD = ElfFacts("x86_64", needs=(Need("libc.so.6", "GLIBC", (2, 17)),), needed=("libc.so.6",))


def needing(library: str, family: str, *version: int) -> ElfFacts:
    return dataclasses.replace(GOOD, needs=(Need(library, family, version),))


def binary(facts: ElfFacts, path: str = "python/m.abi3.so") -> FileFacts:
    return FileFacts(path, 0o644, 10, "0" * 64, elf=facts)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (dataclasses.replace(GOOD, machine="aarch64"), "elf-machine"),
        (dataclasses.replace(GOOD, machine="386", bits=32), "elf-machine"),
        (dataclasses.replace(GOOD, bits=32), "elf-machine"),
        (dataclasses.replace(GOOD, broken="cut off"), "elf-broken"),
        (dataclasses.replace(GOOD, needed=("libc.musl-x86_64.so.1",)), "elf-musl"),
        (needing("libc.so.6", "GLIBC", 2, 35), "elf-glibc"),
        (needing("libm.so.6", "GLIBC", 2, 38), "elf-glibc"),
        (dataclasses.replace(GOOD, features=("GLIBC_ABI_DT_RELR",)), "elf-glibc"),
        (needing("libstdc++.so.6", "GLIBCXX", 3, 4, 34), "elf-glibcxx"),
        (needing("libstdc++.so.6", "CXXABI", 1, 3, 16), "elf-cxxabi"),
        (needing("libgcc_s.so.1", "GCC", 15, 0, 0), "elf-gcc"),
    ],
)
def test_a_binary_that_the_runtime_cannot_load_is_an_error(facts: ElfFacts, code: str) -> None:
    (finding,) = check_elf("python/m.so", facts, target("3.12"))
    assert (finding.level, finding.code, finding.path) == ("error", code, "python/m.so")


def test_a_binary_that_the_runtime_can_load_has_no_findings() -> None:
    for facts in (GOOD, needing("libc.so.6", "GLIBC", 2, 34), needing("libstdc++.so.6", "GLIBCXX", 3, 4, 29)):
        assert not list(check_elf("python/m.so", facts, target("3.12")))


def test_amazon_linux_2_has_older_libraries() -> None:
    glibc, cxx = needing("libc.so.6", "GLIBC", 2, 27), needing("libstdc++.so.6", "GLIBCXX", 3, 4, 25)
    assert codes(check_elf("m.so", glibc, target("3.11"))) == {"elf-glibc"}
    assert codes(check_elf("m.so", cxx, target("3.11"))) == {"elf-glibcxx"}
    assert not [*check_elf("m.so", glibc, target("3.12")), *check_elf("m.so", cxx, target("3.12"))]


def test_a_symbol_of_newer_images_only_is_a_warning() -> None:
    (finding,) = check_elf("m.so", needing("libstdc++.so.6", "GLIBCXX", 3, 4, 30), target("3.12"))
    assert (finding.level, finding.code) == ("warning", "elf-glibcxx")


def test_a_library_in_the_zip_need_not_be_in_the_system() -> None:
    facts = dataclasses.replace(needing("libstdc++-ab12.so.6", "GLIBCXX", 3, 4, 99), needed=("libstdc++-ab12.so.6",))
    alone = check_files([binary(facts)], target())
    together = check_files([binary(facts), binary(GOOD, "python/m.libs/libstdc++-ab12.so.6")], target())
    assert {"elf-glibcxx", "elf-library"} <= codes(alone)
    assert not codes(together) & {"elf-glibcxx", "elf-library"}


def test_a_missing_library_is_reported_with_the_binary_that_needs_it() -> None:
    facts = dataclasses.replace(GOOD, needed=("libc.so.6", "libpq.so.5", "libpython3.12.so.1.0"))
    findings = [f for f in check_files([binary(facts)], target()) if f.code == "elf-library"]
    assert [(f.level, f.path, "libpq.so.5" in f.message) for f in findings] == [("warning", "python/m.abi3.so", True)]


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("m.cpython-312-x86_64-linux-gnu.so", True),
        ("m.abi3.so", True),
        ("m.so", True),
        ("m.cpython-311-x86_64-linux-gnu.so", False),
        ("m.cpython-313t-x86_64-linux-gnu.so", False),
        ("m.cpython-312-aarch64-linux-gnu.so", False),
        ("m.cpython-312-x86_64-linux-musl.so", False),
        ("m.cpython-312-darwin.so", False),
        ("m.pypy310-pp73-x86_64-linux-gnu.so", False),
    ],
)
def test_an_extension_module_for_another_python_is_reported(name: str, seen: bool) -> None:
    assert ("abi-tag" in codes(check_files([binary(GOOD, f"python/{name}")], target("3.12")))) is not seen


OTHER = dataclasses.replace(GOOD, machine="aarch64")
MUSL_MODULE = dataclasses.replace(GOOD, is_module=True, needed=("libc.musl-x86_64.so.1",))


@pytest.mark.parametrize(
    ("path", "facts", "level"),
    [
        ("python/m.abi3.so", OTHER, "error"),
        ("python/p/m.cpython-312-x86_64-linux-gnu.so", OTHER, "error"),
        ("python/lib/python3.12/site-packages/p/m.cpython-312-x86_64-linux-gnu.so", OTHER, "error"),
        ("python/p/m.so", dataclasses.replace(OTHER, is_module=True), "error"),
        ("python/p/m.so", MUSL_MODULE, "error"),
        ("python/p/m.cpython-313-x86_64-linux-musl.so", MUSL_MODULE, "warning"),
        ("python/p/m.cpython-312-aarch64-linux-gnu.so", dataclasses.replace(OTHER, is_module=True), "warning"),
        ("python/p/m.so", OTHER, "warning"),
        ("python/p/libm.so.1", OTHER, "warning"),
        ("python/p/data-set/m.abi3.so", OTHER, "warning"),
        ("python/p/bin/tool", OTHER, "warning"),
        ("python/p/bin/tool", dataclasses.replace(GOOD, bits=32), "warning"),
        ("python/p/bin/tool", dataclasses.replace(GOOD, broken="cut off"), "warning"),
        ("python/p/bin/tool", needing("libc.so.6", "GLIBC", 2, 38), "warning"),
    ],
)
def test_only_what_an_import_loads_must_fit_the_target(path: str, facts: ElfFacts, level: str) -> None:
    assert {f.level for f in check_files([binary(facts, path)], target()) if f.code.startswith("elf-")} == {level}


def test_a_library_that_an_extension_module_needs_must_fit_the_target_too() -> None:
    module = dataclasses.replace(GOOD, needed=("liba.so.1",))
    files = [
        binary(module, "python/m.abi3.so"),
        binary(dataclasses.replace(GOOD, needed=("libb.so.1",)), "python/m.libs/liba.so.1"),
        binary(OTHER, "python/m.libs/libb.so.1"),
        binary(OTHER, "python/m.libs/libc.so.1"),
    ]
    levels = {f.path: f.level for f in check_files(files, target()) if f.code == "elf-machine"}
    assert levels == {"python/m.libs/libb.so.1": "error", "python/m.libs/libc.so.1": "warning"}


def test_an_app_may_have_a_library_for_each_architecture_but_not_for_another_one_only() -> None:
    files = [binary(OTHER, "tools/arm64.so"), binary(GOOD, "tools/x86_64.so")]
    assert {f.level for f in check_binaries(files, target(), own_code=True)} == {"warning"}
    assert {f.level for f in check_binaries(files[:1], target(), own_code=True)} == {"error"}


@pytest.mark.parametrize(
    ("path", "level"),
    [("python/m.abi3.so", "error"), ("python/p/lib.so", "warning"), ("python/p/x-y/m.abi3.so", "warning")],
)
def test_a_mach_o_file_is_an_error_only_as_an_extension_module(path: str, level: str) -> None:
    first = check_files([FileFacts(path, 0o644, 9, "0" * 64)], target())[0]
    assert (first.code, first.level) == ("elf-none", level)


def test_an_extension_module_may_be_present_for_several_pythons() -> None:
    files = [binary(GOOD, f"python/p/m.cpython-{n}-x86_64-linux-gnu.so") for n in (311, 312, 313)]
    assert "abi-tag" not in codes(check_files(files, target("3.12")))


def test_extension_modules_of_other_pythons_and_for_musl_beside_those_of_the_target_are_no_error() -> None:
    """As in the wheels of pandas 2.2.3 for aarch64."""
    tags = ("312-x86_64-linux-gnu", "312-x86_64-linux-musl", "313-x86_64-linux-musl", "39-aarch64-linux-gnu")
    facts = (dataclasses.replace(GOOD, is_module=True), MUSL_MODULE, MUSL_MODULE, OTHER)
    files = [binary(each, f"python/p/m.cpython-{tag}.so") for tag, each in zip(tags, facts, strict=True)]
    found = {(f.code, f.level) for f in check_files(files, target("3.12")) if f.code.startswith(("elf", "abi"))}
    assert found == {("elf-musl", "warning"), ("elf-machine", "warning")}


def test_newer_images_have_every_symbol_of_the_oldest() -> None:
    for runtime in RUNTIMES.values():
        assert runtime.system.every_image.keys() == runtime.system.newest_image.keys()
        assert all(version <= runtime.system.newest_image[name] for name, version in runtime.system.every_image.items())


@pytest.mark.skipif(not own_binary(), reason="this Python has no ELF modules")
class TestRealBinary:
    def test_its_facts_are_read(self) -> None:
        facts = elf_facts(own_binary())
        assert facts is not None
        assert facts.broken is None
        assert "libc.so.6" in facts.needed
        assert (facts.highest("GLIBC") or ()) >= (2, 2)

    def test_its_architecture_is_the_one_in_its_header(self) -> None:
        data = own_binary()
        for number, name in ((183, "aarch64"), (62, "x86_64"), (243, "riscv")):
            facts = elf_facts(data[:18] + struct.pack("<H", number) + data[20:])
            assert facts is not None
            assert facts.machine == name

    def test_it_is_read_without_section_headers(self) -> None:
        data = bytearray(own_binary())
        data[40:48] = bytes(8)  # e_shoff
        data[58:64] = bytes(6)  # e_shentsize, e_shnum, e_shstrndx
        assert elf_facts(bytes(data)) == elf_facts(own_binary())

    @given(cut=st.integers(4, 4096), at=st.integers(4, 4096), byte=st.integers(0, 255))
    @settings(max_examples=150, deadline=None)
    def test_damage_never_raises_an_exception(self, cut: int, at: int, byte: int) -> None:
        data = bytearray(own_binary())
        data[at % len(data)] = byte
        assert elf_facts(bytes(data)) is not None
        assert elf_facts(own_binary()[:cut]) is not None


def test_a_file_of_another_format_has_no_facts() -> None:
    assert elf_facts(b"") is None
    assert elf_facts(b"\xcf\xfa\xed\xfe" + bytes(100)) is None
    truncated = elf_facts(b"\x7fELF")
    assert truncated is not None
    assert truncated.broken
