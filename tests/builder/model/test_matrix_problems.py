"""Every problem of a matrix is reported with its line."""

from __future__ import annotations

import re

import pytest

from tests.builder.model.matrix_text import BASE, WIDE, problem, problems


def test_all_problems_are_reported_together_with_their_lines() -> None:
    text = """\
acount: "123456789012"
account: 123456789012
package: "demo[otel]"
python: ["3.9", 3.10, "3.12", "3.12"]
architectures: [arm64, amd64, mips]
extras:
  - one
  - "t w o"
  - one
staging: {bucket: "x", hom: us-east-1}
requests_per_second: 99
license: {}
regions: [us-east-1]
regions: [us-east-1]
"""
    found = [": ".join(line.split(": ")[:2]) for line in problems(text)]
    assert found == [
        "1: acount",
        "2: account",
        "3: package",
        "4: python[0]",
        "4: python[1]",
        "4: python[3]",
        "5: architectures[2]",
        "8: extras[1]",
        "9: extras[2]",
        "10: staging.hom",
        "10: staging.home",
        "11: requests_per_second",
        "12: license",
        "14: regions",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("acount: x", "6: acount: unknown key: did you mean account?"),
        ("zzz: x", "6: zzz: unknown key"),
        ("package: other", "6: package: this key is repeated"),
        ("extras: [a, a]", "6: extras[1]: 'a' is already in the list"),
        ("extras: [\n  a,\n  b c]", "8: extras[1]: 'b c' is not a package name"),
        ('requirements: ["a @ https://host/x.whl"]', "6: requirements[0]: 'a @ https://host/x.whl' names a URL"),
        ('requirements: ["b =="]', "6: requirements[0]: 'b ==' is not a requirement"),
        ('layer_name: "a b"', "6: layer_name: gives 'a b', which AWS refuses"),
        (f'layer_name: "{"x" * 141}"', "6: layer_name: gives 'xxx"),
        ('layer_name: "{region}"', "6: layer_name: unknown placeholder {region}; known:"),
        ('description: "x"', "6: description: needs {version}"),
        ('description: "{version.__class__}"', "6: description: unknown placeholder {version.__class__}"),
        ('description: "{version"', "6: description: invalid template"),
        (f'description: "{{version}}{"x" * 250}"', "6: description: gives up to 266 characters; AWS allows 256"),
        (f'license: "{"x" * 513}"', "6: license: String should have at most 512"),
        ("license: 3", "6: license: must be text"),
        ("permission: {principal: everyone}", "6: permission.principal:"),
        ("permission: public", "6: permission: must be a mapping"),
        (
            'permission: {principal: "123456789012", organization: o-abcdefghij}',
            '6: permission.organization: an organization needs principal "*"',
        ),
        ('staging: {bucket: "x-{region}", home: eu-west-1}', "6: staging.home: eu-west-1 is not one of the matrix's"),
        ('staging: {bucket: "B_{region}", home: us-east-1}', "6: staging.bucket: gives 'B_us-east-1', which is no"),
        (
            "releases: minors",
            "6: releases.policy: 'minors' is not a policy (every, minor, by-hand): did you mean minor?",
        ),
        (
            "releases: manual",
            "6: releases.policy: 'manual' is not a policy (every, minor, by-hand): did you mean by-hand?",
        ),
        ("releases: {\n  policy: 1}", "7: releases.policy: Input should be 'every', 'minor' or 'by-hand'"),
        ("releases: [every]", "6: releases: must be a mapping"),
        ("releases: {minimal_age: 2 days}", "6: releases.minimal_age: unknown key: did you mean minimum_age?"),
        ("releases: {minimum_age: 2}", "6: releases.minimum_age: 2 has no unit; write it like"),
        ("releases: {minimum_age: -1 day}", "6: releases.minimum_age: '-1 day' is not a duration"),
        ("releases: {minimum_age: 2 moons}", "6: releases.minimum_age: 'moons' is not a unit of time"),
        ("bytecode: maybe", "6: bytecode:"),
        ("permission: []", "6: permission: must be a mapping with principal, organization"),
        ('slim: "yes"', "6: slim: must be true, or a mapping with services"),
        ("on: push", "6: on: YAML does not read this key as text: put it in quotes"),
        ("changelog_url: http://example.com", "6: changelog_url: not an https:// URL"),
        ("changelog_url: 'https://example.com/{package}'", "6: changelog_url: not an https:// URL"),
        ("requests_per_second: 0", "6: requests_per_second: Input should be greater than 0"),
        ("requests_per_second: 15.5", "6: requests_per_second: Input should be less than or equal to 15"),
        ("requests_per_second: .nan", "6: requests_per_second:"),
        ("requests_per_second: '10'", "6: requests_per_second: Input should be a valid number"),
        ("requests_per_second: true", "6: requests_per_second: Input should be a valid number"),
    ],
)
def test_a_problem_names_its_line_and_key(change: str, words: str) -> None:
    assert words in "\n".join(problems(f"{BASE}{change}\n"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"123456789012"', "123456789012", "1: account: put it in quotes"),
        ('"123456789012"', '"1234"', "1: account: '1234' is not an AWS account id"),
        ('["3.12"]', "[3.10]", "3: python[0]: put it in quotes: YAML reads the number 3.1"),
        ('["3.12"]', "3.12", "3: python: put it in quotes"),
        ('["3.12"]', '["2.7"]', "3: python[0]: '2.7' is not a Python runtime: there are 3.10"),
        ('["3.12"]', "[]", "3: python: needs at least one item"),
        ("[x86_64]", "[mips]", "4: architectures[0]: 'mips' is not an architecture of Lambda: x86_64 or aarch64"),
        ("[x86_64]", "x86_64", "4: architectures: must be a list"),
        ("[x86_64]", "[x86_64, null]", "4: architectures[1]: must be x86_64 or aarch64"),
        ("[x86_64]", "[arm64, aarch64]", "4: architectures[1]: 'aarch64' is already in the list"),
        ('["3.12"]', '["3.12", python3.12]', "3: python[1]: 'python3.12' is already in the list"),
        ('["3.12"]', "[yes]", "3: python[0]: must be text"),
        ("[us-east-1]", "[us-east1]", "5: regions[0]: 'us-east1' is not an AWS region: did you mean us-east-1?"),
        ("[us-east-1]", "[aws-global]", "5: regions[0]: 'aws-global' is not an AWS region"),
        ("package: demo\n", "", "1: package: this key is required"),
        ("package: demo", "package:", "2: package: must be text"),
    ],
)
def test_an_invalid_required_key_is_named(old: str, new: str, words: str) -> None:
    assert problem(BASE.replace(old, new)).startswith(words)


def test_two_targets_with_one_layer_name_are_refused() -> None:
    text = BASE.replace('["3.12"]', '["3.12", "3.13"]') + 'layer_name: "demo-{architecture}"\n'
    assert "to both py3.12-x86_64 and py3.13-x86_64" in problem(text)


def test_a_bucket_name_for_several_regions_must_contain_the_region() -> None:
    text = BASE.replace("us-east-1", "us-east-1, eu-west-1") + "staging: {bucket: one, home: us-east-1}\n"
    assert "needs {region}" in problem(text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("architectures: [arm64, aarch64]", "architectures[1]: 'aarch64' is already in the list"),
        ("regions: [us-east-1, cn-north-1]", "regions[1]: cn-north-1 is in partition aws-cn, us-east-1 in aws"),
        ("unsupported: [{}]", "unsupported[0]: needs a region, a python or an architecture"),
        ("unsupported: [{python: 3.14}]", "unsupported[0].python: put it in quotes"),
        ("unsupported: [{region: us-west-2}]", "unsupported[0]: matches no cell of the matrix"),
        ("unsupported: [{region: us-east-1}]", "unsupported: leaves no target in us-east-1"),
        ("unsupported: [{python: '3.14'}]", "unsupported: leaves py3.14-x86_64 in no region"),
        ("budget: {zipped: 0}", "budget.zipped: '0' is not more than zero"),
        ("budget: {zipped: 10 s}", "budget.zipped: '10 s' is not a size like 50 MB"),
        ("budget: {import_time: 5}", "budget.import_time: must be a size, a time or a growth"),
        ("budget: {zip: 5 MB}", "budget.zip: unknown key: did you mean zipped?"),
        ("slim: {services: [S3]}", "slim.services[0]:"),
        ("budget: {zipped: '45,5 MB'}", "budget.zipped: '45,5 MB' is not a size like 50 MB"),
        ("extras: [Open_AI, open-ai]", "extras[1]: 'open-ai' is already in the list"),
        ("exclude: [Demo]", "exclude: demo is the layer's own package"),
        ("override: [DEMO==2]", "override: demo is the layer's own package"),
        ("exclude: [a]\nrequirements: ['A[b]>=1']", "exclude[0]: a is in `requirements` too"),
        ("override: [urllib3]", "override[0]: 'urllib3' has no version: write one"),
        ("signing: {profile: layers}", "signing: needs `staging`"),
        ("announce: {topic: releases}", "announce.topic:"),
        ("announce: {topic: arn:aws-cn:sns:cn-north-1:123456789012:t}", "announce.topic: is in partition aws-cn"),
        ("announce: {topic: arn:aws:sns:xx-east-1:123456789012:t}", "announce.topic: xx-east-1 is not an AWS region"),
        (f"requirements: ['a=={'9' * 5000}']", "requirements[0]: 'a==9999"),
        (f"extras: [{'x' * 200}]", "extras[0]: 'xxx"),
        ("requests_per_second: 1e9999", "requests_per_second:"),
    ],
)
def test_a_problem_of_an_optional_key_is_named(change: str, words: str) -> None:
    key = change.partition(":")[0]
    text = re.sub(rf"(?m)^{key}:.*\n", "", WIDE)
    found = "\n".join(problems(f"{text}{change}\n"))
    assert words in found
    assert len(found) < 1000
