"""Renovate files: a datasource for each region and layer, and a preset that updates ARNs in other people's files. Pure.

``renovate/<region>/<layer name>.json`` is a response of a Renovate custom datasource. Its versions are layer version
numbers of complete releases only, so that Renovate never proposes a number that a region does not have. ``any`` in
place of the region or layer name is for files that have a variable there, ``any.3_12`` for those that name the Python.
``renovate/preset.json`` takes the address of the catalog as its argument.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from itertools import product
from typing import Any

from builder.model.clock import iso
from builder.model.strict_json import dump_json
from publisher.catalog.index import Index, IndexedRelease, dump_rows

#: A variable in place of a word: ``${AWS::Region}``, ``${aws:region}``, ``{region}``, ``$REGION``, ``%s``.
_VARIABLE = r"(?:\$?\{\{?[^{}\s]*\}?\}|\$[A-Za-z_]\w*|%s)"
#: The name of an AWS region.
_REGION = r"[a-z]{2,5}(?:-[a-z]+)+-\d+"
#: Files of CDK apps, CloudFormation, SAM and Serverless templates, Terraform modules and shell scripts.
_FILE_PATTERN = (
    r"/(?:\.(?:[cm]?[jt]s|py|java|cs|go|ya?ml|json|template|toml|tf|tfvars|hcl|sh|bash|zsh|ps1|env|md)"
    r"|(?:^|/)(?:Makefile|Dockerfile))$/"
)


def renovate_files(index: Index) -> dict[str, str]:
    """Return the text of each datasource file and the preset by its path. Empty while nothing has been published."""
    complete = {release.layer_version: release for release in reversed(index.releases) if release.complete}
    names = sorted({layer.layer_name for release in complete.values() for layer in release.layers})
    entry = cache(lambda number, published: _release(complete[number], published))
    times: dict[tuple[str, str], dict[int, datetime]] = {}
    for number, release in complete.items():
        for layer in release.layers:
            of_python = f"any.{layer.target_key.python_field}"
            for key in product((layer.region, "any"), (layer.layer_name, of_python, "any")):
                moments = times.setdefault(key, {})
                moments[number] = max(layer.published, moments.get(number, layer.published))
    files = {
        f"renovate/{region}/{name}.json": dump_rows({"releases": [entry(*each) for each in moments.items()]})
        for (region, name), moments in sorted(times.items())
    }
    arn = _arn_pattern(index, names, sorted({name.partition(".")[2] for _, name in times} - {""}))
    return {"renovate/preset.json": dump_json(_preset(index, arn)), **files} if files else {}


def _release(release: IndexedRelease, published: datetime) -> dict[str, Any]:
    entry: dict[str, Any] = {"version": str(release.layer_version), "releaseTimestamp": iso(published)}
    if release.yanked:
        # Renovate proposes a deprecated version where the current one is deprecated or unknown. It never proposes an
        # unstable one to users of a plain number.
        entry |= {"isDeprecated": True, "isStable": False}
    if release.changelog_url:
        entry["changelogUrl"] = release.changelog_url
    return entry


def _preset(index: Index, arn: str) -> dict[str, Any]:
    # A repository may follow several publishers or several layers of a package.
    layer_words = re.sub(r"[^a-z0-9]+", "-", index.layer_name.lower()).strip("-")
    datasource = f"{index.package}-layers-{index.account}-{layer_words}"
    name = f"{index.package} Lambda layers"
    extracted = {
        "customType": "regex",
        "managerFilePatterns": [_FILE_PATTERN],
        "depNameTemplate": "{{{arn}}}",
        "packageNameTemplate": (
            "{{#if region}}{{{region}}}{{else}}any{{/if}}/"
            "{{#if layer}}{{{layer}}}{{else}}any{{#if python}}.{{{python}}}{{/if}}{{/if}}"
        ),
        "datasourceTemplate": f"custom.{datasource}",
        "versioningTemplate": r"regex:^(?<major>\d+)$",
    }
    number = r"--version-number[\s=]+[\"']?(?<currentValue>\d+)"
    return {
        "$schema": "https://docs.renovatebot.com/renovate-schema.json",
        "description": [f"Update the ARNs of the {name}, in all regions together."],
        "customDatasources": {datasource: {"defaultRegistryUrlTemplate": "{{arg0}}/renovate/{{packageName}}.json"}},
        "customManagers": [
            # By default Renovate replaces the first digit that equals the version: the 1 of us-east-1.
            {
                **extracted,
                "matchStrings": [rf"{arn}:(?<currentValue>\d+)"],
                "autoReplaceStringTemplate": "{{{depName}}}:{{{newValue}}}",
            },
            {  # aws lambda get-layer-version --layer-name ARN --version-number N
                **extracted,
                "matchStringsStrategy": "recursive",
                "matchStrings": [rf"{arn}[\"']?[\s\\]+{number}", number],
            },
        ],
        "packageRules": [
            {
                "matchDatasources": [f"custom.{datasource}"],
                "groupName": name,
                "groupSlug": f"{index.package}-lambda-layers",
                "separateMajorMinor": False,
                "ignoreDeprecated": True,
                "ignoreUnstable": True,
            }
        ],
    }


def _arn_pattern(index: Index, names: list[str], pythons: list[str]) -> str:
    """Return a regular expression for a layer's ARN without its version number, for RE2, which has no lookahead."""
    words = {
        r"\{python\}": rf"(?:{_VARIABLE}|(?<python>{'|'.join(pythons)})|[0-9._]+)",
        r"\{architecture\}": rf"(?:{_VARIABLE}|x86_64|aarch64)",
    }
    by_variable = re.escape(index.layer_name.replace("{package}", index.package))
    for field, pattern in words.items():
        by_variable = by_variable.replace(field, pattern, 1).replace(field, pattern.replace("?<python>", "?:"))
    return (
        rf"(?<arn>arn:(?:aws[a-z-]*|{_VARIABLE}):lambda:(?:(?<region>{_REGION})|{_VARIABLE})"
        rf":(?:{index.account}|{_VARIABLE}):layer:(?:(?<layer>{'|'.join(names)})|{by_variable}))"
    )
