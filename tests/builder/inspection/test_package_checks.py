"""Checks of distributions: RECORD, wheel tags, requirements on the target."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest

from builder.inspection.distributions import Distribution, distributions, text_limit
from builder.inspection.file_facts import FileFacts
from builder.inspection.package_checks import check_packages
from builder.model.artifact import Finding
from tests.fakes.zips import codes, distribution, target


def check(files: Mapping[str, bytes], python: str = "3.12", architecture: str = "x86_64") -> tuple[Finding, ...]:
    facts = [FileFacts(path, 0o644, len(data), hashlib.sha256(data).hexdigest()) for path, data in files.items()]
    texts = {path: data for path, data in files.items() if text_limit(path)}
    return tuple(check_packages(distributions(texts, facts), facts, target(python, architecture)))


def read(files: Mapping[str, bytes]) -> Distribution:
    """Return the only distribution of these files."""
    facts = [FileFacts(path, 0o644, len(data), hashlib.sha256(data).hexdigest()) for path, data in files.items()]
    (found,) = distributions({path: data for path, data in files.items() if text_limit(path)}, facts)
    return found


def test_a_correctly_installed_wheel_has_no_findings() -> None:
    assert check({**distribution("a", requires=["b>=1"]), **distribution("b", "1.5")}) == ()


def test_a_file_that_differs_from_record_is_an_error() -> None:
    findings = check({**distribution("a"), "python/a/__init__.py": b"x = 2\n"})
    assert [(f.level, f.code, f.path) for f in findings] == [("error", "record-hash", "python/a/__init__.py")]


def test_missing_files_and_files_that_no_record_names_are_warnings() -> None:
    files = distribution("a", files={"a/__init__.py": b"", "a/b.py": b""})
    del files["python/a/b.py"]
    found = {f.code: (f.level, f.path) for f in check({**files, "python/stray.py": b""})}
    assert found == {
        "record-missing": ("warning", "python/a/b.py"),
        "record-unknown": ("warning", "python/stray.py"),
    }


def test_scripts_bytecode_and_installer_files_need_no_record() -> None:
    files = distribution("a", files={"a/__init__.py": b"", "../bin/a": b"", "a/__pycache__/x.cpython-312.pyc": b""})
    del files["python/../bin/a"], files["python/a/__pycache__/x.cpython-312.pyc"]
    more = {"python/a/__pycache__/__init__.cpython-312.pyc": b"", "python/a-1.0.dist-info/INSTALLER": b"pip"}
    assert check({**files, **more, "python/bin/a": b""}) == ()


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64", None),
        ("cp39-abi3-manylinux_2_34_x86_64", None),
        ("cp312-cp312-manylinux1_x86_64", None),
        ("py3-none-linux_x86_64", None),
        ("py2.py3-none-any", None),
        ("cp312-cp312-manylinux_2_39_x86_64", "wheel-glibc"),
        ("cp311-cp311-manylinux_2_17_x86_64", "wheel-tag"),
        ("cp313-abi3-manylinux_2_17_x86_64", "wheel-tag"),
        ("cp312-cp312-manylinux_2_17_aarch64", "wheel-tag"),
        ("cp312-cp312-musllinux_1_2_x86_64", "wheel-tag"),
        ("cp312-cp312-macosx_11_0_arm64", "wheel-tag"),
        ("cp312-cp312t-manylinux_2_17_x86_64", "wheel-tag"),
    ],
)
def test_a_wheel_tag_of_another_target_is_reported(tag: str, code: str | None) -> None:
    assert codes(check(distribution("a", tag=tag))) == ({code} if code else set())


def test_a_newer_glibc_in_the_tag_alone_is_a_warning() -> None:
    (finding,) = check(distribution("a", tag="cp311-cp311-manylinux_2_28_x86_64"), "3.11")
    assert (finding.level, finding.code) == ("warning", "wheel-glibc")


def test_requires_python_must_allow_the_targets_python() -> None:
    files = distribution("a", headers="Requires-Python: >=3.11\n")
    assert codes(check(files, "3.10")) == {"python-required"}
    assert check(files, "3.11") == ()


@pytest.mark.parametrize("bound", ["<3.12", "!=3.12.*,>=3.8", "<=3.11"])
def test_an_upper_bound_of_requires_python_which_uv_ignores_is_a_warning(bound: str) -> None:
    (finding,) = check(distribution("a", headers=f"Requires-Python: {bound}\n"), "3.12")
    assert (finding.level, finding.code) == ("warning", "python-required")


def test_a_missing_requirement_of_this_python_only_is_reported() -> None:
    """pip on a newer Python leaves exceptiongroup out of a 3.10 layer."""
    files = distribution("anyio", requires=["exceptiongroup>=1.0.2; python_version < '3.11'"])
    (finding,) = check(files, "3.10")
    assert (finding.code, "exceptiongroup" in finding.message) == ("requirement-missing", True)
    assert check(files, "3.11") == ()


def test_requirements_of_an_extra_count_if_the_extra_is_required() -> None:
    jwt = distribution("pyjwt", requires=["cryptography; extra == 'crypto'"])
    assert check(jwt) == ()
    assert codes(check({**jwt, **distribution("mcp", requires=["PyJWT[crypto]"])})) == {"requirement-missing"}


def test_a_version_outside_its_requirement_is_a_warning() -> None:
    (finding,) = check({**distribution("a", requires=["b>=2"]), **distribution("b", "1.5")})
    assert (finding.level, finding.code) == ("warning", "requirement-version")


def test_the_sdk_of_the_runtime_need_not_be_in_the_zip() -> None:
    assert check(distribution("a", requires=["boto3", "botocore>=1"])) == ()


def test_two_versions_of_a_package_are_an_error() -> None:
    found = check({**distribution("a", "1.0"), **distribution("a", "2.0")})
    assert "package-twice" in codes(found)


def test_invalid_metadata_does_not_stop_the_inspection() -> None:
    files = distribution("a", requires=["((", "b; nonsense == 1"], headers="Requires-Python: whatever\n")
    assert codes(check(files)) <= {"requirement-missing"}
    broken = {"python/x-1.dist-info/RECORD": b'"\x00,"\n', "python/x-1.dist-info/METADATA": b"no header at all"}
    assert codes(check(broken)) <= {"record-missing"}
    assert check({"python/nodash.dist-info/METADATA": b""}) == ()


def test_the_names_to_import_come_from_record() -> None:
    files = {
        "pkg/__init__.py": b"", "_native.abi3.so": b"", "single.py": b"", "pkg/sub/deep.py": b"",
        "data/readme.txt": b"", "no-name/x.py": b"", "nspace/inner/m.py": b"",
    }  # fmt: skip
    assert read(distribution("a", files=files)).modules == ("_native", "nspace", "pkg", "single")
    assert read(distribution("a", files=files)).import_names() == ("_native", "nspace.inner.m", "pkg", "single")
