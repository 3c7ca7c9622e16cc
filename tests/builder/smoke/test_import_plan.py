"""The imports that show whether a distribution works."""

from __future__ import annotations

import pytest

from builder.inspection.distributions import Distribution
from builder.smoke.import_plan import ImportTrial, import_plan


def trial(name: str, *files: str) -> ImportTrial | None:
    paths = tuple(f"python/{file}" for file in files)
    found = Distribution(name, "1.0", f"python/{name}.dist-info", "python/", files=paths)
    return next(iter(import_plan([found], {})), None)


@pytest.mark.parametrize(
    ("name", "files", "modules", "must"),
    [
        ("attrs", ("attr/__init__.py", "attrs/__init__.py"), ("attrs",), "all"),
        ("python-dateutil", ("dateutil/__init__.py",), ("dateutil",), "any"),
        ("six", ("six.py",), ("six",), "all"),
        ("pyyaml", ("_yaml/__init__.py", "yaml/__init__.py"), ("yaml",), "any"),
        ("cffi-backend", ("_cffi.abi3.so",), ("_cffi",), "any"),
        ("protobuf", ("google/protobuf/__init__.py", "google/protobuf/any.py"), ("google.protobuf",), "any"),
        ("opentelemetry-sdk", ("opentelemetry/sdk/__init__.py",), ("opentelemetry.sdk",), "all"),
        ("some_thing".replace("_", "-"), ("some_thing/__init__.py", "benchmarks/x.py"), ("some_thing",), "all"),
        ("stray", ("conftest.py", "tests/__init__.py", "other.py"), ("other",), "any"),
        ("only-stray", ("conftest.py",), ("conftest",), "none"),
        ("tests", ("tests/__init__.py",), ("tests",), "all"),
    ],
)
def test_one_module_of_a_distribution_must_be_importable(
    name: str, files: tuple[str, ...], modules: tuple[str, ...], must: str
) -> None:
    found = trial(name, *files)
    assert found is not None
    assert (found.distribution, found.modules, found.must) == (name, modules, must)


def test_the_largest_extension_module_is_one_with_a_tag() -> None:
    files = {"lxml/__init__.py": 1, "lxml/etree.cpython-312-x86_64-linux-gnu.so": 3, "lxml/sax.abi3.so": 2}
    others = {"lxml/lib.so": 4, "lxml.libs/libxml2-1.so.2": 5, "lxml/not-a-module.abi3.so": 6}
    sizes = {f"python/{path}": size for path, size in {**files, **others}.items()}
    found = Distribution("lxml", "1.0", "python/lxml.dist-info", "python/", files=tuple(sizes))
    assert import_plan([found], sizes) == [ImportTrial("lxml", ("lxml",), "all", extension="lxml.etree")]


def test_a_distribution_without_modules_needs_no_import() -> None:
    assert trial("types-x", "x-stubs/__init__.pyi", "data/readme.txt") is None


def test_modules_of_no_distribution_are_tried_together() -> None:
    found = Distribution("a", "1.0", "python/a.dist-info", "python/", files=("python/a/__init__.py",))
    paths = ["python/a/__init__.py", "python/own.py", "python/lib/python3.12/site-packages/more.py", "python/x.txt"]
    trials = [(each.distribution, each.modules, each.must) for each in import_plan([found], dict.fromkeys(paths, 1))]
    assert trials == [
        ("a", ("a",), "all"),
        ("modules of no package", ("own",), "any"),
        ("modules of no package", ("more",), "any"),
    ]


def test_botocore_without_boto3_is_tried_with_the_runtimes_boto3() -> None:
    def plan(*names: str) -> list[str]:
        return [each.distribution for each in import_plan([Distribution(name, "1", "", "") for name in names], {})]

    assert plan("botocore") == ["boto3 of Lambda's runtime"]
    assert plan("botocore", "boto3") == []
