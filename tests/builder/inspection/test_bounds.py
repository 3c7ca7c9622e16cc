"""Limits on the memory and time that inspecting a hostile zip of a few kilobytes takes."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.smoke.function.smoke_facts import peak_memory
from tests import REPOSITORY
from tests.conftest import THOROUGH
from tests.fakes.zips import add

#: In addition to the interpreter and the imported modules.
MAX_MEGABYTES = 90
MAX_SECONDS = 30
Files = Iterator[tuple[str, bytes]]

_MEASURE = """
import json, sys, time
from pathlib import Path
from builder.inspection.inspector import inspect_zip
from builder.smoke.function.smoke_facts import peak_memory
from tests.fakes.zips import distribution, target, write
inspect_zip(write(Path(sys.argv[1]).with_name("warm.zip"), distribution("warm")), target())
before, started = peak_memory(), time.process_time()
try:
    codes = sorted({each.code for each in inspect_zip(Path(sys.argv[1]), target()).findings})
except Exception as error:
    codes = [type(error).__name__]
seconds = time.process_time() - started
print(json.dumps([(peak_memory() - before) / 1048576, seconds, codes]))
"""


def info(name: str, **files: bytes) -> Files:
    """Return a ``.dist-info`` folder with these texts; METADATA and WHEEL are valid by default."""
    texts = {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n".encode(), "WHEEL": b"Tag: py3-none-any\n"}
    yield from ((f"python/{name}-1.dist-info/{file}", text) for file, text in {**texts, **files}.items())


def metadata(name: str, lines: str) -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{lines}\n".encode()


def tag_product() -> Files:
    parts = [".".join(f"{letter}{number}" for number in range(1500)) for letter in "abc"]
    yield from info("a", WHEEL=f"Tag: {parts[0]}-{parts[1]}-{parts[2]}\n".encode())


def many_tags() -> Files:
    line = "Tag: " + "-".join(".".join(f"{letter}{number}" for number in range(10)) for letter in "abc") + "\n"
    yield from info("a", WHEEL=line.encode() * 100_000)


def long_metadata() -> Files:
    yield from info("a", METADATA=metadata("a", "Requires-Dist: b\n" * 5_000_000))


def metadata_of_one_line() -> Files:
    yield from info("a", METADATA=b"x" * 100_000_000)


def nested_marker() -> Files:
    yield from info("a", METADATA=metadata("a", "Requires-Dist: b; " + "(" * 4000 + "os_name == 'x'" + ")" * 4000))


def many_nested_markers() -> Files:
    line = "Requires-Dist: b; " + "(" * 60 + "os_name == 'x'" + ")" * 60 + "\n"
    for number in range(40):
        yield from info(f"a{number}", METADATA=metadata(f"a{number}", line * 1500))


def extras_times_requirements() -> Files:
    extras = ",".join(f"e{number}" for number in range(600))
    lines = "".join(f"Requires-Dist: c{number}; extra == 'e{number}'\n" for number in range(1900))
    for number in range(20):
        yield from info(f"a{number}", METADATA=metadata(f"a{number}", lines))
        asking = metadata(f"b{number}", f"Requires-Dist: a{number}[{extras}]\n")
        yield from info(f"b{number}", METADATA=asking)


def extras_one_by_one() -> Files:
    lines = "".join(f"Requires-Dist: a[e{n + 1}]; extra == 'e{n}'\n" for n in range(1900))
    yield from info("a", METADATA=metadata("a", lines + "Requires-Dist: a[e0]\n"))


def long_numbers() -> Files:
    digits = "9" * 100_000
    yield from info("a", METADATA=metadata("a", f"Requires-Python: >={digits}\nRequires-Dist: b>={digits[:4000]}\n"))
    yield from info("b")


def long_record() -> Files:
    yield from info("a", RECORD=b"a,,\n" * 20_000_000)


def record_of_one_field() -> Files:
    yield from info("a", RECORD=b'"' + b"x" * 50_000_000)


def many_records() -> Files:
    rows = "".join(f"a/{number}.py,,\n" for number in range(2000)).encode()
    yield from ((f"python/a/{number}.py", b"") for number in range(2000))
    for number in range(3000):
        yield f"python/a{number}-1.dist-info/RECORD", rows


def many_distributions() -> Files:
    for number in range(20_000):
        yield from info(f"a{number}")


def many_files() -> Files:
    for number in range(65_000):
        yield f"python/package_{number % 100}/subpackage/module_{number:06}.py", b""


def deep_paths() -> Files:
    for number in range(60):
        yield f"python/{number}/" + "a/" * 30_000 + "b", b""


def long_paths() -> Files:
    for number in range(3500):
        yield f"python/{number}/" + "abcdefghij/" * 370 + "b", b""


def bad_names() -> Files:
    for number in range(60_000):
        yield f"python/\\{number}", b""


def one_large_file() -> Files:
    yield "python/a.bin", bytes(250_000_000)


def one_large_binary() -> Files:
    yield "python/a.abi3.so", elf(load=250_000_000) + bytes(250_000_000 - 64)


def one_large_bytecode() -> Files:
    yield "python/__pycache__/a.cpython-312.pyc", bytes(250_000_000)


def elf(load: int = 4096, headers: int = 2, entries: tuple[tuple[int, int], ...] = ()) -> bytes:
    """A 64-bit ELF file with a segment that is loaded at 0 and a dynamic segment after the headers."""
    start = 64 + 56 * headers
    head = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHLQQQLHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, headers, 0, 0, 0)
    )
    segments = struct.pack("<LLQQQQQQ", 1, 5, 0, 0, 0, load, load, 4096)
    segments += struct.pack("<LLQQQQQQ", 2, 6, start, start, start, load, load, 8) * (headers - 1)
    return head + segments + b"".join(struct.pack("<QQ", *entry) for entry in entries)


def hostile_binaries() -> Files:
    for number in range(200):
        yield f"python/h{number}.abi3.so", elf(headers=65_000) + bytes(56 * 64)
        needed = tuple((1, 200) for _ in range(60_000))
        yield f"python/d{number}.abi3.so", elf(load=1 << 20, entries=((5, 8), (10, 1 << 20), *needed))
        loop = elf(load=4096, entries=((5, 8), (10, 64), (0x6FFFFFFE, 300), (0x6FFFFFFF, 1 << 40), (0, 0)))
        yield (
            f"python/v{number}.abi3.so",
            (loop + bytes(300 - len(loop) % 300) + struct.pack("<HHLLL", 1, 65_535, 1, 16, 0) * 50),
        )


def many_required_names() -> Files:
    names = bytes(range(97, 123)) * 38 + b"\0"
    start = 4096 + 1000 * 16
    for number in range(2000):
        needed = tuple((1, offset) for offset in range(900))
        binary = elf(load=1 << 20, entries=((5, start), (10, len(names)), *needed))
        yield f"python/n{number}.abi3.so", binary.ljust(start, b"\0") + names


def nested_zips() -> Files:
    yield "python/a.zip", b"PK\x05\x06" + bytes(18)
    yield "python/b.zip", b"PK\x01\x02" * 1_000_000


SHAPES: list[Callable[[], Files]] = [
    tag_product, many_tags, long_metadata, metadata_of_one_line, nested_marker, many_nested_markers,
    extras_times_requirements, extras_one_by_one, long_numbers, long_record, record_of_one_field, many_records,
    many_distributions, many_files, deep_paths, long_paths, bad_names, one_large_file, one_large_binary,
    one_large_bytecode, hostile_binaries, many_required_names, nested_zips,
]  # fmt: skip
#: Fast enough for a run without ``--thorough``.
QUICK = {tag_product, nested_marker, long_numbers, nested_zips, long_record}


def measure(path: Path) -> tuple[float, float, list[str]]:
    """Return the megabytes and CPU seconds that inspecting a zip takes, and the codes that it finds."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    megabytes, seconds, found = json.loads(done.stdout)
    return megabytes, seconds, found


@pytest.mark.skipif(peak_memory() is None, reason="this system does not tell a process's peak memory")
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_inspecting_a_hostile_zip_takes_little_memory_and_time(tmp_path: Path, shape: Callable[[], Files]) -> None:
    if shape not in QUICK and not THOROUGH:
        pytest.skip("only with scripts/test --thorough")
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in shape():
            add(archive, name, data)
    megabytes, seconds, found = measure(path)
    assert megabytes < MAX_MEGABYTES, found
    assert seconds < MAX_SECONDS, found
