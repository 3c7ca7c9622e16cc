"""Checks of a zip's files: names, modes, links, sizes, bytecode."""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.inspection import file_checks
from builder.inspection.file_checks import check_files, check_zipped_size
from builder.inspection.file_facts import FileFacts, PycFacts
from builder.inspection.link_checks import check_links
from builder.inspection.pyc import count_modules, pyc_facts, python_of, source_of
from builder.model.artifact import Finding
from builder.model.runtimes import UNZIPPED_LIMIT_BYTES
from tests.fakes.zips import codes, pyc, target

MB = 1024 * 1024


def file(path: str, *, mode: int | None = 0o644, size: int = 10, is_link: bool = False, data: bytes = b"") -> FileFacts:
    return FileFacts(path, mode, size, "0" * 64, is_link=is_link, pyc=pyc_facts(path, data), modified=1000)


def check(*files: FileFacts, python: str = "3.12") -> dict[str, Finding]:
    """Return the findings for these files and a valid one, by code."""
    right = (file("python/a.py"), file("python/__pycache__/a.cpython-312.pyc", data=pyc("a.py")))
    return {each.code: each for each in check_files([*right, *files], target(python))}


def test_a_valid_zip_has_no_findings() -> None:
    assert check() == {}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/python/a.txt", "name-absolute"),
        ("C:/python/a.txt", "name-absolute"),
        ("python/../../a.txt", "name-parent"),
        ("..", "name-parent"),
        ("python//a.txt", "name-odd"),
        ("./python/a.txt", "name-odd"),
        ("python\\a.txt", "name-backslash"),
        ("python/a\x00.txt", "name-control"),
        ("python/a\nb", "name-control"),
        ("python/\udcff", "name-encoding"),
        ("python/" + "x" * 256, "name-long"),
        ("python/" + "abc/" * 1100 + "a", "name-long"),
        ("python/lib/python3.11/site-packages/a.txt", "name-python"),
        ("python/lib64/python3.12/site-packages/a.txt", "name-python"),
        ("python/a.py", "name-twice"),
        ("python/a.py/b", "name-both"),
    ],
)
def test_a_bad_name_is_an_error(path: str, code: str) -> None:
    assert check(file(path))[code].level == "error"


@pytest.mark.parametrize(
    "path", ["python/é/ü.txt", "bin/tool", "lib/libx.so.1", "python/lib/python3.12/site-packages/b.txt"]
)
def test_a_valid_name_has_no_findings(path: str) -> None:
    assert check(file(path)) == {}


@given(st.from_regex(file_checks._USUAL_PATH, fullmatch=True))
def test_a_usual_path_has_no_problem_that_its_own_characters_show(path: str) -> None:
    assert list(file_checks._bad_name(path)) == []


@given(st.text("aAéßÅ\u0301\u030a/", min_size=1, max_size=8))
def test_names_that_differ_only_in_unicode_form_are_a_warning(name: str) -> None:
    forms = {unicodedata.normalize(form, f"python/x/{name}.py") for form in ("NFC", "NFD")}
    found = check(*map(file, sorted(forms)))
    assert ("name-case" in found) == (len(forms) == 2)


def test_unusual_folders_and_names_that_differ_in_case_are_warnings() -> None:
    assert check(file("site-packages/b.txt"))["name-outside"].level == "warning"
    for name in ("python/x-1-py3-none-any.whl", "python/lib/python3.12/site-packages/x.zip"):
        assert check(file(name))["archive-packed"].level == "warning"
    assert check(file("python/x/data.zip")) == {}
    assert check(file("python/A.py"), file("python/x/B"), file("python/X/c"))["name-case"].message.endswith(
        "(and 1 more)"
    )


def test_a_zip_without_importable_files_is_an_error() -> None:
    assert "empty" in codes(check_files([], target()))
    assert "empty" in codes(check_files([file("python/"), file("strands/__init__.py")], target()))


@pytest.mark.parametrize("path", ["bin/ffmpeg", "lib/libpq.so.5.1", "extensions/agent"])
def test_a_layer_of_programs_libraries_or_extensions_is_not_empty(path: str) -> None:
    assert codes(check_files([file(path)], target())).isdisjoint({"empty", "name-outside"})


@pytest.mark.parametrize(
    ("mode", "bad"), [(0o644, False), (0o755, False), (None, False), (0o600, True), (0o640, True), (0o000, True)]
)
def test_a_file_that_others_cannot_read_is_an_error(mode: int | None, bad: bool) -> None:
    assert ("mode-unreadable" in check(file("python/b.txt", mode=mode))) is bad


def test_a_folder_that_others_cannot_enter_is_an_error() -> None:
    assert "mode-unreadable" in check(file("python/b/", mode=0o744))
    assert "mode-unreadable" not in check(file("python/b/", mode=0o755))


def link(path: str, to: str) -> FileFacts:
    return FileFacts(path, 0o777, len(to), None, is_link=True, link_target=to)


@pytest.mark.parametrize(
    ("links", "code", "level"),
    [
        ({"python/b.py": "a.py"}, "link", "warning"),
        ({"python/b.py": "./c/../a.py", "python/c/x": "../a.py"}, "link", "warning"),
        ({"python/b.py": "/opt/python/a.py"}, "link", "warning"),
        ({"lib/b": "../python"}, "link", "warning"),
        ({"python/b": "c", "python/c": "a.py"}, "link", "warning"),
        ({"python/c/d": "..", "python/b.py": "c/d/a.py"}, "link", "warning"),
        ({"python/b.py": "/etc/passwd"}, "link-outside", "error"),
        ({"python/b.py": "/opt/../etc/passwd"}, "link-outside", "error"),
        ({"python/b.py": "../../etc/passwd"}, "link-outside", "error"),
        ({"python/b.py": "missing.py"}, "link-broken", "error"),
        ({"python/b.py": "a.p"}, "link-broken", "error"),
        ({"python/b": "b"}, "link-broken", "error"),
        ({"python/b": "c", "python/c": "b"}, "link-broken", "error"),
        ({"python/b": "x/" * 300 + "a"}, "link-broken", "error"),
    ],
)
def test_a_link_is_a_warning_or_an_error_if_its_target_is_outside_or_missing(
    links: dict[str, str], code: str, level: str
) -> None:
    found = check(*(link(path, to) for path, to in links.items()))
    assert {each.code: each.level for each in found.values() if each.code.startswith("link")} == {code: level}


LINK_PARTS = ["..", ".", "a.py", "c", "x", "b", "e", "f", "python", ""]
LINK_TEXT = st.lists(st.sampled_from(LINK_PARTS), min_size=1, max_size=6)


@given(first=LINK_TEXT.map("/".join), second=LINK_TEXT.map("/".join))
def test_links_are_followed_as_the_kernel_follows_them(first: str, second: str) -> None:
    links = {path: to for path, to in (("python/b", first), ("e/f", second)) if to and not to.startswith("/")}
    facts = [file("python/a.py"), file("python/c/x"), file("e/x"), *(link(path, to) for path, to in links.items())]
    errors = {each.path for each in check_links(facts) if each.level == "error"}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve() / "1/2/3/4/5/6/7"  # no link of six parts leaves the temporary folder
        for each in facts:
            (root / each.path).parent.mkdir(parents=True, exist_ok=True)
            if each.link_target:
                (root / each.path).symlink_to(each.link_target)
            else:
                (root / each.path).touch()
        for path in links:
            is_inside = (root / path).exists() and (root / path).resolve().is_relative_to(root)
            assert is_inside is (path not in errors)


def test_devices_and_fifos_are_errors() -> None:
    assert check(FileFacts("python/fifo", 0o644, 0, None, is_special=True))["special-file"].level == "error"


def test_pth_files_in_an_import_root_have_no_effect() -> None:
    assert check(file("python/x.pth"))["pth-ignored"].level == "warning"
    assert check(file("python/lib/python3.12/site-packages/x.pth"))["pth-ignored"].level == "warning"
    assert check(file("python/torch/weights.pth")) == {}


@pytest.mark.parametrize("name", ["sitecustomize.py", "usercustomize/__init__.py"])
def test_a_module_that_python_runs_at_its_start_is_a_warning(name: str) -> None:
    assert check(file(f"python/{name}"))["startup-module"].level == "warning"
    assert "startup-module" not in check(file(f"python/b/{name}"))


def test_botocore_without_boto3_hides_the_runtimes_sdk() -> None:
    botocore, boto3 = file("python/botocore/__init__.txt"), file("python/boto3/__init__.txt")
    assert check(botocore)["sdk-shadowed"].level == "warning"
    assert check(botocore, boto3) == check(boto3) == {}


def test_an_unzipped_size_above_the_limit_is_an_error_and_near_it_a_warning() -> None:
    room = UNZIPPED_LIMIT_BYTES - 20
    assert check(file("python/b.bin", size=room + 1))["size-unzipped"].level == "error"
    assert check(file("python/b.bin", size=room))["size-left"].level == "warning"
    assert check(file("python/b.bin", size=room - 100 * MB)) == {}


def test_the_error_offers_bytecode_off_only_if_that_is_enough() -> None:
    compiled = FileFacts("python/b.pyc", 0o644, 4000, "0" * 64, pyc=pyc_facts("python/b.pyc", pyc("b.py")))
    fits = check(compiled, file("python/b.bin", size=UNZIPPED_LIMIT_BYTES - 1000))["size-unzipped"].message
    assert "4,010 bytes of it are bytecode" in fits
    assert "bytecode: off" in fits
    assert (
        "bytecode" not in check(compiled, file("python/b.bin", size=UNZIPPED_LIMIT_BYTES + 1))["size-unzipped"].message
    )


def test_a_zip_above_50_mb_needs_a_bucket() -> None:
    assert check_zipped_size(52_428_800) == []
    assert codes(check_zipped_size(52_428_801)) == {"size-zipped"}
    assert check_zipped_size(52_428_801, staged=True) == []


@pytest.mark.parametrize(
    ("path", "data", "code", "level"),
    [
        ("python/__pycache__/b.cpython-311.pyc", pyc("b.py", "3.11"), "pyc-other", "warning"),
        ("python/__pycache__/b.cpython-312.pyc", pyc("b.py", "3.11"), "pyc-magic", "warning"),
        ("python/__pycache__/b.cpython-312.pyc", b"short", "pyc-magic", "warning"),
        ("python/c.pyc", pyc("c.py", "3.11"), "pyc-alone", "error"),
        ("python/b.pyc", pyc("b.py"), "pyc-beside", "warning"),
        ("python/b.pyc", pyc("b.py", "3.11"), "pyc-beside", "warning"),
        ("python/__pycache__/b.cpython-312.pyc", pyc("b.py", flags=0, time=999, size=10), "pyc-stale", "warning"),
        ("python/__pycache__/b.cpython-312.pyc", pyc("b.py", flags=0, time=1000, size=11), "pyc-stale", "warning"),
        ("python/__pycache__/b.cpython-312.pyc", pyc("b.py", flags=3), "pyc-checked", "warning"),
        ("python/__pycache__/b.cpython-312.pyc", pyc("elsewhere.py"), "pyc-path", "warning"),
    ],
)
def test_unusable_bytecode_is_reported(path: str, data: bytes, code: str, level: str) -> None:
    findings = check(file("python/b.py"), file(path, data=data))
    assert {each.code: each.level for each in findings.values()} == {code: level}


def test_timestamp_bytecode_that_matches_its_source_has_no_findings() -> None:
    data = pyc("b.py", flags=0, time=1000, size=10)
    assert check(file("python/b.py"), file("python/__pycache__/b.cpython-312.pyc", data=data)) == {}


@pytest.mark.parametrize("path", ["python/b.pyc", "python/__pycache__/no_source.cpython-312.pyc"])
def test_bytecode_that_no_import_reads_has_no_finding_if_each_module_has_bytecode(path: str) -> None:
    compiled = file("python/__pycache__/b.cpython-312.pyc", data=pyc("b.py"))
    assert check(file("python/b.py"), compiled, file(path, data=pyc("b.py", "3.11"))) == {}


def test_a_zip_without_bytecode_has_one_finding() -> None:
    findings = check_files([file("python/a.py"), file("python/b.py")], target())
    assert [(f.code, f.path) for f in findings] == [("pyc-none", "python/a.py")]


def test_the_share_of_usable_bytecode_counts_modules() -> None:
    files = [
        file("python/a.py"), file("python/__pycache__/a.cpython-312.pyc", data=pyc("a.py")),
        file("python/b.py"), file("python/__pycache__/b.cpython-311.pyc", data=pyc("b.py", "3.11")),
        file("python/c.py"), file("python/__pycache__/c.cpython-312.pyc", data=pyc("c.py", "3.11")),
        file("python/d.py"), file("python/__pycache__/d.cpython-312.opt-1.pyc", data=pyc("d.py")),
    ]  # fmt: skip
    assert count_modules(files, "3.12") == (4, 1)


def test_the_path_of_bytecode_gives_its_source_and_python() -> None:
    assert source_of("python/a/__pycache__/b.cpython-312.opt-2.pyc") == "python/a/b.py"
    assert source_of("python/a/b.pyc") == "python/a/b.py"
    assert python_of("python/a/__pycache__/b.cpython-310.pyc") == "3.10"
    assert python_of("python/a/b.pyc") is None


def test_bytecode_of_this_python_is_read() -> None:
    import importlib.util
    import sys

    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    facts = pyc_facts("python/a.pyc", head + b"/opt/python/a.py")
    assert facts == PycFacts(int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little"), "unchecked", names_layer=True)
    assert facts.magic == int.from_bytes(pyc("a.py", python)[:2], "little")


def test_modules_that_hide_the_standard_library_are_a_warning() -> None:
    root = "python/lib/python3.12/site-packages"
    paths = ["python/enum/__init__.py", "python/argparse.py", f"{root}/typing.py", "python/a/enum.py", "python/cgi.py"]
    found = [each for each in check_files(list(map(file, paths)), target()) if each.code == "stdlib-hidden"]
    assert [(each.level, each.path) for each in found] == [
        ("warning", f"{root}/typing.py"),
        ("warning", "python/argparse.py"),
    ]
    assert "(and 1 more)" in found[1].message
