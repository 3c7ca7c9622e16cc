"""Fuzzing: each parser of a zip's content returns facts or findings for any bytes, within a time limit.

The test suite tries a few examples; ``scripts/test --thorough`` fuzzes each parser for a minute.
"""

from __future__ import annotations

import secrets
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import strategies as st

from builder.inspection.distributions import distributions
from builder.inspection.elf import elf_facts
from builder.inspection.file_checks import check_files
from builder.inspection.file_facts import FileFacts
from builder.inspection.inspector import inspect_zip
from builder.inspection.package_checks import check_packages
from builder.inspection.pyc import pyc_facts
from builder.model.artifact import Finding
from builder.model.errors import InputError
from builder.model.wheel_tags import expand_tags
from builder.package.local_packages import build_wheels
from builder.requirements.declared import LocalPackage
from builder.smoke.unpack_zip import unpack_zip
from tests.fakes.fuzzing import fuzz, mutated
from tests.fakes.notes import Notes
from tests.fakes.zips import add, distribution, own_binary, pyc, target

DIST_INFO = "python/a-1.0.dist-info/"
RIGHT = {
    path.removeprefix(DIST_INFO): data for path, data in distribution("a", requires=["b>=1; extra == 'c'"]).items()
}


def findings(texts: dict[str, bytes]) -> list[Finding]:
    """Return the findings for a distribution with these texts."""
    files = [FileFacts("python/a/__init__.py", 0o644, 6, "0" * 64)]
    full = {f"{DIST_INFO}{name}": text for name, text in texts.items()}
    return list(check_packages(distributions(full, files), files, target()))


METADATA_WORDS = (
    b"Requires-Dist: a[x,y]>=1.0,!=2; ", b"extra == 'x'", b" and ", b"(", b")", b"python_version < '3'", b"\n",
    b"==" + b"9" * 5000, b"Requires-Python: ", b"Name: ", b"Version: ", b"Provides-Extra: x\n", b"a @ https://example.org/a.whl",
    b"\xff", b"\x00",
)  # fmt: skip


def test_any_metadata_gives_findings() -> None:
    right = RIGHT["METADATA"]
    fuzz(mutated(right, METADATA_WORDS), lambda data: findings({**RIGHT, "METADATA": data}))


def test_any_record_gives_findings() -> None:
    words = (b",sha256=", b'"', b",", b"\n", b"../", b"/", b"\\", b"sha256=" + b"0" * 64, b"md5=x", b"\xff", b"\x00")
    fuzz(mutated(RIGHT["RECORD"], words), lambda data: findings({**RIGHT, "RECORD": data}))


def test_any_wheel_file_gives_findings() -> None:
    words = (b"Tag: ", b"-", b".", b"cp312", b"manylinux_2_17_x86_64", b"any", b"\n", b"." * 3000, b"-none-" * 3)
    fuzz(mutated(RIGHT["WHEEL"], words), lambda data: findings({**RIGHT, "WHEEL": data}))


def test_any_tag_gives_findings() -> None:
    fuzz(st.text("cpy312.-anyé\0 ", max_size=400) | st.text(max_size=40), expand_tags)


@pytest.mark.skipif(not own_binary(), reason="this Python has no ELF modules")
def test_any_elf_gives_facts() -> None:
    data = own_binary()
    head = mutated(data[:4096]).map(lambda start: start + data[4096:])
    fuzz(
        head,
        lambda data: check_files([FileFacts("python/m.abi3.so", 0o644, 9, "0" * 64, elf=elf_facts(data))], target()),
    )


def test_any_pyc_gives_findings() -> None:
    def parse(data: bytes) -> None:
        path = "python/__pycache__/a.cpython-312.pyc"
        check_files([FileFacts(path, 0o644, len(data), "0" * 64, pyc=pyc_facts(path, data))], target())

    fuzz(mutated(pyc("a.py")) | st.binary(max_size=40), parse)


def test_any_names_and_links_give_findings() -> None:
    names = st.text(st.sampled_from("ab./\\é\0\n:") | st.characters(), max_size=30)
    files = st.builds(
        lambda path, target, link: FileFacts(path, 0o644, 1, None, is_link=link, link_target=target if link else None),
        names, names, st.booleans(),
    )  # fmt: skip
    fuzz(st.lists(files, max_size=8), lambda files: check_files(files, target()))


def _unpacked(path: Path) -> None:
    with TemporaryDirectory() as folder:
        unpack_zip(path, Path(folder))


def _read_as_own_wheel(path: Path) -> None:
    build_wheels([LocalPackage(path, "requirements.txt:1")], target(), path.parent / secrets.token_hex(8), Notes())


@pytest.mark.parametrize("read", [inspect_zip, _unpacked, _read_as_own_wheel])
def test_any_central_directory_is_read_or_refused(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path = tmp_path / "a-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {
            **distribution("a"),
            "python/é.txt": b"e",
            "python/big": bytes(3000),
            "a-1.0.dist-info/METADATA": b"Name: a\n",
        }.items():
            add(archive, name, data)
    whole = path.read_bytes()
    start = whole.index(b"PK\x01\x02")
    words = (
        b"PK\x01\x02",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"PK\x06\x07",
        b"\xff\xff\xff\xff",
        b"\x01\x00",
        b"/",
    )

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(InputError):
            read(path)

    fuzz(mutated(whole[start:], words).map(lambda end: whole[:start] + end) | mutated(whole, words), parse)
