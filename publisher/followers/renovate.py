"""Renovate files: a datasource for each region and layer, and a preset that updates ARNs in other people's files. Pure.

``renovate/<region>/<layer name>.json`` is a response of a Renovate custom datasource. Its versions are layer version
numbers of complete releases only, so that Renovate never proposes a number that a region does not have.
``renovate/preset.json`` takes the address of the catalog as its argument.
"""

from __future__ import annotations

import re
from typing import Any

from builder.model.artifact import dump_json
from builder.model.clock import iso
from publisher.catalog.index import Index, IndexedLayer, IndexedRelease

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
    layers: dict[tuple[str, str], list[tuple[IndexedRelease, IndexedLayer]]] = {}
    for release in index.releases:
        if release.complete:
            for layer in release.layers:
                layers.setdefault((layer.region, layer.layer_name), []).append((release, layer))
    files = {
        f"renovate/{region}/{name}.json": dump_json({"releases": [_release(*each) for each in reversed(found)]})
        for (region, name), found in sorted(layers.items())
    }
    return {"renovate/preset.json": dump_json(_preset(index, sorted(layers))), **files} if files else {}


def _release(release: IndexedRelease, layer: IndexedLayer) -> dict[str, Any]:
    entry: dict[str, Any] = {"version": str(release.layer_version), "releaseTimestamp": iso(layer.published)}
    if release.yanked:
        # Renovate proposes a deprecated version where the current one is deprecated or unknown. It never proposes an
        # unstable one to users of a plain number.
        entry |= {"isDeprecated": True, "isStable": False}
    if release.changelog_url:
        entry["changelogUrl"] = release.changelog_url
    return entry


def _preset(index: Index, layers: list[tuple[str, str]]) -> dict[str, Any]:
    datasource = f"{index.package}-layers"
    name = f"{index.package} Lambda layers"
    arn = _arn_pattern(index, sorted({layer for _, layer in layers}))
    region, layer = layers[0]
    extracted = {
        "customType": "regex",
        "managerFilePatterns": [_FILE_PATTERN],
        "depNameTemplate": "{{{arn}}}",
        # If a file has a variable for the region or the layer, use the first one: all have the same number.
        "packageNameTemplate": (
            f"{{{{#if region}}}}{{{{{{region}}}}}}{{{{else}}}}{region}{{{{/if}}}}/"
            f"{{{{#if layer}}}}{{{{{{layer}}}}}}{{{{else}}}}{layer}{{{{/if}}}}"
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


def _arn_pattern(index: Index, names: list[str]) -> str:
    """Return a regular expression for a layer's ARN without its version number, for RE2, which has no lookahead."""
    by_variable = re.sub(
        r"\\\{(python|architecture)\\\}",
        lambda match: rf"(?:{_VARIABLE}|{'[0-9._]+' if match[1] == 'python' else 'x86_64|aarch64'})",
        re.escape(index.layer_name.replace("{package}", index.package)),
    )
    return (
        rf"(?<arn>arn:(?:aws[a-z-]*|{_VARIABLE}):lambda:(?:(?<region>{_REGION})|{_VARIABLE})"
        rf":(?:{index.account}|{_VARIABLE}):layer:(?:(?<layer>{'|'.join(names)})|{by_variable}))"
    )
